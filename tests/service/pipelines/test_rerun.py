"""New runs made of an earlier one: resubmitted, rerun from a step on, and cloned to a pipeline of its own."""

import pytest
from django.core.exceptions import PermissionDenied

from compute.models import Quota
from datastores.backends import get_backend
from datastores.models import DatasetVersion
from pipelines import queries, services
from pipelines.models import Run, StepRun
from pipelines.services.reusing import RUNS_ANEW
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.world import World, assert_no_gap, events

PARAMETERS = [{"name": "rate", "type": "number", "default": 0.1}, {"name": "word", "type": "string", "optional": True}]


def step_of(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def completed(world: World, **more: object) -> Run:
    """a → b → c, and d beside them."""
    b = world.step("b", "a", **{"arguments": "${{inputs.from_a}} ${{parameters.rate}}", **more})
    d = world.step("d", arguments="d")
    run = world.submit(world.pipeline(world.step("a"), b, world.step("c", "b"), d, parameters=PARAMETERS))
    assert sorted(world.drain()) == ["a", "b", "c", "d"]
    return queries.run_of(world.workspace, run.pk)


# --- From a step on --------------------------------------------------------------------------------------------------


def test_the_step_and_those_after_it_run_anew_and_the_others_keep_their_results(world: World) -> None:
    run = completed(world)
    new = services.rerun_from(world.access, run, "b")
    assert world.statuses(new) == {"a": "completed", "b": "queued", "c": "waiting", "d": "completed"}
    assert (new.rerun_of, new.rerun_from, new.version, new.experiment) == (run, "b", run.version, run.experiment)
    assert step_of(new, "a").reused_from == step_of(run, "a")
    assert step_of(new, "a").outputs == step_of(run, "a").outputs
    assert step_of(new, "b").reuse_note == RUNS_ANEW
    assert world.drain() == ["b", "c"]
    new.refresh_from_db()
    assert (new.status, new.steps_done) == ("completed", 4)
    assert_no_gap(new)
    assert AuditEvent.objects.get(verb="run.rerun").target == f"run {new.pk}, as run {run.pk} from b on"
    kept = [event for event in events(new) if event["kind"] == "step" and event["step"] == "a"]
    assert [(event["status"], event["reused_from"]) for event in kept] == [("completed", run.pk)]
    # What ran anew is found by later runs.
    third = world.submit(run.pipeline)
    third.refresh_from_db()
    assert third.status == "completed"


def test_results_are_kept_that_no_fingerprint_would_find(world: World) -> None:
    run = completed(world, allow_reuse=False)
    new = services.rerun_from(world.access, run, "c")
    assert step_of(new, "b").reused_from == step_of(run, "b")
    assert world.drain() == ["c"]


def test_a_rerun_of_a_rerun_keeps_where_the_result_was_made(world: World) -> None:
    run = completed(world)
    second = services.rerun_from(world.access, run, "c")
    world.drain()
    second = queries.run_of(world.workspace, second.pk)
    third = services.rerun_from(world.access, second, "c")
    assert step_of(third, "a").reused_from == step_of(run, "a")
    assert step_of(third, "a").reused_from.run_id == run.pk


def test_of_a_failed_run_what_has_no_result_runs_too(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a"), world.step("x", arguments="x")))
    leases = {lease.title.split()[0]: lease for lease in (world.claim(), world.claim())}
    world.fail(leases["a"])
    world.complete(leases["x"])
    new = services.rerun_from(world.access, queries.run_of(world.workspace, run.pk), "b")
    assert world.statuses(new) == {"a": "queued", "b": "waiting", "x": "completed"}
    assert world.drain() == ["a", "b"]


def test_a_result_that_is_gone_is_made_again(world: World) -> None:
    run = completed(world)
    record = step_of(run, "a").outputs.outputs["out"]
    get_backend(world.datastore).delete(record.path)
    new = services.rerun_from(world.access, run, "b")
    assert world.statuses(new) == {"a": "queued", "b": "waiting", "c": "waiting", "d": "completed"}
    assert world.drain() == ["a", "b", "c"]


def test_an_edited_step_runs_as_it_was_edited(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.fail(world.claim())
    changes = services.StepChanges(put={"main.py": "print(2)\n"})
    services.edit_step(world.access, run, "a", changes, base_edit=0)
    world.drain()
    new = services.rerun_from(world.access, queries.run_of(world.workspace, run.pk), "a")
    assert step_of(new, "a").frozen.snapshot == step_of(run, "a").frozen.snapshot


def test_destinations_have_the_new_runs_number_and_kept_results_are_not_registered_again(world: World) -> None:
    out = {"name": "out", "path": "made/{run-id}/{output-name}", "register_as": {"dataset": "made"}}
    other = {"name": "out", "register_as": {"dataset": "other"}}
    steps = [world.step("a", outputs=[other]), world.step("b", arguments="b", outputs=[out])]
    run = world.submit(world.pipeline(*steps))
    world.drain()
    assert DatasetVersion.objects.count() == 2
    new = services.rerun_from(world.access, queries.run_of(world.workspace, run.pk), "b")
    assert step_of(new, "b").frozen.outputs["out"].path == f"made/{new.pk}/out"
    assert world.drain() == ["b"]
    assert DatasetVersion.objects.count() == 3


def test_the_priority_stays_as_far_as_whoever_reruns_it_may_give_one(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")), priority=50)
    world.drain()
    run.refresh_from_db()
    member = Access(world.member("ann", Role.CONTRIBUTOR), world.workspace, Role.CONTRIBUTOR)
    assert services.rerun_from(world.access, run, "a").priority == 50
    assert services.rerun_from(member, run, "a").priority == 10


def test_only_when_the_run_is_over(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b")))
    lease = world.claim()
    with pytest.raises(ConflictError, match="is not over"):
        services.rerun_from(world.access, run, "a")
    services.cancel_run(world.access, run)
    run.refresh_from_db()
    for call in (lambda: services.rerun_from(world.access, run, "a"), lambda: services.resubmit_run(world.access, run)):
        with pytest.raises(ConflictError, match="is being cancelled"):
            call()
    assert Run.objects.count() == 1
    world.fail(lease)


def test_a_quota_holds_for_what_runs_anew(world: World) -> None:
    run = completed(world)
    Quota.objects.create(workspace=world.workspace, queued_steps=1, set_by=world.owner)
    with pytest.raises(UserError, match="may have 1 step waiting"):
        services.rerun_from(world.access, run, "b")
    assert Run.objects.count() == 1
    assert services.rerun_from(world.access, run, "c").steps_total == 4


# --- The same again --------------------------------------------------------------------------------------------------


def test_the_same_version_with_the_same_parameters(world: World) -> None:
    run = world.submit(
        world.pipeline(world.step("a"), parameters=PARAMETERS), parameters={"rate": 0.5}, experiment="e", priority=3
    )
    world.save(run.pipeline, world.step("other"))
    new = services.resubmit_run(world.access, queries.run_of(world.workspace, run.pk))
    assert (new.version, new.parameters, new.experiment, new.priority) == (
        run.version,
        run.parameters,
        run.experiment,
        3,
    )
    assert (new.rerun_of, new.rerun_from) == (run, "")


def test_with_other_parameters(world: World) -> None:
    run = completed(world)
    new = services.resubmit_run(world.access, run, parameters={"rate": 0.9}, experiment="other", priority=0)
    assert (new.parameters.values, new.experiment.name) == ({"rate": 0.9}, "other")
    with pytest.raises(UserError) as caught:
        services.resubmit_run(world.access, run, parameters={"rate": "high"})
    assert caught.value.problems[0].loc == ("parameters", "rate")


# --- A pipeline of its own -------------------------------------------------------------------------------------------


def test_a_clone_is_what_the_run_ran(world: World) -> None:
    run = completed(world)
    world.save(run.pipeline, world.step("other"))
    clones = [services.clone_run(world.access, run) for _ in range(3)]
    assert [clone.name for clone in clones] == ["digits (copy)", "digits (copy 2)", "digits (copy 3)"]
    version = clones[0].versions.get()
    assert version.definition == run.version.definition
    assert f"run {run.pk}" in clones[0].description


def test_a_clone_has_the_runs_values_and_its_settings_stay_fed_by_them(world: World) -> None:
    parameters = [
        {"name": "limit", "type": "number", "default": 60},
        {"name": "level"},
        {"name": "spare", "type": "boolean", "optional": True},
    ]
    step = world.step("a", timeout_s="${{parameters.limit}}", arguments="${{parameters.level}}")
    run = world.submit(world.pipeline(step, parameters=parameters), parameters={"limit": 0.5, "level": ""})
    definition = services.clone_run(world.access, run).versions.get().definition
    assert {each.name: each.default for each in definition.parameters} == {"limit": 0.5, "level": "", "spare": None}
    (cloned,) = definition.model_dump(mode="json")["steps"]
    assert cloned["timeout_s"] == "${{parameters.limit}}"
    again = world.submit(services.clone_run(world.access, run))
    assert again.parameters.values == {"limit": 0.5, "level": ""}


def test_a_reader_is_refused(world: World) -> None:
    run = completed(world)
    reader = Access(world.member("reader", Role.READER), world.workspace, Role.READER)
    for call in (services.resubmit_run, services.clone_run):
        with pytest.raises(PermissionDenied):
            call(reader, run)
    with pytest.raises(PermissionDenied):
        services.rerun_from(reader, run, "a")
    assert Run.objects.count() == 1
