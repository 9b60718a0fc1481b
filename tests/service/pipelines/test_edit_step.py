"""Editing a failed step within its run: the next attempt runs what was written, earlier ones keep what they ran."""

import io
import json

import pytest
from django.core.exceptions import PermissionDenied

from compute.models import ComputeTarget, Environment, Job
from datastores import snapshots
from pipelines import queries, services
from pipelines.models import Pipeline, Run, StepEdit, StepRun
from pipelines.step_editing import editable
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.world import World, assert_no_gap, events

FIXED = "print(2)\n"


def failed_run(world: World, **more: object) -> Run:
    """a → bad → late; bad failed."""
    run = world.submit(world.pipeline(world.step("a"), world.step("bad", "a", **more), world.step("late", "bad")))
    world.complete(world.claim())
    world.fail(world.claim())
    run.refresh_from_db()
    assert run.status == "failed"
    return run


def edit(world: World, run: Run, name: str = "bad", **more: object) -> services.Edited:
    given: dict = {"put": {"main.py": FIXED}, "base_edit": 0, "access": world.access, **more}
    access = given.pop("access")
    how = {key: given.pop(key) for key in ("base_edit", "go_on", "save_to_pipeline") if key in given}
    return services.edit_step(access, run, name, services.StepChanges(**given), **how)


def step_of(run: Run, name: str = "bad") -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def text_of(world: World, digest: str) -> str:
    _file, text = snapshots.read_text(snapshots.get_snapshot(world.workspace, digest), "main.py")
    return text or ""


def test_the_next_attempt_runs_the_new_script_and_the_run_completes(world: World) -> None:
    run = failed_run(world)
    before = step_of(run).frozen
    edited = edit(world, run)
    assert edited.tried == 2
    lease = world.claim()
    assert (lease.title.split()[0], lease.attempt) == ("bad", 2)
    assert text_of(world, lease.spec.snapshot or "") == FIXED
    world.complete(lease)
    assert world.drain() == ["late"]
    run.refresh_from_db()
    assert run.status == "completed"
    after = step_of(run).frozen
    assert (after.step.source, after.snapshot) != (before.step.source, before.snapshot)
    same = {"step", "snapshot"}
    assert after.model_dump(exclude=same) == before.model_dump(exclude=same)
    # The other step of the same folder runs what it ran.
    assert step_of(run, "late").frozen.snapshot == before.snapshot
    assert_no_gap(run)


def test_it_is_written_down_who_changed_what_and_which_attempt_ran_which_code(world: World) -> None:
    run = failed_run(world)
    before = step_of(run).frozen
    edit(world, run, settings={"arguments": "${{inputs.from_a}} --fast"})
    step = step_of(run)
    row = step.edits.get()
    assert (row.number, row.last_attempt, row.edited_by) == (1, 1, world.owner)
    assert row.changes.changes == ["arguments", "main.py"]
    assert row.before == before
    told = [event for event in events(run) if event["kind"] == "step_edited"]
    words = ["arguments", "main.py"]
    assert told == [{"kind": "step_edited", "step": "bad", "by": "ours-owner", "number": 1, "changes": words}]
    assert AuditEvent.objects.get(verb="run.edit_step").target == f"run {run.pk}, bad: arguments, main.py"
    world.fail(world.claim())
    edit(world, run, put={"main.py": "print(3)\n"}, base_edit=1)
    step = step_of(run)
    texts = [text_of(world, queries.frozen_at(step, attempt).snapshot) for attempt in (1, 2, 3, None)]
    assert texts == ["print(1)\n", FIXED, "print(3)\n", "print(3)\n"]
    assert step.frozen.command == ["python", "main.py", "${{inputs.from_a}}", "--fast"]
    detail = queries.step_detail(world.workspace, step)
    assert [(each["number"], each["last_attempt"]) for each in detail["edits"]] == [(1, 1), (2, 2)]


def test_a_result_is_found_again_by_the_edited_code_only(world: World) -> None:
    run = failed_run(world)
    edit(world, run)
    world.drain()
    as_before = world.submit(run.pipeline)
    assert step_of(as_before).status == "queued"
    assert step_of(as_before).fingerprint != step_of(run).fingerprint
    world.drain()
    # Somebody else brings the same change to a run that failed before: the result is there.
    third = world.submit(run.pipeline, experiment="third")
    assert step_of(third).reused_from == step_of(as_before)


