"""A run from its submission to its end: who is queued when, what each event says, and what it costs."""

import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.models import Job
from datastores.backends import get_backend
from datastores.models import DataPath
from datastores.services import add_dataset_version, create_dataset, register_datastore
from pipelines import services
from pipelines.models import Pipeline, Run, StepInput, StepRun
from studio.lib.problems import UserError
from tests.service.pipelines.world import World, assert_no_gap, events


def test_steps_run_in_the_order_of_their_edges(world: World) -> None:
    pipeline = world.pipeline(
        world.step("prepare"), world.step("a", "prepare"), world.step("b", "prepare"), world.step("compare", "a", "b")
    )
    run = world.submit(pipeline)
    assert world.statuses(run) == {"prepare": "queued", "a": "waiting", "b": "waiting", "compare": "waiting"}
    assert world.drain() == ["prepare", "a", "b", "compare"]
    run.refresh_from_db()
    assert (run.status, run.steps_done, run.reason) == ("completed", 4, "")
    assert run.started_at is not None
    assert run.finished_at is not None
    assert_no_gap(run)
    told = [(event.get("step"), event["status"]) for event in events(run) if event["kind"] == "step"]
    assert [status for step, status in told if step == "compare"] == ["queued", "preparing", "running", "completed"]


def test_an_input_arrives_as_the_path_that_the_step_before_wrote(world: World) -> None:
    pipeline = world.pipeline(world.step("first"), world.step("second", "first"))
    run = world.submit(pipeline)
    world.complete(world.claim())
    lease = world.claim()
    assert lease.spec.command == ["python", "main.py", "${{inputs.from_first}}", "--second"]
    (path,) = lease.spec.inputs["from_first"].paths
    assert path.path == f"runs/{run.pk}/first/1/out"
    assert lease.spec.outputs["out"].path == f"runs/{run.pk}/second/{{attempt}}/out"


def test_a_failed_step_fails_the_run_and_skips_what_depends_on_it(world: World) -> None:
    pipeline = world.pipeline(
        world.step("a"), world.step("b"), world.step("after_a", "a"), world.step("end", "after_a", "b")
    )
    run = world.submit(pipeline)
    a, b = world.claim(), world.claim()
    world.fail(a, code=3, reason="The script ended with exit code 3.")
    run.refresh_from_db()
    assert run.status == "running", "an independent branch goes on to its end"
    assert world.statuses(run) == {"a": "failed", "b": "preparing", "after_a": "skipped", "end": "skipped"}
    world.complete(b)
    run.refresh_from_db()
    assert run.status == "failed"
    assert run.reason == "“a” failed: The script ended with exit code 3."
    assert StepRun.objects.get(run=run, name="end").reason == "“a” failed."
    assert_no_gap(run)


def test_a_step_runs_after_another_that_it_does_not_read_from(world: World) -> None:
    pipeline = world.pipeline(
        world.step("load"), world.step("check", "load"), world.step("use", run_after=["check", "load"], arguments="use")
    )
    run = world.submit(pipeline)
    assert world.drain() == ["load", "check", "use"]
    again = world.submit(pipeline, parameters={})
    again.refresh_from_db()
    assert again.status == "completed", "what a step runs after is no part of its result"
    run.refresh_from_db()
    assert run.status == "completed"
    world.save(
        pipeline, world.step("check", arguments="fail"), world.step("use", run_after=["check"], arguments="other")
    )
    run = world.submit(pipeline)
    world.fail(world.claim())
    assert world.statuses(run) == {"check": "failed", "use": "skipped"}


def test_retries_are_the_jobs_further_attempts(world: World) -> None:
    pipeline = world.pipeline(world.step("a", retries=1))
    run = world.submit(pipeline)
    world.fail(world.claim())
    step = StepRun.objects.get(run=run)
    assert (step.status, step.attempt) == ("queued", 1)
    world.complete(world.claim())
    run.refresh_from_db()
    step.refresh_from_db()
    assert (run.status, step.attempt, step.reason) == ("completed", 2, "")
    assert step.outputs is not None
    assert step.outputs.outputs["out"].path == f"runs/{run.pk}/a/2/out"


def test_a_job_cancelled_by_itself_ends_the_run_as_cancelled(world: World) -> None:
    from compute.services import request_cancel

    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    request_cancel([Job.objects.get().pk])
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert world.statuses(run) == {"a": "cancelled", "b": "skipped"}


