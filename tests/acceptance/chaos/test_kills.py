"""kill -9 of each part of the studio at random moments: every run completes, and no step lives twice at once.

`STUDIO_CHAOS_SEED=N` chooses the same victims in the same order again; the seed stands at the end of the test's output.
"""

import contextlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.chaos.killing import SCRIPT, Killer
from tests.acceptance.chaos.ledger import WORK, lives, overlaps
from tests.acceptance.installation.starting import Up, started
from tests.support.servers.postgresql import PostgreSql, postgresql
from tests.support.studio import Api, ApiError
from tests.support.waiting import wait_for

STRIKES = 50
SLUG = "chaos"
AT_LEAST_RUNNING = 2  # runs that are under way at each strike
STEP_S = 0.8
SETTLES_S = 240.0
PREPARE = f"""
from studio.workspaces.models import User
from studio.workspaces.services import create_workspace

create_workspace(name="Chaos", slug="{SLUG}", owner=User.objects.create(username="{SLUG}"))
"""


@pytest.fixture
def seed(record_property: Any) -> int:
    given = os.environ.get("STUDIO_CHAOS_SEED")
    number = int(given) if given else random.SystemRandom().randrange(2**32)
    record_property("seed", number)
    return number


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSql]:
    with postgresql() as server:
        yield server


@pytest.fixture
def up(database: PostgreSql, tmp_path: Path) -> Iterator[Up]:
    url = (
        f"postgres://{database.user}:{quote(database.password, safe='')}"
        f"@{database.host}:{database.port}/{database.database}"
    )
    options = {
        "DATABASE_URL": url,
        "STUDIO_NODE_LEASE_S": "4",
        "STUDIO_NODE_HEARTBEAT_S": "0.5",
        "STUDIO_SWEEP_INTERVAL_S": "0.5",
        "STUDIO_STEP_WRITABLE": str(tmp_path),  # where each attempt says that it lives
    }
    with started(tmp_path / "home", **options) as running:
        yield running.until_announced()


class Runs:
    """Submits runs through the API, which may be dead at any moment."""

    def __init__(self, api: Api) -> None:
        self._api = api
        files = [{"path": SCRIPT, "text": WORK}]
        source = self.call("POST", "sources/edit/", {"base": None, "put": files, "delete": [], "move": []})["digest"]
        made = self.call("POST", "pipelines/", {"name": "chaos", "description": ""})
        self._pipeline = made["id"]
        body = {"definition": _definition(source), "base_version": made["latest_version"]}
        assert not self.call("POST", f"pipelines/{self._pipeline}/versions/", body)["problems"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        return self._api.call(method, f"/api/workspaces/{SLUG}/{path}", body)

    def keep_busy(self) -> None:
        """Submit until enough is under way; whoever can't be reached now is asked at the next strike."""
        with contextlib.suppress(OSError, ApiError, ValueError):
            while len(self.unfinished()) < AT_LEAST_RUNNING:
                self.call("POST", f"pipelines/{self._pipeline}/runs/", {"parameters": {}})

    def unfinished(self) -> list[Any]:
        return [run for run in self.all() if not run["finished_at"]]

    def all(self) -> list[Any]:
        """Every run, the submissions whose answer got lost included."""
        found: list[Any] = []
        page = 1
        while True:
            answer = self.call("GET", f"runs/?page={page}")
            found += answer["results"]
            if not answer["next"]:
                return found
            page += 1

    def settled(self) -> bool:
        with contextlib.suppress(OSError, ApiError, ValueError):
            return not self.unfinished()
        return False


@pytest.mark.timeout(900)
def test_whatever_is_killed_every_run_completes_and_no_step_lives_twice(
    up: Up, database: PostgreSql, seed: int
) -> None:
    up.manage("shell", "--no-imports", "-c", PREPARE)
    runs = Runs(Api(up.address, up.manage("token", SLUG)))
    killer = Killer(up, database, random.Random(seed))

    while sum(killer.killed.values()) < STRIKES:
        runs.keep_busy()
        time.sleep(killer.pause_s())  # the moments are the test
        killer.strike()
    wait_for(runs.settled, what="every run is over", timeout_s=SETTLES_S, every_s=0.5)

    assert min(killer.killed.values()) >= STRIKES // len(killer.killed) - 1, killer.killed
    found = runs.all()
    assert len(found) >= AT_LEAST_RUNNING
    assert {run["status"] for run in found} == {"completed"}, [run["reason"] for run in found]
    for run in found:
        for step in runs.call("GET", f"runs/{run['id']}/")["steps"]:
            _check_step(runs, up.home, run["id"], step["name"])


def _check_step(runs: Runs, home: Path, run_id: int, name: str) -> None:
    who = f"step {name} of run {run_id}"
    step = runs.call("GET", f"runs/{run_id}/steps/{name}/")
    attempts = step["attempts"]
    assert [attempt["number"] for attempt in attempts] == list(range(1, len(attempts) + 1)), who
    assert attempts[-1]["exit_code"] == 0, who
    for attempt in attempts[:-1]:
        assert attempt["finished_at"], f"{who}: attempt {attempt['number']} never ended"
        assert attempt["reason"], f"{who}: attempt {attempt['number']} completed, and the step ran again"
    told = lives(_ledger(home, run_id, name))
    assert not list(overlaps(told)), f"{who} lived twice at once"
    assert len(told) <= len(attempts), f"{who} lived more often than it was claimed"
    assert told[-1].ended, f"{who} completed without its last line"
    log = runs.call("GET", f"runs/{run_id}/steps/{name}/log/?start=0&count=100")
    lines = [line["t"] for line in log["lines"]]
    assert {f"attempt {told[-1].name}", f"done {told[-1].name}"} <= set(lines), f"{who}: lines are missing in {lines}"


def _ledger(home: Path, run_id: int, name: str) -> Path:
    found = list(home.glob(f"**/ledger/{run_id}/{name}/ledger.txt"))
    assert len(found) == 1, found
    return found[0]


def _definition(source: str) -> dict[str, Any]:
    """One step, three beside each other, and one after them."""
    middle = [_step(source, f"middle-{number}", ["first"]) for number in range(3)]
    last = _step(source, "last", [step["name"] for step in middle])
    return {"schema_version": 1, "parameters": [], "steps": [_step(source, "first", []), *middle, last]}


def _step(source: str, name: str, before: list[str]) -> dict[str, Any]:
    return {
        "kind": "python_script",
        "name": name,
        "source": source,
        "entry": SCRIPT,
        "arguments": f"${{{{outputs.{name}}}}} {STEP_S}",
        "inputs": [
            {"name": f"after-{other}", "binding": {"kind": "output", "step": other, "output": other}}
            for other in before
        ],
        "outputs": [{"name": name, "path": "ledger/{run-id}/{output-name}"}],
        "allow_reuse": False,
        # How often a step is hit, itself or its node, is a matter of luck here, and not what this is about.
        "retry": {"max_attempts": 11, "max_node_losses": 10},
    }