def test_edits_of_several_steps_come_before_one_continuation(world: World) -> None:
    run = failed_run(world)
    assert edit(world, run, go_on=False).tried == 0
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("failed", 3)
    edit(world, run, "late", settings={"arguments": "--late"}, go_on=False)
    assert services.continue_run(world.access, run) == 2
    lease = world.claim()
    assert text_of(world, lease.spec.snapshot or "") == FIXED
    world.complete(lease)
    assert world.claim().spec.command[-1] == "--late"


def test_an_edit_that_changes_nothing_makes_none(world: World) -> None:
    run = failed_run(world)
    with pytest.raises(UserError, match="Nothing was changed"):
        edit(world, run, put={"main.py": "print(1)\n"}, go_on=False)
    assert edit(world, run, put={}).edit is None
    assert not StepEdit.objects.exists()
    assert step_of(run).status == "queued"


def test_a_command_and_its_time_limit(world: World) -> None:
    step = {"kind": "command", "name": "shell", "command": "false", "outputs": [{"name": "out"}]}
    run = world.submit(world.pipeline(step))
    world.fail(world.claim())
    edit(world, run, "shell", put={}, settings={"command": "echo hi > ${{outputs.out}}/x", "timeout_s": 60})
    lease = world.claim()
    assert "echo hi" in " ".join(lease.spec.command)
    assert lease.spec.timeout_s == 60


def test_parameters_are_filled_in_as_they_were_given(world: World) -> None:
    parameters = [{"name": "rate", "type": "number", "default": 0.1}]
    run = world.submit(world.pipeline(world.step("a"), parameters=parameters), parameters={"rate": 0.5})
    world.fail(world.claim())
    edit(world, run, "a", put={}, settings={"arguments": "--rate ${{parameters.rate}}"})
    assert world.claim().spec.command[-2:] == ["--rate", "0.5"]


