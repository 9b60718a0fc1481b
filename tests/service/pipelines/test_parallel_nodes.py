"""A parallel run over several nodes: the steps that a run has for it, and what is done with them."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from compute.models import Job, Node
from compute.services.leases import claim, start
from compute.waiting_queries import reasons
from datastores import snapshots
from pipelines import queries, services
from pipelines.kinds.parallel_run import ParallelRunStep
from pipelines.models import Run, StepEdge, StepInput, StepRun
from pipelines.services.resubmitting import clone_run, rerun_from
from studio.lib.problems import ConflictError, UserError
from tests.service.pipelines.test_parallel_runs import address, split
from tests.service.pipelines.world import World
from tests.support.metrics import measure

PARTS = ["split.1of3", "split.2of3", "split.3of3"]


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


def steps(world: World, **more: Any) -> list[dict[str, Any]]:
    return [world.step("first"), split(world, nodes=3, **more), world.step("last", "split")]


def row(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def edges(run: Run) -> set[tuple[str, str]]:
    return set(StepEdge.objects.filter(run=run).values_list("upstream__name", "downstream__name"))


def test_a_run_has_a_step_for_each_part_and_one_that_unites_them(world: World) -> None:
    outputs = [
        {"name": "out", "path": "results/{run-id}", "register_as": {"dataset": "scores"}, "required": True},
        {"name": "more"},
    ]
    run = world.submit(world.pipeline(*steps(world, outputs=outputs, arguments="-o ${{outputs.more}}")))
    assert list(StepRun.objects.filter(run=run).values_list("name", flat=True)) == ["first", "split", "last", *PARTS]
    assert run.steps_total == 6
    whole = row(run, "split")
    assert {each.part_of_id for each in StepRun.objects.filter(run=run, name__in=PARTS)} == {whole.pk}
    into = {("first", part) for part in PARTS} | {(part, "split") for part in PARTS}
    assert edges(run) == {("first", "split"), ("split", "last"), *into}
    assert (whole.registers, row(run, PARTS[0]).registers) == (True, False)
    assert whole.frozen.command[:4] == ["python", "-u", "${{programs.run_parallel}}", "--unite"]
    end = whole.frozen.command.index("--")
    assert whole.frozen.command[end + 1 : end + 6] == [
        "${{inputs.part1}}",
        "${{inputs.part2}}",
        "${{inputs.part3}}",
        "out",
        "${{outputs.out}}",
    ]
    reads = StepInput.objects.filter(step_run=whole).values_list("name", "upstream__name", "upstream_output")
    assert ("part2_more", PARTS[1], "more") in set(reads)
    assert len(reads) == 9
    second = row(run, PARTS[1]).frozen
    assert "--part=2/3" in second.command
    assert second.command[second.command.index("--") + 2 :] == ["-o", "${{outputs.more}}"]
    assert [(each.name, each.path, each.register_as) for each in second.step.outputs] == [
        ("out", None, None),
        ("more", None, None),
        ("parallel_parts", None, None),
    ]
    assert world.drain() == ["first", *PARTS, "split", "last"]
    run.refresh_from_db()
    assert run.status == "completed"
    assert row(run, "split").outputs.outputs["out"].path == f"results/{run.pk}"


def test_one_node_is_what_it_was(world: World) -> None:
    run = world.submit(world.pipeline(world.step("first"), split(world)))
    frozen = row(run, "split").frozen
    assert StepRun.objects.filter(run=run).count() == 2
    assert frozen.part is None
    assert not [word for word in frozen.command if "part" in word]


def test_the_parts_ask_for_what_the_step_asks_and_uniting_for_a_slot(world: World) -> None:
    more: dict[str, Any] = {"resources": {"cpus": 2}, "environment_variables": {"X": "${{outputs.out}}"}}
    run = world.submit(world.pipeline(*steps(world, **more)))
    parts = [row(run, name).frozen for name in PARTS]
    assert [(each.resources.cpus, list(each.environment_variables)) for each in parts] == [(2, ["X"])] * 3
    whole = row(run, "split").frozen
    assert (whole.resources.is_empty, whole.environment_variables) == (True, {})


def test_nothing_that_people_see_of_one_step_is_written_in_the_pipeline(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    state = queries.run_state(queries.run_of(world.workspace, run.pk))
    shown = {(edge["from"], edge["to"]) for edge in state["edges"]}
    assert ("first", "split") not in shown, "it reads its parts, and these the input"
    assert {("first", PARTS[0]), (PARTS[0], "split"), ("split", "last")} <= shown
    about = {step["name"]: (step["part_of"], step["runs_tab"]) for step in state["steps"]}
    assert about == {
        "first": (None, ""),
        "last": (None, ""),
        "split": (None, "batches"),
        **dict.fromkeys(PARTS, ("split", "batches")),
    }


@pytest.mark.parametrize(
    ("more", "at", "sentence"),
    [
        ({"nodes": 0}, ["nodes"], "Give a whole number from 1 to 64."),
        ({"nodes": 65}, ["nodes"], "Give a whole number from 1 to 64."),
        ({"nodes": 1_000_000}, ["nodes"], "Give a whole number from 1 to 64."),
        (
            {"outputs": [{"name": "out"}, {"name": "more", "file": "a.txt"}], "arguments": "${{outputs.more}}"},
            ["outputs", 1, "file"],
            "Several nodes add to an output: it is a folder. Leave this empty.",
        ),
    ],
)
def test_what_does_not_go_is_told_at_its_field(
    world: World, more: dict[str, Any], at: list[Any], sentence: str
) -> None:
    pipeline = world.pipeline(world.step("first"), split(world, **{"nodes": 3, **more}))
    with pytest.raises(UserError) as caught:
        world.submit(pipeline)
    assert [(list(each.loc), each.message) for each in caught.value.problems] == [(["steps", 1, *at], sentence)]


def test_parts_have_names_that_nobody_else_has_and_that_fit(world: World) -> None:
    taken = world.pipeline(world.step("first"), split(world, nodes=3), world.step("split.2of3"), name="taken")
    long = world.pipeline(world.step("first"), split(world, name="s" * 96, nodes=3), name="long")
    for pipeline, sentence in ((taken, "would be called “split.2of3”, as another step is"), (long, "100 characters")):
        with pytest.raises(UserError) as caught:
            world.submit(pipeline)
        (problem,) = caught.value.problems
        assert problem.loc == ("steps", 1, "nodes")
        assert sentence in problem.message


def test_parts_count_among_the_steps_that_a_pipeline_may_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.validation.MAX_STEPS", 5)
    with pytest.raises(UserError, match="more than 5 steps"):
        world.submit(world.pipeline(*steps(world)))


def test_the_same_again_takes_all_results_and_another_number_of_nodes_none(world: World) -> None:
    pipeline = world.pipeline(*steps(world))
    first = world.submit(pipeline)
    world.drain()
    again = world.submit(pipeline)
    again.refresh_from_db()
    assert again.status == "completed"
    for name in ("split", *PARTS):
        assert row(again, name).reused_from == row(first, name)
    world.save(pipeline, world.step("first"), split(world, nodes=2), world.step("last", "split"))
    other = world.submit(pipeline)
    assert world.drain()[:2] == ["split.1of2", "split.2of2"]
    assert row(other, "split").reused_from is None


def test_a_run_from_the_step_on_runs_its_parts_and_one_from_a_part_on_that_alone(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    world.drain()
    run.refresh_from_db()
    rerun_from(world.access, run, "split")
    assert world.drain() == [*PARTS, "split", "last"]
    again = rerun_from(world.access, run, "split.2of3")
    assert world.drain() == ["split.2of3", "split", "last"]
    assert row(again, PARTS[0]).part_of == row(again, "split")
    again.refresh_from_db()
    assert again.status == "completed"


def test_a_pipeline_made_of_a_run_has_the_one_step_again(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    made = clone_run(world.access, run).versions.get().definition
    assert made == run.version.definition
    step = made.steps[1]
    assert isinstance(step, ParallelRunStep)
    assert step.nodes == 3


def test_a_part_that_is_on_a_branch_which_is_not_taken_does_not_run(world: World) -> None:
    condition = {"kind": "condition", "name": "check", "expression": "${{parameters.go}} == 'yes'"}
    branch = split(world, nodes=3, only_if={"step": "check", "answer": True})
    parameters = [{"name": "go", "default": "no"}]
    pipeline = world.pipeline(world.step("first"), condition, branch, parameters=parameters)
    run = world.submit(pipeline)
    world.drain()
    run.refresh_from_db()
    assert run.status == "completed"
    assert {world.statuses(run)[name] for name in (*PARTS, "split")} == {"not_taken"}
    taken = world.submit(pipeline, parameters={"go": "yes"})
    assert world.drain() == [*PARTS, "split"]
    taken.refresh_from_db()
    assert taken.status == "completed"


def test_an_optional_input_of_a_branch_that_was_not_taken_is_absent_for_each_part(world: World) -> None:
    condition = {"kind": "condition", "name": "check", "expression": "1 == 2"}
    extra = {**world.step("extra"), "only_if": {"step": "check", "answer": True}}
    data = {"name": "data", "binding": {"kind": "output", "step": "first", "output": "out"}}
    more = {"name": "more", "optional": True, "binding": {"kind": "output", "step": "extra", "output": "out"}}
    spread = split(world, nodes=2, inputs=[data, more], arguments="$[[ --more ${{inputs.more}} ]]")
    run = world.submit(world.pipeline(world.step("first"), condition, extra, spread))
    world.complete(world.claim())
    part = world.claim()
    assert part.title.startswith("split.1of2")
    assert list(part.spec.inputs) == ["data"]
    assert part.spec.command[-1] == "b.py"
    world.complete(part)
    world.complete(world.claim())
    united = world.claim()
    assert "--unite" in united.spec.command
    assert sorted(united.spec.inputs) == ["part1", "part1_out", "part2", "part2_out"]
    world.complete(united)
    run.refresh_from_db()
    assert run.status == "completed"


def test_an_absent_input_is_none_of_those_by_which_parts_are_read(world: World) -> None:
    condition = {"kind": "condition", "name": "check", "expression": "1 == 2"}
    extra = {**world.step("extra"), "only_if": {"step": "check", "answer": True}}
    data = {"name": "data", "binding": {"kind": "output", "step": "first", "output": "out"}}
    more = {"name": "part1", "optional": True, "binding": {"kind": "output", "step": "extra", "output": "out"}}
    spread = split(world, nodes=2, inputs=[data, more], arguments="$[[ --more ${{inputs.part1}} ]]")
    run = world.submit(world.pipeline(world.step("first"), condition, extra, spread))
    world.complete(world.claim())
    for _ in range(2):
        part = world.claim()
        assert (list(part.spec.inputs), part.spec.command[-1]) == (["data"], "b.py")
        world.complete(part)
    united = world.claim()
    assert sorted(united.spec.inputs) == ["part1", "part1_out", "part2", "part2_out"]
    assert "${{inputs.part1}}" in row(run, "split").frozen.command
    assert queries.run_state(queries.run_of(world.workspace, run.pk))["steps"]
    world.complete(united)
    run.refresh_from_db()
    assert run.status == "completed"


@pytest.mark.parametrize(
    ("expression", "decided"),
    [("${{steps.split.metrics.accuracy}} > 0.8", "0.9"), ("${{steps.split.metrics.loss}} < 0.2", "0.1")],
)
def test_a_condition_reads_what_the_parts_logged_and_of_several_the_last(
    world: World, expression: str, decided: str
) -> None:
    check = {"kind": "condition", "name": "check", "expression": expression}
    pipeline = world.pipeline(world.step("first"), split(world, nodes=3), check)
    run = world.submit(pipeline)
    world.complete(world.claim())
    for value in (0.5, 0.9, None):
        lease = world.claim()
        if value is None:
            measure(lease, ["s", "loss", 0.1, None])
        else:
            measure(lease, ["s", "accuracy", 0.1, None], ["s", "accuracy", value, None])
        world.complete(lease)
    assert world.drain() == ["split"]
    again = world.submit(pipeline)
    for each in (run, again):
        assert list(row(each, "check").decision.values.values()) == [decided]
    assert row(again, "split").reused_from is not None


def test_a_module_of_several_nodes(world: World, client: Client) -> None:
    written = split(world, nodes=3, arguments="-r ${{parameters.rate}}")
    written["inputs"] = [{"name": "data", "binding": {"kind": "output", "step": "first", "output": "out"}}]
    world.publish(written, name="score", parameters=[{"name": "rate", "default": "0.5"}])
    use = {
        "kind": "module",
        "name": "split",
        "module": "score",
        "inputs": written["inputs"],
        "parameters": [{"name": "rate", "value": "7"}],
    }
    run = world.submit(world.pipeline(world.step("first"), use, world.step("last", "split")))
    assert row(run, PARTS[0]).frozen.command[-2:] == ["-r", "7"]
    assert world.drain() == ["first", *PARTS, "split", "last"]
    state = queries.run_state(queries.run_of(world.workspace, run.pk))
    assert {step["name"]: step["runs_tab"] for step in state["steps"]}["split"] == "batches"
    assert client.get(address(run)).json()["parts"][0]["step"] == PARTS[0]
    taken = world.pipeline(world.step("first"), use, world.step("split.1of3"), name="taken")
    with pytest.raises(UserError) as caught:
        world.submit(taken)
    assert caught.value.problems[0].loc == ("steps", 1, "module")
    assert "“split.1of3”, as another step is" in caught.value.problems[0].message


def failed_in_one(world: World, **more: Any) -> Run:
    """The second part failed, the others are done."""
    run = world.submit(world.pipeline(*steps(world, **more)))
    for name in ("first", *PARTS):
        lease = world.claim()
        assert lease.title.startswith(name)
        world.fail(lease) if name == PARTS[1] else world.complete(lease)
    run.refresh_from_db()
    assert run.status == "failed"
    return run


def edit(world: World, run: Run, name: str, **changes: Any) -> services.Edited:
    given: dict[str, Any] = {"base_edit": changes.pop("base_edit", 0), "go_on": changes.pop("go_on", True)}
    given["save_to_pipeline"] = changes.pop("save_to_pipeline", False)
    return services.edit_step(world.access, run, name, services.StepChanges(**changes), **given)


def test_continuing_runs_the_part_that_failed_alone(world: World) -> None:
    run = failed_in_one(world)
    services.continue_run(world.access, run)
    assert world.drain() == [PARTS[1], "split", "last"]


def test_a_change_of_a_part_is_one_of_the_step(world: World, client: Client) -> None:
    run = failed_in_one(world)
    form = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/{PARTS[1]}/edit/").json()
    assert form["changes_too"] == ["split"]
    assert "nodes" not in form["settings"]
    assert form["outputs"] == [{"name": "out"}]
    text = "def run(batch): return batch\n"
    changes: dict[str, Any] = {"put": {"b.py": text}, "settings": {"arguments": "-x", "processes": 2}}
    edited = edit(world, run, PARTS[1], save_to_pipeline=True, **changes)
    assert edited.edit is not None
    assert edited.edit.step_run.name == PARTS[1]
    part, whole = row(run, PARTS[1]).frozen, row(run, "split").frozen
    assert part.command[-1] == "-x"
    assert "--part=2/3" in part.command
    assert "--unite" in whole.command
    assert (whole.step.source, whole.step.arguments) == (part.step.source, "-x")
    assert row(run, PARTS[0]).frozen.step.arguments == "", "it completed with what it was"
    assert edited.saved is not None
    saved = edited.saved.version.definition.steps[1]
    assert (saved.name, saved.arguments, saved.nodes) == ("split", "-x", 3)
    assert [output.name for output in saved.outputs] == ["out"]
    assert world.drain() == [PARTS[1], "split", "last"]


def test_what_parts_must_agree_in_can_not_change_once_one_is_done(world: World) -> None:
    run = failed_in_one(world)
    with pytest.raises(UserError) as caught:
        edit(world, run, PARTS[1], settings={"mini_batch_size": "3", "error_threshold": 4})
    assert [problem.loc for problem in caught.value.problems] == [("settings", "mini_batch_size")]
    with pytest.raises(UserError, match="can't be changed within a run"):
        edit(world, run, PARTS[1], settings={"nodes": 4})
    with pytest.raises(UserError, match="no further output"):
        edit(world, run, PARTS[1], settings={"arguments": "${{outputs.new}}"})


def test_nobody_changes_a_part_while_another_is_at_work(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    world.complete(world.claim())
    world.fail(world.claim())
    with pytest.raises(ConflictError, match=r"“split\.2of3” is queued, and a change is for all parts of “split”"):
        edit(world, run, PARTS[0], settings={"arguments": "-x"})


def test_a_step_whose_parts_just_have_room_for_their_names_can_be_changed(world: World) -> None:
    name = "s" * 94  # as “….2of3” 100 characters
    run = world.submit(world.pipeline(world.step("first"), split(world, name=name, nodes=3)))
    world.complete(world.claim())
    for _ in range(3):
        world.fail(world.claim())
    edit(world, run, f"{name}.2of3", settings={"arguments": "-x"})
    commands = [row(run, each).frozen.command for each in (f"{name}.1of3", f"{name}.2of3", f"{name}.3of3")]
    assert [command[-1] for command in commands] == ["-x"] * 3


def test_a_threshold_is_changed_where_the_parts_are_put_together(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world, error_threshold=1)))
    for _ in range(4):
        world.complete(world.claim())
    world.fail(world.claim(), reason="3 files failed or gave no result, and 1 may.")
    edit(world, run, "split", settings={"error_threshold": 3})
    lease = world.claim()
    assert "--threshold=3" in lease.spec.command
    world.complete(lease)
    assert world.drain() == ["last"]


def claim_on(world: World, name: str) -> Any:
    """By another node than the world's own: each part has one."""
    node, _ = Node.objects.get_or_create(
        target=world.node.target,
        name=name,
        defaults={
            "incarnation": uuid.uuid4(),
            "hostname": name,
            "pid": 1,
            "slots": 4,
            "started_at": timezone.now(),
            "heartbeat_at": timezone.now(),
        },
    )
    lease = claim(node)
    assert lease is not None
    return lease


