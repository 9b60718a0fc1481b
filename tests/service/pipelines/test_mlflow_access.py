"""Every endpoint of the tracking interface, walked: who is let in, and what a failure looks like."""

import json
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver
from rest_framework.request import Request

from compute.models import Job
from compute.services.leases import Outcome, lose
from compute.services.step_tokens import step_token
from compute.states import JobStatus
from pipelines.mlflow import urls
from pipelines.mlflow.caller import StepTokens, caller_of
from pipelines.mlflow.protocol import EndpointView
from pipelines.models import StepRun
from pipelines.tracked_runs import tracked_run_id
from studio.workspaces.models import AccessToken, Role
from studio.workspaces.permissions import Permission
from studio.workspaces.services import create_workspace
from studio.workspaces.tokens import make_token
from tests.service.pipelines.tracker import Tracker
from tests.service.pipelines.world import World


def _endpoints(patterns: Any, before: str = "") -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    for each in patterns:
        address = before + str(each.pattern)
        if isinstance(each, URLResolver):
            found += _endpoints(each.url_patterns, address)
        elif isinstance(each, URLPattern) and each.callback.view_class is EndpointView:
            endpoints = each.callback.view_initkwargs["endpoints"]
            found += [(method, address, endpoint) for method, endpoint in endpoints.items()]
    return found


ENDPOINTS = [
    (method, address.removeprefix("api/2.0/"), endpoint)
    for method, address, endpoint in _endpoints(urls.urlpatterns)
    if not address.startswith("<slug:slug>")
]
IDS = [f"{method} {address}" for method, address, _endpoint in ENDPOINTS]
FILES = "mlflow-artifacts/artifacts"


def good(endpoint: Any, address: str, run_id: str, experiment_id: str) -> dict[str, Any]:
    """Something of the right shape for each field that must be there."""
    known = {"run_id": run_id, "experiment_id": experiment_id, "source_run_id": run_id, "value": 1, "status": "RUNNING"}
    known |= {"model_id": f"m-{run_id}-1", "status": "LOGGED_MODEL_READY"} if "logged-models" in address else {}
    known |= {"source": f"mlflow-artifacts:/{run_id}/model"}
    names = [name for name, field in endpoint.asked.model_fields.items() if field.is_required()]
    given = {
        name: known.get(name, "x")
        for name in {*names, *({"run_id", "source_run_id"} & set(endpoint.asked.model_fields))}
    }
    return {**given, **({"path": run_id} if FILES in address else {})}


@pytest.mark.parametrize(("method", "address", "endpoint"), ENDPOINTS, ids=IDS)
def test_nobody_gets_in_where_they_have_no_business(world: World, method: str, address: str, endpoint: Any) -> None:
    ours = Tracker.of(world.owner)
    experiment_id = ours.post("experiments/create", name="mine")["experiment_id"]
    run_id = ours.begin(experiment_id=experiment_id)
    body = good(endpoint, address, run_id, experiment_id)
    address = address.replace("<str:model_id>", f"m-{run_id}-1").replace("<path:tag_key>", "x")
    theirs = World.make("theirs")

    def told(who: Tracker) -> tuple[int, str]:
        answer: Any = who.ask(method, address, body)
        return answer.status_code, answer.json().get("error_code", "")

    assert told(Tracker("")) == (401, "UNAUTHENTICATED")
    assert told(Tracker("x" * 64)) == (401, "UNAUTHENTICATED")
    assert told(Tracker("step.1.abc")) == (401, "UNAUTHENTICATED")
    assert told(Tracker.of(theirs.owner)) == (404, "RESOURCE_DOES_NOT_EXIST"), "a stranger can't tell it from none"
    if {"run_id", "experiment_id", "source_run_id", "model_id"} & set(body) or FILES in address:
        assert told(Tracker.of(theirs.owner, "theirs")) == (404, "RESOURCE_DOES_NOT_EXIST"), "nor by a place of theirs"
    reader = told(Tracker.of(world.member("reader", Role.READER)))
    assert (reader[1] == "PERMISSION_DENIED") == (endpoint.permission != Permission.VIEW), reader


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_files_are_not_for_others(world: World, method: str) -> None:
    run_id = Tracker.of(world.owner).begin()
    theirs = World.make("theirs")
    address = f"{FILES}/{run_id}/a.txt"
    statuses = [
        who.ask(method, address).status_code
        for who in (Tracker(""), Tracker.of(theirs.owner), Tracker.of(theirs.owner, "theirs"))
    ]
    assert statuses == [401, 404, 404]
    if method != "GET":
        assert Tracker.of(world.member("reader", Role.READER)).ask(method, address).status_code == 403


