"""A real node tests a datastore's connection: at once, also while all its slots are busy, and by itself if need be."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from compute.models import ConnectionCheck
from compute.services import request_cancel, request_check
from compute.states import CheckStatus, JobStatus
from datastores.models import Datastore
from studio.lib.secrets import Sealed
from studio.workspaces.models import User
from tests.support.compute import Compute, in_state, over
from tests.support.servers.postgresql import PostgreSql
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def compute() -> Compute:
    return Compute()


def database(compute: Compute, server: PostgreSql, password: str) -> Datastore:
    config = {"host": server.host, "port": server.port, "database": server.database, "user": server.user}
    return Datastore.objects.create(
        workspace=compute.workspace,
        name=f"d{Datastore.everything.count()}",
        kind="postgresql",
        config=config,
        credentials=Sealed.seal({"password": password}),
    )


def answered(check: ConnectionCheck) -> ConnectionCheck:
    def look() -> bool:
        check.refresh_from_db()
        return check.finished_at is not None

    wait_for(look, what="the node answers", timeout_s=30)
    return check


def test_a_node_answers_while_its_slots_are_busy(
    worker_stack: Callable[..., Stack], compute: Compute, postgresql_server: PostgreSql
) -> None:
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="0.3", STUDIO_NODE_HEARTBEAT_S="60", STUDIO_PRIVATE_HOSTS="127.0.0.1")
    stack.node(compute.target.pk, slots=1)
    job = in_state(compute.script("import time; time.sleep(600)"), JobStatus.RUNNING)
    olga = User.objects.create_user("olga")
    good = database(compute, postgresql_server, postgresql_server.password)
    check = answered(request_check(good, compute.target, requested_by=olga))
    assert check.status == CheckStatus.COMPLETED, check.message
    bad = database(compute, postgresql_server, "wrong-secret")
    check = answered(request_check(bad, compute.target, requested_by=olga))
    assert (check.status, check.loc) == (CheckStatus.FAILED, "credentials.password")
    assert "does not let the user" in check.message
    request_cancel([job.pk])
    over(job)
    for worker in stack.workers:
        assert "wrong-secret" not in worker.log.read_text()


def test_a_lost_nudge_is_made_good_by_the_heartbeat(
    worker_stack: Callable[..., Stack], compute: Compute, settings: Settings
) -> None:
    worker_stack(STUDIO_NODE_HEARTBEAT_S="0.5").node(compute.target.pk)
    # No message: the row alone.
    check = ConnectionCheck.objects.create(datastore=compute.datastore("store"), target=compute.target)
    assert answered(check).status == CheckStatus.COMPLETED, check.message