def numbers(lease: Any, **told: Any) -> None:
    measure(lease, *(["s", f"studio.batches.{name}", value, None] for name, value in told.items()))


def test_the_batches_of_all_parts_together(
    world: World, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    assert client.get(address(run)).json()["total"] is None
    world.complete(world.claim())
    one, two = world.claim(), claim_on(world, "there")
    numbers(one, total=10, done=4, failed=1, retried=2, items_failed=3, seconds=5, of_all=30)
    found = client.get(address(run)).json()
    assert (found["total"], found["done"], found["failed"]) == (30, 4, 1), "one of them knows how many there are"
    numbers(two, total=10, done=2, failed=0, retried=0, items_failed=0, seconds=2, of_all=30)
    for lease, seconds in ((one, 1.5), (two, 9.5)):
        looked_at = {"batch": 4, "what": "x", "items": 3, "items_failed": 0, "tries": 1, "seconds": seconds, "why": ""}
        measure(lease, ["t", "studio.batches.looked_at", {name: [value] for name, value in looked_at.items()}])
    services_started(one, two)
    with django_assert_max_num_queries(14):
        found = client.get(address(run)).json()
    assert [(part["step"], part["status"], part["node"], part["done"]) for part in found["parts"]] == [
        (PARTS[0], "running", "here", 4),
        (PARTS[1], "running", "there", 2),
        (PARTS[2], "queued", "", None),
    ]
    assert (found["done"], found["failed"], found["retried"], found["items_failed"]) == (6, 1, 2, 3)
    assert (found["per_second"], found["remaining_s"]) == (2.0, 11.5)
    assert [each["seconds"] for each in found["batches"]] == [9.5, 1.5]
    own = client.get(address(run, PARTS[1])).json()
    assert (own["total"], own["done"], own["parts"]) == (10, 2, [])
    three = claim_on(world, "elsewhere")
    services_started(three)
    numbers(three, total=10, done=1, failed=0, seconds=4, of_all=30)
    assert client.get(address(run)).json()["remaining_s"] == 36, "the slowest part has so much before it"


def services_started(*leases: Any) -> None:
    for lease in leases:
        start(lease, timezone.now())


def test_parts_that_ran_one_after_the_other_took_as_long_as_all_together(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    world.complete(world.claim())
    for _ in PARTS:
        lease = world.claim()
        numbers(lease, total=10, done=10, failed=0, seconds=9, of_all=30)
        world.complete(lease)
    began = timezone.now()
    for place, name in enumerate(PARTS):
        at, to = began + timedelta(seconds=10 * place), began + timedelta(seconds=10 * place + 10)
        StepRun.objects.filter(run=run, name=name).update(started_at=at, finished_at=to)
    found = client.get(address(run)).json()
    assert (found["seconds"], found["per_second"], found["remaining_s"]) == (30, 1, 0)


def test_batches_of_parts_whose_results_were_taken_again(world: World, client: Client) -> None:
    pipeline = world.pipeline(*steps(world))
    world.submit(pipeline)
    world.complete(world.claim())
    for _ in PARTS:
        lease = world.claim()
        numbers(lease, total=1, done=1, failed=0, seconds=2, of_all=3)
        world.complete(lease)
    world.drain()
    found = client.get(address(world.submit(pipeline))).json()
    assert (found["total"], found["done"], found["seconds"]) == (3, 3, 2)
    assert {part["node"] for part in found["parts"]} == {"here"}


def test_what_scripts_forge_in_their_place_breaks_nothing(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    world.complete(world.claim())
    one, two = world.claim(), claim_on(world, "there")
    numbers(one, total=1e308, done=float("nan"), of_all=-5, seconds=1e-308, failed=7)
    measure(two, ["l", "studio.batches.of_all", [1]], ["s", "studio.batches.looked_at", 3, None])
    found = client.get(address(run)).json()
    assert (found["total"], found["done"], found["failed"]) == (None, None, 7)
    json.dumps(found, allow_nan=False)


def test_each_part_has_a_node_of_its_own_and_others_go_before_it(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world), world.step("beside")))
    world.complete(world.claim())
    beside, first = world.claim(), world.claim()
    assert (beside.title.split()[0], first.title.split()[0]) == ("beside", PARTS[0])
    assert claim(world.node) is None, "it has slots, and works on a part"
    waits = Job.objects.get(owner=row(run, PARTS[1]).job_owner)
    said = reasons(world.workspace, [waits.pk])[waits.pk]
    assert said == "Waits for a node of its own: every node works on another part of the same"
    second = claim_on(world, "there")
    assert second.title.startswith(PARTS[1])
    world.complete(first)
    assert world.claim().title.startswith(PARTS[2])


def test_parts_of_two_runs_share_a_node(world: World) -> None:
    pipeline = world.pipeline(split(world, nodes=2, inputs=[data_of(world)], allow_reuse=False))
    runs = [world.submit(pipeline) for _ in range(2)]
    assert [world.claim().title for _ in range(2)] == [f"split.1of2 of run {run.pk}" for run in runs]


def data_of(world: World) -> dict[str, Any]:
    world.submit(
        world.pipeline(
            world.step("first", outputs=[{"name": "out", "register_as": {"dataset": "files"}}]), name="first"
        )
    )
    world.drain()
    return {"name": "data", "binding": {"kind": "dataset", "dataset": "files"}}


def test_whoever_cancels_the_step_cancels_its_parts(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world), world.step("beside", "first")))
    world.complete(world.claim())
    world.claim()  # "beside", which stays
    first = world.claim()
    world.complete(first)
    second = world.claim()
    services.cancel_step(world.access, run, "split")
    statuses = world.statuses(run)
    assert [statuses[name] for name in ("split", *PARTS, "last")] == [
        "cancelled",
        "completed",
        "preparing",
        "cancelled",
        "skipped",
    ]
    assert Job.objects.get(owner=row(run, PARTS[1]).job_owner).cancel_requested_at, "its node ends it"
    assert statuses["beside"] == "preparing"
    assert second.title.startswith(PARTS[1])