def test_a_session_is_no_way_in(world: World) -> None:
    """A page of another site could use it: there is no token against that in the protocol."""
    anonymous = Tracker("")
    anonymous.client.force_login(world.owner)
    assert anonymous.refused("runs/create")[:2] == (401, "UNAUTHENTICATED")


def test_what_is_not_served_is_told_in_the_same_words(world: World) -> None:
    us = Tracker.of(world.owner)
    assert us.refused("traces/search")[:2] == (404, "ENDPOINT_NOT_FOUND")
    assert us.refused("runs/create", "GET")[:2] == (404, "ENDPOINT_NOT_FOUND")
    assert us.ask("GET", "../3.0/mlflow/x").status_code == 404


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{", "JSON parse error"),
        ("[1]", "must be a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps({"run_id": "x", "key": "a\0b", "value": "v"}), "can't be kept"),
        ('{"run_id": "x", "key": "\\ud800"}', "can't be kept"),
        ("{}", "Missing value for required parameter 'key'"),
        (json.dumps({"run_id": "x", "key": "a", "value": "v" * 1_000_000}), "at most 1,000,000 bytes"),
    ],
)
def test_a_body_that_makes_no_sense(world: World, body: str, sentence: str) -> None:
    answer: Any = Tracker.of(world.owner).ask("POST", "mlflow/runs/set-tag", body)
    assert answer.status_code == 400
    assert sentence in answer.json()["message"]


