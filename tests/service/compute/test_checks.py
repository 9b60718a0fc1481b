"""Testing a datastore's connection from a node: asked for, taken once, answered or ended."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from compute.models import ConnectionCheck, Node
from compute.services import request_check
from compute.services.checks import KEPT, end_unheard, run_checks
from compute.states import CheckStatus
from datastores.models import Datastore
from studio.workspaces.models import AuditEvent, Membership, Role, User
from tests.support.compute import Compute

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> None:
    settings.STUDIO_HOME = tmp_path / "home"
    settings.STUDIO_HOME.mkdir()


@pytest.fixture
def compute() -> Compute:
    return Compute()


@pytest.fixture
def datastore(compute: Compute) -> Datastore:
    return compute.datastore("store")


@pytest.fixture
def node(compute: Compute) -> Node:
    return compute.node("atlas")


@pytest.fixture
def olga() -> User:
    return User.objects.create_user("olga")


def asked(datastore: Datastore, compute: Compute, olga: User) -> ConnectionCheck:
    return request_check(datastore, compute.target, requested_by=olga)


def test_a_node_says_that_it_reaches_it(compute: Compute, datastore: Datastore, node: Node, olga: User) -> None:
    check = asked(datastore, compute, olga)
    assert check.status == CheckStatus.QUEUED
    run_checks(node)
    check.refresh_from_db()
    assert check.status == CheckStatus.COMPLETED
    assert check.node_name == "atlas"
    assert check.message.startswith(f"Node atlas of {compute.target.name} reached it in ")
    assert check.finished_at is not None
    assert AuditEvent.objects.filter(verb="datastore.check", actor=olga).count() == 1


def test_what_is_wrong_is_said_with_its_field(compute: Compute, datastore: Datastore, node: Node, olga: User) -> None:
    Datastore.objects.filter(pk=datastore.pk).update(config={"path": "/etc"})
    check = asked(datastore, compute, olga)
    run_checks(node)
    check.refresh_from_db()
    assert (check.status, check.loc) == (CheckStatus.FAILED, "config.path")
    assert "The studio may not use this folder" in check.message


def test_a_store_that_breaks_is_said_too(compute: Compute, datastore: Datastore, node: Node, olga: User) -> None:
    Datastore.objects.filter(pk=datastore.pk).update(config={"nonsense": 1})
    check = asked(datastore, compute, olga)
    run_checks(node)
    check.refresh_from_db()
    assert check.status == CheckStatus.FAILED
    assert "The test itself broke on node atlas" in check.message


def test_nodes_of_other_targets_leave_it(compute: Compute, datastore: Datastore, olga: User) -> None:
    check = asked(datastore, compute, olga)
    run_checks(Compute().node("elsewhere"))
    check.refresh_from_db()
    assert check.status == CheckStatus.QUEUED


def test_one_node_takes_it(compute: Compute, datastore: Datastore, olga: User) -> None:
    nodes = [compute.node(name) for name in ("one", "two", "three")]
    for _ in range(5):
        check = asked(datastore, compute, olga)
        gate = threading.Barrier(len(nodes))

        def run(node: Node, gate: threading.Barrier = gate) -> None:
            gate.wait()
            run_checks(node)
            connection.close()

        threads = [threading.Thread(target=run, args=(node,)) for node in nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check.refresh_from_db()
        assert check.status == CheckStatus.COMPLETED
        assert f"Node {check.node_name} of" in check.message


def test_asking_twice_is_asking_once(compute: Compute, datastore: Datastore, node: Node, olga: User) -> None:
    first = asked(datastore, compute, olga)
    assert asked(datastore, compute, olga) == first
    run_checks(node)
    assert asked(datastore, compute, olga) != first


def test_a_check_that_nobody_takes_says_so(compute: Compute, datastore: Datastore, node: Node, olga: User) -> None:
    check = asked(datastore, compute, olga)
    assert end_unheard() == 0
    ConnectionCheck.objects.update(created_at=timezone.now() - timedelta(seconds=11))
    assert end_unheard() == 1
    check.refresh_from_db()
    assert check.message == f"No node of {compute.target.name} answered within 10 s. Start one, then test again."
    run_checks(node)
    check.refresh_from_db()
    assert check.status == CheckStatus.FAILED


def test_a_node_that_dies_over_it_is_said(compute: Compute, datastore: Datastore, olga: User) -> None:
    check = asked(datastore, compute, olga)
    long_ago = timezone.now() - timedelta(minutes=2)
    ConnectionCheck.objects.update(status="running", node_name="atlas", created_at=long_ago, started_at=long_ago)
    assert end_unheard() == 1
    check.refresh_from_db()
    assert "Node atlas stopped answering" in check.message


def test_old_ones_go(compute: Compute, datastore: Datastore, node: Node, olga: User) -> None:
    for _ in range(KEPT + 3):
        asked(datastore, compute, olga)
        run_checks(node)
    assert ConnectionCheck.objects.count() == KEPT


def client(compute: Compute, role: Role) -> APIClient:
    user = User.objects.create_user(f"user-{role}")
    Membership.objects.create(workspace=compute.workspace, user=user, role=role)
    made = APIClient()
    made.force_authenticate(user)
    return made


def test_over_rest(compute: Compute, datastore: Datastore, node: Node) -> None:
    address = f"/api/workspaces/{compute.workspace.slug}/datastores/{datastore.pk}/checks/"
    owner, contributor = client(compute, Role.OWNER), client(compute, Role.CONTRIBUTOR)
    wanted = {"target": compute.target.pk}
    assert contributor.post(address, wanted, format="json").status_code == 403
    refused = owner.post(address, {"target": Compute().target.pk}, format="json")
    assert (refused.status_code, refused.json()["problems"][0]["loc"]) == (400, ["target"])
    made = owner.post(address, wanted, format="json")
    assert made.status_code == 201
    assert made.json() | {"created_at": ""} == {
        "id": made.json()["id"],
        "target": {"id": compute.target.pk, "name": compute.target.name},
        "node": "",
        "status": "queued",
        "is_over": False,
        "message": "",
        "field": [],
        "requested_by": "user-owner",
        "created_at": "",
        "finished_at": None,
    }
    run_checks(node)
    (check,) = contributor.get(address).json()["results"]
    assert (check["status"], check["is_over"], check["node"]) == ("completed", True, "atlas")
    assert contributor.get(f"{address}{check['id']}/").json() == check
    assert owner.get(f"{address}{check['id'] + 99}/").status_code == 404


def test_looking_ends_what_nobody_took(compute: Compute, datastore: Datastore, olga: User) -> None:
    asked(datastore, compute, olga)
    ConnectionCheck.objects.update(created_at=timezone.now() - timedelta(seconds=11))
    address = f"/api/workspaces/{compute.workspace.slug}/datastores/{datastore.pk}/checks/"
    (check,) = client(compute, Role.READER).get(address).json()["results"]
    assert (check["status"], check["is_over"]) == ("failed", True)