@pytest.mark.parametrize(
    ("changes", "loc", "words"),
    [
        ({"settings": {"entry": "mian.py"}}, ("settings", "entry"), "There is no “mian.py”"),
        ({"settings": {"arguments": "${{inputs.no}}"}}, ("settings", "arguments"), "no"),
        ({"settings": {"arguments": "${{parameters.no}}"}}, ("settings", "arguments"), "no"),
        ({"settings": {"timeout_s": -1}}, ("settings", "timeout_s"), ""),
        ({"settings": {"timeout_s": "soon"}}, ("settings", "timeout_s"), "Write a number here."),
        ({"settings": {"name": "other"}}, ("settings", "name"), "can't be changed within a run"),
        ({"settings": {"kind": "command"}}, ("settings", "kind"), "can't be changed within a run"),
        ({"settings": {"arguments": "a\0b"}}, ("settings", "arguments"), "can't be kept"),
        ({"settings": {"environment_variables": {"A": "\ud800"}}}, ("settings", "environment_variables", "A"), "kept"),
        ({"settings": {"timeout_s": "${{parameters.limit}}"}}, ("settings", "timeout_s"), "has no parameter “limit”"),
        ({"settings": {"limits": {"cpus": "${{parameters.no}}"}}}, ("settings", "limits", "cpus"), "no parameter “no”"),
        ({"settings": {"compute": "nowhere"}}, ("settings", "compute"), "nowhere"),
        ({"put": {"../x": "1"}}, ("files", "put", 0, "path"), ""),
        ({"put": {"main.py": "\ud800"}}, ("files", "put", 0, "text"), "half a character"),
        ({"delete": ("nowhere.py",)}, ("files", "delete", 0), "There is no “nowhere.py”"),
        ({"put": {".amlignore": "main.py\n"}}, ("settings", "entry"), "is left out by the .amlignore"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_changes(
    world: World, changes: dict, loc: tuple, words: str
) -> None:
    run = failed_run(world)
    before = StepRun.objects.filter(run=run).order_by("position").values()
    was = list(before.all())
    with pytest.raises(UserError) as caught:
        edit(world, run, **{"put": {}, **changes})
    (problem,) = caught.value.problems
    assert problem.loc == loc
    assert words in problem.message
    assert list(before.all()) == was
    assert Job.objects.count() == 2
    run.refresh_from_db()
    assert run.status == "failed"


def test_what_is_gone_from_the_workspace_since_is_no_problem(world: World) -> None:
    """The run has its environment and data frozen."""
    run = failed_run(world)
    Environment.objects.filter(name="python").delete()
    assert edit(world, run).tried == 2


@pytest.mark.parametrize("status", ["queued", "preparing", "completed"])
def test_a_step_that_waits_runs_or_completed_is_not_edited(world: World, status: str) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    if status != "queued":
        lease = world.claim()
        if status == "completed":
            world.complete(lease)
    with pytest.raises(ConflictError, match="has completed" if status == "completed" else status):
        edit(world, run, "a")
    assert not StepEdit.objects.exists()


def test_who_opened_the_editor_before_another_saved_is_told(world: World) -> None:
    run = failed_run(world)
    edit(world, run, go_on=False)
    with pytest.raises(ConflictError, match=r"ours-owner changed main\.py of this step since you opened it"):
        edit(world, run, put={"main.py": "print(9)\n"})
    assert step_of(run).edits.count() == 1


def test_not_while_the_run_is_being_cancelled(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b")))
    leases = {lease.title.split()[0]: lease for lease in (world.claim(), world.claim())}
    world.fail(leases["a"])
    services.cancel_run(world.access, run)
    with pytest.raises(ConflictError, match="is being cancelled"):
        edit(world, run, "a")
    assert not StepEdit.objects.exists()


# --- Back to the pipeline --------------------------------------------------------------------------------------------


def latest(pipeline: Pipeline) -> dict[str, str]:
    version = pipeline.versions.order_by("-number").first()
    assert version is not None
    return {step.name: step.source or "" for step in version.definition.steps}


def test_the_edit_becomes_the_pipelines_next_version(world: World) -> None:
    run = failed_run(world)
    edited = edit(world, run, save_to_pipeline=True)
    assert edited.saved is not None
    assert edited.saved.version.number == 2
    sources = latest(run.pipeline)
    assert text_of(world, sources["bad"]) == FIXED
    assert sources["a"] == sources["late"] == world.source
    assert AuditEvent.objects.filter(verb="pipeline.save").count() == 2


def test_what_others_changed_in_other_steps_stays(world: World) -> None:
    run = failed_run(world)
    world.save(run.pipeline, world.step("a", description="new"), world.step("bad", "a"), world.step("late", "bad"))
    edited = edit(world, run, save_to_pipeline=True)
    assert edited.saved is not None
    assert edited.saved.version.number == 3
    assert edited.saved.version.definition.steps[0].description == "new"


def test_two_edits_of_which_the_second_is_saved(world: World) -> None:
    run = failed_run(world)
    edit(world, run, go_on=False)
    edit(world, run, put={"main.py": "print(3)\n"}, base_edit=1, save_to_pipeline=True)
    assert text_of(world, latest(run.pipeline)["bad"]) == "print(3)\n"


def test_settings_that_parameters_feed_stay_fed_by_them(world: World) -> None:
    parameters = [{"name": "limit", "type": "number", "default": 60}, {"name": "level", "default": "low"}]
    bad = world.step(
        "bad",
        timeout_s="${{parameters.limit}}",
        environment_variables={"LEVEL": "${{parameters.level}}", "MODE": "fast"},
    )
    pipeline = world.pipeline(bad, parameters=parameters)
    run = world.submit(pipeline, parameters={"limit": 30, "level": "high"})
    world.fail(world.claim())
    edited = edit(world, run, settings={"arguments": "--slow"}, save_to_pipeline=True)
    assert edited.saved is not None
    (saved,) = edited.saved.version.definition.model_dump(mode="json")["steps"]
    assert (saved["timeout_s"], saved["arguments"]) == ("${{parameters.limit}}", "--slow")
    assert saved["environment_variables"][0] == {"name": "LEVEL", "value": "${{parameters.level}}"}
    spec = world.claim().spec
    assert (spec.timeout_s, spec.environment_variables["LEVEL"]) == (30, "high")


def test_beside_a_setting_that_a_parameter_feeds_another_is_changed(world: World) -> None:
    parameters = [{"name": "cpus", "type": "number", "default": 1}, {"name": "tries", "type": "integer", "default": 1}]
    fed = {"limits": {"cpus": "${{parameters.cpus}}"}, "retry": {"max_attempts": "${{parameters.tries}}"}}
    bad = world.step("bad", **fed)
    run = world.submit(world.pipeline(bad, parameters=parameters))
    world.fail(world.claim())
    settings = {"limits": {"cpus": 1, "memory_bytes": 10**9}, "retry": {"max_attempts": 3, "on": ["exit"]}}
    edited = edit(world, run, put={}, settings=settings, save_to_pipeline=True)
    assert edited.saved is not None
    (saved,) = edited.saved.version.definition.model_dump(mode="json")["steps"]
    assert (saved["limits"]["cpus"], saved["limits"]["memory_bytes"]) == ("${{parameters.cpus}}", 10**9)
    assert saved["retry"]["max_attempts"] == 3


def test_a_notebook_step_does_not_get_a_second_output_of_the_name_of_its_own(world: World) -> None:
    run = failed_notebook(world)
    settings = {"parameters": [{"name": "where", "value": "${{outputs.executed_notebook}}"}]}
    with pytest.raises(UserError, match="keeps an output “executed_notebook” of its own"):
        edit(world, run, "nb", put={}, settings=settings)
    edit(world, run, "nb", put={}, settings={"parameters": [{"name": "where", "value": "${{outputs.more}}"}]})
    assert set(world.claim().spec.outputs) == {"more", "executed_notebook"}


def failed_notebook(world: World) -> Run:
    text = io.BytesIO(json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": ""}]}).encode())
    source = snapshots.add_files(world.workspace, None, [("n.ipynb", text)]).digest
    step = {"kind": "notebook", "name": "nb", "source": source, "notebook": "n.ipynb"}
    run = world.submit(world.pipeline(step))
    world.fail(world.claim())
    return run


def test_variables_of_the_next_attempt(world: World) -> None:
    run = failed_run(world, environment_variables={"MODE": "fast"})
    edit(world, run, put={}, settings={"environment_variables": {"MODE": "slow", "LEVEL": "1"}})
    spec = world.claim().spec
    assert {name: spec.environment_variables.get(name) for name in ("MODE", "LEVEL")} == {"MODE": "slow", "LEVEL": "1"}


def test_where_somebody_changed_the_same_step_nothing_happens_at_all(world: World) -> None:
    run = failed_run(world)
    world.save(run.pipeline, world.step("a"), world.step("bad", "a", arguments="--other"), world.step("late", "bad"))
    with pytest.raises(ConflictError, match="saved version 2 of the pipeline, in which “bad” is not what this run ran"):
        edit(world, run, save_to_pipeline=True)
    assert not StepEdit.objects.exists()
    run.refresh_from_db()
    assert (run.status, run.pipeline.versions.count()) == ("failed", 2)
    assert edit(world, run).tried == 2


def test_the_same_files_of_another_commit_are_no_change_and_their_commit_stays(world: World) -> None:
    run = failed_run(world, git={"commit": "a" * 40})
    theirs = world.step("bad", "a", git={"commit": "b" * 40})
    world.save(run.pipeline, world.step("a"), theirs, world.step("late", "bad"))
    edited = edit(world, run, save_to_pipeline=True)
    assert edited.saved is not None
    assert edited.saved.version.number == 3
    step = edited.saved.version.definition.steps[1]
    assert text_of(world, step.source) == FIXED
    assert step.git.commit == "b" * 40


def test_a_pipeline_that_was_deleted(world: World) -> None:
    run = failed_run(world)
    services.delete_pipeline(world.access, run.pipeline)
    run = queries.run_of(world.workspace, run.pk)
    with pytest.raises(ConflictError, match="was deleted"):
        edit(world, run, save_to_pipeline=True)
    assert edit(world, run).tried == 2


def test_a_reader_is_refused(world: World) -> None:
    run = failed_run(world)
    reader = Access(world.member("reader", Role.READER), world.workspace, Role.READER)
    with pytest.raises(PermissionDenied):
        edit(world, run, access=reader)
    assert not StepEdit.objects.exists()


# --- Where and how the next attempt runs -----------------------------------------------------------------------------


def test_the_next_attempt_runs_on_another_target(world: World) -> None:
    run = failed_run(world)
    other = ComputeTarget.objects.create(workspace=world.workspace, name="large", kind="local")
    edited = edit(world, run, put={}, settings={"compute": "large"}, save_to_pipeline=True)
    assert edited.edit is not None
    assert edited.edit.changes.changes == ["compute"]
    step = step_of(run)
    assert (step.frozen.compute_id, Job.objects.get(pk=step.job_id).target_id) == (other.pk, other.pk)
    assert step_of(run, "late").frozen.compute_id != other.pk
    assert edited.saved is not None
    assert edited.saved.version.definition.steps[1].compute == "large"


def test_a_target_that_was_removed_since_is_replaced(world: World) -> None:
    gone = ComputeTarget.objects.create(workspace=world.workspace, name="gone", kind="local")
    run = world.submit(world.pipeline(world.step("a", compute="gone")))
    services.cancel_run(world.access, run)
    ComputeTarget.objects.filter(pk=gone.pk).update(deleted_at=run.created_at)
    edit(world, run, "a", settings={"compute": "local"})
    assert world.drain() == ["a"]
    run.refresh_from_db()
    assert run.status == "completed"


def test_limits_retries_and_resources_of_the_next_attempt(world: World) -> None:
    run = failed_run(world)
    settings = {
        "limits": {"memory_bytes": 10**9, "cpus": 2},
        "retry": {"max_attempts": 4},
        "resources": {"memory_bytes": 10**9},
        "timeout_s": 90,
    }
    edit(world, run, put={}, settings=settings)
    spec = Job.objects.get(pk=step_of(run).job_id).spec
    assert (spec.limits.memory_bytes, spec.limits.cpus, spec.retry.max_attempts) == (10**9, 2, 4)
    assert (spec.resources.memory_bytes, spec.timeout_s) == (10**9, 90)


def fed_run(world: World) -> Run:
    parameters = [
        {"name": "seconds", "type": "number", "default": 60},
        {"name": "tries", "type": "integer", "default": 1},
    ]
    fed = {"timeout_s": "${{parameters.seconds}}", "retry": {"max_attempts": "${{parameters.tries}}"}}
    pipeline = world.pipeline(world.step("bad", **fed), parameters=parameters)
    run = world.submit(pipeline, parameters={"seconds": 30})
    world.fail(world.claim())
    return queries.run_of(world.workspace, run.pk)


def test_the_editor_shows_what_parameters_feed(world: World) -> None:
    run = fed_run(world)
    given = editable(world.workspace, run, step_of(run))
    settings = given["settings"]
    assert settings["timeout_s"] == "${{parameters.seconds}}"
    assert settings["retry"]["max_attempts"] == "${{parameters.tries}}"
    assert (settings["entry"], settings["compute"]) == ("main.py", "local")
    assert set(settings) >= {"arguments", "environment_variables", "limits", "resources", "allow_reuse"}
    assert not {"name", "inputs", "kind", "environment"} & set(settings)
    assert [each["name"] for each in given["parameters"]] == ["seconds", "tries"]
    assert "local" in [each["name"] for each in given["computes"]]
    edit(world, run, put={}, settings={"timeout_s": 40}, go_on=False)
    again = editable(world.workspace, run, step_of(run))
    assert (again["base_edit"], again["settings"]["timeout_s"]) == (1, 40)


def test_what_is_sent_back_as_it_was_stays_fed_and_changes_nothing(world: World) -> None:
    run = fed_run(world)
    settings = editable(world.workspace, run, step_of(run))["settings"]
    with pytest.raises(UserError, match="Nothing was changed"):
        edit(world, run, put={}, settings=settings, go_on=False)
    retry = {**settings["retry"], "backoff_s": 5}
    edited = edit(world, run, put={}, settings={"retry": retry}, save_to_pipeline=True)
    assert edited.saved is not None
    (saved,) = edited.saved.version.definition.model_dump(mode="json")["steps"]
    assert (saved["retry"]["max_attempts"], saved["retry"]["backoff_s"]) == ("${{parameters.tries}}", 5)
    assert saved["timeout_s"] == "${{parameters.seconds}}"
    assert Job.objects.get(pk=step_of(run).job_id).spec.retry.max_attempts == 1


def test_a_setting_is_fed_from_now_on(world: World) -> None:
    run = fed_run(world)
    edited = edit(world, run, put={}, settings={"limits": {"cpus": "${{parameters.seconds}}"}}, save_to_pipeline=True)
    assert edited.saved is not None
    (saved,) = edited.saved.version.definition.model_dump(mode="json")["steps"]
    assert saved["limits"]["cpus"] == "${{parameters.seconds}}"
    assert Job.objects.get(pk=step_of(run).job_id).spec.limits.cpus == 30