def test_the_workspace_may_be_left_out_where_there_is_one(world: World) -> None:
    us = Tracker.of(world.owner, "")
    us.begin()
    other = World.make("other")
    other.workspace.memberships.create(user=world.owner, role=Role.OWNER)
    status, code, sentence = us.refused("runs/create")
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "/api/mlflow/other, /api/mlflow/ours" in sentence
    nobody = World.make("third")
    nobody.workspace.memberships.all().delete()
    assert Tracker.of(nobody.owner, "").refused("runs/create")[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


class TestTheTokenOfAStep:
    @pytest.fixture
    def run_id(self, world: World) -> str:
        run = world.submit(world.pipeline(world.step("a", retry={"max_attempts": 2}), world.step("b")))
        return tracked_run_id(run.pk, StepRun.objects.get(run=run, name="a").pk)

    def test_it_is_for_the_steps_own_run(self, world: World, run_id: str) -> None:
        program = Tracker.within(world.claim())
        program.post("runs/log-metric", run_id=run_id, key="loss", value=0.5, timestamp=1, step=0)
        program.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1")
        program.post("runs/update", run_id=run_id, status="FINISHED")
        told = program.run(run_id)
        assert (told["metrics"], told["params"], told["status"]) == ({"loss": 0.5}, {"lr": "0.1"}, "RUNNING")
        other = StepRun.objects.get(name="b")
        theirs = tracked_run_id(other.run_id, other.pk)
        assert program.refused("runs/set-tag", run_id=theirs, key="k", value="v")[:2] == (403, "PERMISSION_DENIED")
        mine = Tracker.of(world.owner).begin()
        assert program.refused("runs/log-metric", run_id=mine, key="k", value=1)[:2] == (403, "PERMISSION_DENIED")
        assert program.run(theirs)["run_name"] == "b", "it sees what its submitter sees"

    def test_a_second_run_of_the_program_is_its_own_too(self, world: World, run_id: str) -> None:
        program = Tracker.within(world.claim())
        second = program.begin(run_name="second")
        program.post("runs/log-metric", run_id=second, key="loss", value=1)
        program.post("runs/update", run_id=second, status="FINISHED")
        told = program.run(second)
        assert (told["status"], told["tags"]["mlflow.parentRunId"]) == ("FINISHED", run_id)
        assert told["experiment_id"] == program.run(run_id)["experiment_id"]

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("experiments/create", {"name": "new"}),
            ("experiments/delete", {"experiment_id": "0"}),
            ("experiments/update", {"experiment_id": "0", "new_name": "n"}),
            ("runs/delete", {"run_id": "x"}),
        ],
    )
    def test_it_is_for_nothing_of_the_workspace(self, world: World, run_id: str, path: str, body: Any) -> None:
        program = Tracker.within(world.claim())
        assert program.refused(path, **body)[:2] == (403, "PERMISSION_DENIED")

    def test_it_opens_no_other_interface(self, world: World, run_id: str) -> None:
        program = Tracker.within(world.claim())
        assert program.client.get("/api/workspaces/", headers=program.headers).status_code == 401

    def test_it_may_do_no_more_than_run_things_though_an_owner_submitted_it(self, world: World, run_id: str) -> None:
        lease = world.claim()
        user, bearer = StepTokens().authenticate(  # type: ignore[misc]
            Request(
                RequestFactory().get("/", headers={"Authorization": f"Bearer {step_token(lease.job_id, lease.token)}"})
            )
        )
        request = Request(RequestFactory().get("/"))
        request.user, request.auth = user, bearer
        access = caller_of(request, None).access
        assert access.user == world.owner
        assert access.may(Permission.RUN)
        assert not access.may(Permission.MANAGE_MEMBERS)

    def test_it_dies_with_the_lease(self, world: World, run_id: str) -> None:
        lease = world.claim()
        program = Tracker.within(lease)
        program.run(run_id)
        lose(Job.objects.get(pk=lease.job_id), "a test")
        assert program.refused("runs/set-tag", run_id=run_id, key="k", value="v")[:2] == (401, "UNAUTHENTICATED")
        world.claim()  # of the other step, which waited longer
        again = world.claim()
        assert program.refused("runs/set-tag", run_id=run_id, key="k", value="v")[0] == 401, (
            "nor does another one wake it"
        )
        program = Tracker.within(again)
        program.post("runs/set-tag", run_id=run_id, key="k", value="v")
        world.end(again, Outcome(JobStatus.COMPLETED, exit_code=0))
        assert program.refused("runs/set-tag", run_id=run_id, key="k", value="v")[0] == 401

    def test_it_is_worth_what_its_submitter_is(self, world: World, run_id: str) -> None:
        program = Tracker.within(world.claim())
        world.owner.is_active = False
        world.owner.save()
        assert program.refused("runs/set-tag", run_id=run_id, key="k", value="v")[0] == 401
        world.owner.is_active = True
        world.owner.save()
        world.workspace.memberships.all().delete()
        assert program.refused("runs/set-tag", run_id=run_id, key="k", value="v")[0] == 404


def scoped(world: World, slug: str, **about: Any) -> Tracker:
    return Tracker(make_token(world.owner, name="a job", **about).secret, slug)


def test_a_token_for_one_workspace_opens_no_other(world: World) -> None:
    create_workspace(name="Other", slug="other", owner=world.owner)
    begin = {"name": "mine"}
    for slug in ("other", "nowhere"):
        answer = scoped(world, slug, workspace="ours").ask("POST", "mlflow/experiments/create", begin)
        assert (answer.status_code, _code(answer)) == (404, "RESOURCE_DOES_NOT_EXIST")
    # Of somebody who is a member of two, it says which one is meant.
    assert scoped(world, "", workspace="ours").post("experiments/create", **begin)["experiment_id"]
    assert scoped(world, "").ask("POST", "mlflow/experiments/create", begin).status_code == 400


def test_a_token_for_a_role_does_no_more_than_that_role(world: World) -> None:
    experiment = Tracker.of(world.owner).post("experiments/create", name="mine")["experiment_id"]
    reads = scoped(world, "ours", role="reader")
    assert reads.get("experiments/get", experiment_id=experiment)["experiment"]["name"] == "mine"
    for path, body in (("experiments/create", {"name": "x"}), ("runs/create", {"experiment_id": experiment})):
        answer = reads.ask("POST", f"mlflow/{path}", body)
        assert (answer.status_code, _code(answer)) == (403, "PERMISSION_DENIED")
    assert AccessToken.objects.get().last_used_at is not None


def _code(answer: Any) -> str:
    return str(json.loads(answer.content)["error_code"])