def test_a_step_that_was_skipped_for_one_part_is_cancelled_in_the_others(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    world.complete(world.claim())
    world.fail(world.claim())
    second = world.claim()
    assert world.statuses(run)["split"] == "skipped"
    for _ in range(2):
        services.cancel_step(world.access, run, "split")
        statuses = world.statuses(run)
        assert [statuses[name] for name in ("split", *PARTS)] == ["skipped", "failed", "preparing", "cancelled"]
        assert Job.objects.get(owner=row(run, PARTS[1]).job_owner).cancel_requested_at, "its node ends it"
    world.fail(second)
    with pytest.raises(ConflictError, match=r"“split” is over: it was skipped\."):
        services.cancel_step(world.access, run, "split")


def test_whoever_excludes_the_step_from_reuse_excludes_its_parts(world: World) -> None:
    pipeline = world.pipeline(*steps(world))
    run = world.submit(pipeline)
    world.drain()
    assert services.end_reuse(world.access, run, "split") == 4
    world.submit(pipeline)
    assert world.drain()[:4] == [*PARTS, "split"]
    assert services.allow_reuse(world.access, run, "split") == 4


def test_an_archive_of_a_part_and_of_what_unites_them(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    world.drain()
    for name in ("split", PARTS[0]):
        answer = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/{name}/reproduce/")
        assert answer.status_code == 200
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
        assert b"programs/run_parallel" in content


def test_a_part_is_told_whose_it_is(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    base = f"/api/workspaces/ours/runs/{run.pk}/steps"
    assert client.get(f"{base}/{PARTS[2]}/").json()["part"] == {"of": "split", "number": 3, "count": 3}
    assert client.get(f"{base}/split/").json()["part"] == {"of": "split", "number": 0, "count": 3}
    assert client.get(f"{base}/first/").json()["part"] is None


def test_source_files_of_a_part_are_those_of_the_step(world: World) -> None:
    run = world.submit(world.pipeline(*steps(world)))
    digest = row(run, PARTS[0]).frozen.snapshot
    assert [file.path for file in snapshots.get_snapshot(world.workspace, digest).manifest.files] == ["b.py"]
