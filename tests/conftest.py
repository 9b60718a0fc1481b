"""What every test may ask for. The parts stand in tests/support."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from django.conf import settings as django_settings
from hypothesis import HealthCheck
from hypothesis import settings as examples
from pytest_django import Settings

from tests.support.postgres import postgres
from tests.support.redis import redis_on
from tests.support.stack import Stack, stack_of_workers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.support.browser import Visitors
    from tests.support.servers.azure import Azurite
    from tests.support.servers.mariadb import MariaDb
    from tests.support.servers.postgresql import PostgreSql
    from tests.support.servers.s3 import MotoServer, S3Server
    from tests.support.servers.sshd import SshServer
    from tests.support.servers.web import WebServer
    from tests.support.studio import Place, Studio

# How long an example takes says more of the machine than of the code.
examples.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.load_profile("any machine")

RESULTS = Path(__file__).resolve().parent.parent / "test-results"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[redis.Redis]:
    """A real Redis where the settings say that it is; gives a client."""
    with redis_on(django_settings.EMBEDDED_REDIS_SOCKET) as client:
        yield client


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL of this session's own, as a DATABASE_URL."""
    with postgres() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator["PostgreSql"]:
    """A real PostgreSQL that listens on a port, for datastores: not the studio's own database."""
    from tests.support.servers.postgresql import postgresql

    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator["MariaDb"]:
    """A real MariaDB of this session's own, with TLS."""
    from tests.support.servers.mariadb import mariadb

    with mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def sshd_server() -> Iterator["SshServer"]:
    """A real OpenSSH server with SFTP, which takes a key."""
    from tests.support.servers.sshd import sshd

    with sshd() as server:
        yield server


@pytest.fixture(scope="session")
def sftp_by_password_server() -> Iterator["SshServer"]:
    """A real SFTP server (asyncssh's), which takes a password."""
    from tests.support.servers.sshd import sftp_by_password

    with sftp_by_password() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator["S3Server"]:
    """A real S3 server (rclone's) with one pair of keys; makes buckets."""
    from tests.support.servers.s3 import s3

    with s3() as server:
        yield server


@pytest.fixture(scope="session")
def s3_with_rights() -> Iterator["MotoServer"]:
    """A server of S3 and IAM (moto's), which enforces the rights of its users."""
    from tests.support.servers.s3 import moto

    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator["Azurite"]:
    """A real server of Azure's blobs; makes containers."""
    from tests.support.servers.azure import azurite

    with azurite() as server:
        yield server


@pytest.fixture(scope="session")
def web_server() -> Iterator["WebServer"]:
    """A real web server with Range and an index of each folder; makes folders."""
    from tests.support.servers.web import web

    with web() as server:
        yield server


@pytest.fixture
def loopback_admitted(settings: Settings) -> None:
    """Datastores may reach servers on this machine: by default they may not."""
    settings.PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def worker_stack(transactional_db: None, redis_server: redis.Redis, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """`worker_stack(STUDIO_NODE_LEASE_S="2", …)`: real workers on the test's database, with settings of their own.

    Starts none by itself: `.control()`, `.scheduler()` and `.node("local", slots=2)` do. Steps see the test's
    `tmp_path`: a test and its steps tell one another things there.
    """
    redis_server.flushall()
    logs = tmp_path / "workers"
    logs.mkdir()
    with contextlib.ExitStack() as open_stacks:
        yield lambda **variables: open_stacks.enter_context(
            stack_of_workers(logs, {"STUDIO_STEP_WRITABLE": str(tmp_path), **variables})
        )


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Studio"]:
    """A whole installation without the demo, started by `manage.py up`; one for all tests of this process.

    Its steps see the tests' temporary folders.
    """
    yield from _studio(demo=False, STUDIO_STEP_WRITABLE=str(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def demo_studio() -> Iterator["Studio"]:
    """A whole installation as a newcomer gets it."""
    yield from _studio(demo=True)


def _studio(*, demo: bool, **variables: str) -> Iterator["Studio"]:
    from studio.installation.temporary import temporary_installation
    from tests.support.studio import Studio

    home = Path(os.environ["STUDIO_HOME"]) / ("demo" if demo else "studio")
    with temporary_installation(demo=demo, home=home, variables=variables) as installation:
        running = Studio(installation)
        try:
            yield running
        finally:
            running.close()


@pytest.fixture
def place(studio: "Studio") -> "Place":
    """A new workspace in the studio, with an owner, a contributor and a reader."""
    return studio.place()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium. One for each module: its event loop must be gone before asynchronous tests run."""
    from tests.support.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def visitors(browser: "Browser", studio: "Studio", request: pytest.FixtureRequest) -> Iterator["Visitors"]:
    """Opens pages: `visitors.open(place.reader)`. Nothing unexpected may appear on any page's console."""
    yield from _visitors(browser, studio, request)


@pytest.fixture
def demo_visitors(browser: "Browser", demo_studio: "Studio", request: pytest.FixtureRequest) -> Iterator["Visitors"]:
    yield from _visitors(browser, demo_studio, request)


def _visitors(browser: "Browser", studio: "Studio", request: pytest.FixtureRequest) -> Iterator["Visitors"]:
    from tests.support.browser import Visitors

    open_for = Visitors(browser, studio)
    yield open_for
    errors = open_for.unexpected_errors()
    if errors or request.node.stash.get(FAILED, False):
        open_for.take_pictures(re.sub(r"[^\w.-]+", "-", request.node.name))
    open_for.close()
    assert not errors, "the browser's console said:\n" + "\n".join(errors)


@pytest.fixture
def page(visitors: "Visitors", place: "Place") -> "Page":
    """A page that is signed in as the owner of `place`."""
    return visitors.open(place.owner)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[Any]") -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what a test of chance began with, whether it passed or not: only so can it be run again."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if (seed := dict(getattr(report, "user_properties", ())).get("seed")) and report.when == "call":
                terminalreporter.write_line(f"seed {seed} of {report.nodeid}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the logs of a session that failed, and remove its folder."""
    if hasattr(session.config, "workerinput"):
        return
    folder = Path(os.environ["STUDIO_TEST_SESSION"])
    if exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        for log in folder.rglob("*.log"):
            kept = RESULTS / "logs" / log.relative_to(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
    shutil.rmtree(folder, ignore_errors=True)