def test_a_late_finisher_changes_nothing(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    lease = world.claim()
    world.complete(lease)
    before = Run.objects.values().get(pk=run.pk)
    assert world.complete(lease) is False
    assert Run.objects.values().get(pk=run.pk) == before


def test_values_stay_what_they_are(world: World) -> None:
    parameters = [
        {"name": "text", "type": "string", "default": "x"},
        {"name": "number", "type": "integer", "default": 5},
        {"name": "flag", "type": "boolean", "default": True},
    ]
    arguments = "--text ${{parameters.text}} -n=${{parameters.number}} ${{ parameters.flag }}"
    pipeline = world.pipeline(world.step("a", arguments=arguments), parameters=parameters)
    world.submit(pipeline, parameters={"text": "", "number": 0, "flag": False})
    assert world.claim().spec.command == ["python", "main.py", "--text", "", "-n=0", "false"]


def test_what_is_optional_and_absent_is_left_out_of_the_command(world: World) -> None:
    pipeline = world.pipeline(
        world.step("a"),
        world.step("b")
        | {
            "arguments": "$[[--in ${{inputs.x}}]] $[[--more ${{inputs.y}}]] $[[--size ${{parameters.size}}]] "
            "$[[--folds ${{parameters.folds}}]]",
            "inputs": [
                {"name": "x", "optional": True},
                {"name": "y", "optional": True, "binding": {"kind": "output", "step": "a", "output": "out"}},
            ],
        },
        parameters=[
            {"name": "size", "type": "enum", "choices": ["small", "large"], "optional": True},
            {"name": "folds", "type": "integer", "minimum": 0, "maximum": 9, "optional": True},
        ],
    )
    run = world.submit(pipeline, parameters={"folds": 0})
    assert run.parameters.values == {"folds": 0}
    world.complete(world.claim())
    lease = world.claim()
    assert lease.spec.command == ["python", "main.py", "--more", "${{inputs.y}}", "--folds", "0"]
    assert set(lease.spec.inputs) == {"y"}
    for wrong in ({"size": "medium"}, {"folds": 10}, {"folds": True}):
        with pytest.raises(UserError) as caught:
            world.submit(pipeline, parameters=wrong)
        assert [problem.loc for problem in caught.value.problems] == [("parameters", next(iter(wrong)))]


@pytest.fixture
def reads_data(world: World) -> Pipeline:
    """A step whose inputs are fed by parameters: a dataset, and a path that may be left out."""
    for name in ("a.csv", "b.csv"):
        get_backend(world.datastore).write(f"raw/{name}", io.BytesIO(b"x\n1\n"))
    first, second = ([DataPath(datastore_id=world.datastore.pk, path=f"raw/{name}")] for name in ("a.csv", "b.csv"))
    version = create_dataset(world.workspace, name="orders", paths=first, actor=world.owner)
    add_dataset_version(version.dataset, paths=second, actor=world.owner)
    step = world.step(
        "a",
        arguments="${{inputs.data}} ${{parameters.data}} $[[--more ${{inputs.more}}]]",
        inputs=[
            {"name": "data", "binding": {"kind": "parameter", "parameter": "data"}},
            {"name": "more", "optional": True, "binding": {"kind": "parameter", "parameter": "more"}},
        ],
    )
    parameters = [
        {"name": "data", "type": "dataset", "default": "orders"},
        {"name": "more", "type": "data_path", "optional": True},
    ]
    return world.pipeline(step, parameters=parameters)


def test_parameters_feed_inputs(world: World, reads_data: Pipeline) -> None:
    world.submit(reads_data)
    lease = world.claim()
    assert lease.spec.command == ["python", "main.py", "${{inputs.data}}", "orders"]
    assert [path.path for path in lease.spec.inputs["data"].paths] == ["raw/b.csv"], "the latest version"
    assert set(lease.spec.inputs) == {"data"}
    run = world.submit(reads_data, parameters={"data": "orders:1", "more": "workspaceblobstore/raw//*.csv"})
    lease = world.claim()
    assert lease.spec.command[3:] == ["orders:1", "--more", "${{inputs.more}}"]
    assert [path.path for path in lease.spec.inputs["data"].paths] == ["raw/a.csv"]
    store = world.datastore.pk
    assert lease.spec.inputs["more"].paths == [DataPath(datastore_id=store, path="raw/*.csv")]
    read = StepInput.objects.filter(step_run__run=run).order_by("name")
    assert list(read.values_list("name", "dataset", "datastore_id", "path")) == [
        ("data", "orders:1", None, ""),
        ("more", "", store, "raw/*.csv"),
    ]


def test_a_path_s_content_decides_over_reuse(world: World, reads_data: Pipeline) -> None:
    def is_reused() -> bool:
        world.submit(reads_data, parameters={"more": "workspaceblobstore/raw/*.csv"})
        world.drain()
        return StepRun.objects.latest("pk").reused_from_id is not None

    assert [is_reused(), is_reused()] == [False, True]
    get_backend(world.datastore).write("raw/c.csv", io.BytesIO(b"x\n2\n"))
    assert [is_reused(), is_reused()] == [False, True]


def test_data_of_another_workspace_is_nothing_here(world: World, reads_data: Pipeline) -> None:
    theirs = World.make("theirs")
    paths = [DataPath(datastore_id=theirs.datastore.pk, path="raw")]
    create_dataset(theirs.workspace, name="secret", paths=paths, actor=theirs.owner)
    register_datastore(theirs.workspace, kind="local", name="vault", config={}, actor=theirs.owner)
    with pytest.raises(UserError) as caught:
        world.submit(reads_data, parameters={"data": "secret", "more": "vault/raw"})
    assert [(problem.loc, problem.message) for problem in caught.value.problems] == [
        (("parameters", "data"), "There is no dataset “secret”."),
        (("parameters", "more"), "There is no datastore “vault”."),
    ]
    assert not Run.objects.exists()


def test_submitting_what_is_not_finished_names_every_field(world: World) -> None:
    pipeline = world.pipeline({"name": "a"}, parameters=[{"name": "c", "type": "number"}])
    with pytest.raises(UserError) as caught:
        world.submit(pipeline, parameters={"d": 1}, experiment="not a/name")
    locs = {problem.loc for problem in caught.value.problems}
    assert {("steps", 0, "source"), ("parameters", "c"), ("parameters", "d"), ("experiment",)} <= locs
    assert not Run.objects.exists()


def test_a_script_that_an_ignore_file_leaves_out_is_told_before_the_run(world: World) -> None:
    from datastores import snapshots

    source = snapshots.edit(world.workspace, world.source, put={".amlignore": "main.py\n"})
    pipeline = world.pipeline(world.step("a") | {"source": source.digest})
    with pytest.raises(UserError, match="amlignore"):
        world.submit(pipeline)


def test_what_a_step_costs_does_not_grow_with_the_run(world: World) -> None:
    """A chain's step: the claim, the start, and the end with the next one's queueing."""
    few, many = (
        world.pipeline(
            *[world.step(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(count)], name=f"chain of {count}"
        )
        for count in (3, 30)
    )
    counts = []
    for pipeline in (few, few, many):  # a process learns once where the outputs' datastore lies
        run = world.submit(pipeline)
        with CaptureQueriesContext(connection) as queries:
            world.complete(world.claim())
        counts.append(len(queries))
        services.cancel_run(world.access, run)
    assert counts[1] == counts[2]


def test_a_wide_run_queues_its_middle_with_few_queries(world: World) -> None:
    pipeline = world.pipeline(
        world.step("head"), *[world.step(f"m{n}", "head") for n in range(50)], world.step("tail", "m0", "m49")
    )
    world.submit(pipeline)
    lease = world.claim()
    with CaptureQueriesContext(connection) as queries:
        world.complete(lease)
    assert len(queries) < 45
    assert Job.objects.filter(status="queued").count() == 50


def test_following_a_job_takes_a_handful_of_statements(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The studio's own share of a step's time is mostly these: each more is a twentieth of a millisecond or three."""
    from compute import listener

    taken: dict[str, int] = {}

    def counted(changes: list[listener.JobChange]) -> None:
        with CaptureQueriesContext(connection) as queries:
            services.follow_jobs(changes)
        taken[str(changes[0].status)] = len(queries)

    monkeypatch.setattr(listener, "_listeners", [counted])
    world.submit(world.pipeline(world.step("a"), world.step("b", "a"), world.step("c", "b")))
    world.complete(world.claim())
    assert taken["preparing"] <= 6  # the run becomes running with its first step
    assert taken["running"] <= 5
    # One of them notes for the lineage what the step wrote, one asks whether an equal step is at work, and where
    # transactions run beside each other one makes sure that no other decides about the same.
    assert taken["completed"] <= (15 if connection.vendor == "postgresql" else 14)
