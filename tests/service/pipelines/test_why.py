"""Each step says why it ran or was reused: what differs from the earlier one that is most like it, as a diff."""

import io
from typing import Any

import pytest
from django.test import Client

from compute.services import create_environment
from compute.services.locks import record_lock
from compute.spec import EnvironmentLock, EnvironmentSpec, LockedPackage
from datastores import snapshots
from datastores.backends import get_backend
from datastores.models import DataPath
from datastores.services import create_dataset
from pipelines.explaining import Explanation, explain
from pipelines.models import Pipeline, Run, StepRun
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"
LINES = "".join(f"line {number}\n" for number in range(1, 41))


def why(run: Run, name: str = "a") -> Explanation:
    return explain(run.workspace, StepRun.objects.get(run=run, name=name))


def change(run: Run, kind: str, name: str = "a") -> Any:
    (found,) = [each for each in why(run, name).changes if each.kind == kind]
    return found


def again(world: World, pipeline: Pipeline, *steps: dict[str, Any], **more: Any) -> Run:
    if steps:
        world.save(pipeline, *steps)
    run = world.submit(pipeline, **more)
    world.drain()
    return run


def source(world: World, base: str | None = None, **files: str) -> str:
    put = {name.replace("_", "."): text for name, text in files.items()}
    return snapshots.edit(world.workspace, base, put=put).digest


def test_code_that_changed_is_shown_line_by_line(world: World) -> None:
    before = snapshots.edit(world.workspace, source(world, main_py=LINES, gone_py="x\n", old_py="1\n" * 9), move=[])
    binary = [("blob.bin", io.BytesIO(b"\0\1"))]
    before = snapshots.add_files(world.workspace, before.digest, binary)
    pipeline = world.pipeline(world.step("a", source=before.digest))
    first = again(world, pipeline)
    after = snapshots.edit(
        world.workspace,
        before.digest,
        put={"main.py": LINES.replace("line 20\n", "line twenty\n"), "new.py": "<b>new</b>\n"},
        delete=["gone.py"],
        move=[("old.py", "moved.py")],
    )
    after = snapshots.add_files(world.workspace, after.digest, [("blob.bin", io.BytesIO(b"\0\2"))])
    run = again(world, pipeline, world.step("a", source=after.digest))
    explained = why(run)
    assert explained.note == f"Ran: the code changed since run {first.pk}."
    assert explained.compared is not None
    assert (explained.compared.run, explained.compared.step) == (first.pk, "a")
    assert explained.same == ["the arguments", "the environment", "the list of outputs or where they go"]
    files = {file.path: file for file in change(run, "code").code.files}
    assert {path: file.kind for path, file in files.items()} == {
        "main.py": "changed",
        "new.py": "added",
        "gone.py": "removed",
        "moved.py": "moved",
        "blob.bin": "changed",
    }
    marked = [(line.kind, line.text) for line in files["main.py"].lines if line.kind in {"added", "removed"}]
    assert marked == [("removed", "line 20"), ("added", "line twenty")]
    assert files["moved.py"].before == "old.py"
    assert "named only" in files["blob.bin"].note


def test_many_and_long_changes_are_cut(world: World) -> None:
    before = source(world, main_py="1\n", **{f"f{number}_py": "a\n" * 20 for number in range(70)})
    pipeline = world.pipeline(world.step("a", source=before))
    again(world, pipeline)
    more = {f"f{number}_py": "b\n" * 20 for number in range(70)} | {"main_py": "".join(f"{n}\n" for n in range(900))}
    run = again(world, pipeline, world.step("a", source=source(world, before, **more)))
    code = change(run, "code").code
    assert (len(code.files), code.left_out) == (50, 21)
    assert sum(len(file.lines) for file in code.files) <= 600
    assert any("left out" in file.note for file in code.files)


def test_another_script_of_the_same_files(world: World) -> None:
    both = source(world, main_py="1\n", other_py="2\n")
    pipeline = world.pipeline(world.step("a", source=both))
    again(world, pipeline)
    run = again(world, pipeline, world.step("a", source=both, entry="other.py"))
    assert change(run, "code").code.notes == ["It ran “main.py”, and now “other.py”."]


def test_arguments_variables_and_outputs_side_by_side(world: World) -> None:
    first = world.step("a", arguments="--rate 0.1", environment_variables={"LEVEL": "low", "OLD": "1"})
    pipeline = world.pipeline(first)
    again(world, pipeline)
    changed = world.step(
        "a",
        arguments="--rate 0.2",
        environment_variables={"LEVEL": "high", "NEW": "1"},
        outputs=[{"name": "out", "required": True}, {"name": "more"}],
    )
    run = again(world, pipeline, changed)
    note = StepRun.objects.get(run=run).reuse_note
    assert note == (
        "Ran: the arguments, the environment variable LEVEL, the environment variable NEW, the environment variable "
        f"OLD and the list of outputs or where they go changed since run {run.pk - 1}."
    )
    differing = [words for words in change(run, "arguments").arguments if not words.is_same]
    assert [(words.before, words.after) for words in differing] == [("0.1", "0.2")]
    variables = {each.name: each.variable for each in why(run).changes if each.kind == "variable"}
    assert {name: (each.before, each.after) for name, each in variables.items()} == {
        "LEVEL": ("low", "high"),
        "NEW": (None, "1"),
        "OLD": ("1", None),
    }
    outputs = change(run, "outputs").outputs
    assert [(each.before, each.after) for each in outputs] == [("out", "out, required"), (None, "more")]


def test_the_packages_of_an_environment_are_compared(world: World) -> None:
    for number, pandas in enumerate(("2.1.0", "2.2.0"), start=1):
        spec = EnvironmentSpec(pip=[f"pandas=={pandas}"])
        create_environment(workspace=world.workspace, name="data", spec=spec, created_by=None)
        packages = [LockedPackage(name="pandas", version=pandas), LockedPackage(name="six", version="1.0")]
        if number == 2:
            packages.append(LockedPackage(name="pytz", version="3"))
        lock = EnvironmentLock(python="3.11.7", platform="linux-64", packages=packages)
        record_lock(spec.digest, lock, node_name="here")
    pipeline = world.pipeline(world.step("a", environment="data:1"))
    again(world, pipeline)
    run = again(world, pipeline, world.step("a", environment="data:2"))
    environment = change(run, "environment").environment
    assert (environment.before, environment.after, environment.note) == ("data:1", "data:2", "")
    assert [(line.change, line.text) for line in environment.lines] == [
        ("removed", "pandas==2.1.0"),
        ("added", "pandas==2.2.0"),
    ]
    told = [(package.name, package.before, package.after) for package in environment.packages]
    assert told == [("pandas", "2.1.0", "2.2.0"), ("pytz", "", "3")]


def test_files_of_an_earlier_steps_output_are_compared(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    first = again(world, pipeline)
    backend = get_backend(world.datastore)
    backend.write(f"runs/{first.pk}/a/1/out/gone.txt", io.BytesIO(b"1"))
    backend.write(f"runs/{first.pk}/a/1/out/same_size.txt", io.BytesIO(b"one"))
    world.save(pipeline, world.step("a", arguments="other"), world.step("b", "a"))
    run = world.submit(pipeline)
    world.complete(world.claim(), content="other")
    backend.write(f"runs/{run.pk}/a/1/out/new.txt", io.BytesIO(b"12"))
    backend.write(f"runs/{run.pk}/a/1/out/same_size.txt", io.BytesIO(b"two"))
    assert world.drain() == ["b"]
    found = change(run, "input", "b").input
    assert found.before == found.after == "output “out” of “a”"
    assert [(file.path, file.kind, file.before_bytes, file.after_bytes) for file in found.files] == [
        ("gone.txt", "removed", 1, None),
        ("new.txt", "added", None, 2),
        ("same_size.txt", "changed", 3, 3),
    ]
    backend.delete(f"runs/{first.pk}")
    assert change(run, "input", "b").input.files, "what is there now is named"


def test_of_a_dataset_what_was_written_since_is_named_and_that_more_is_not_known(world: World) -> None:
    backend = get_backend(world.datastore)
    backend.write("data/a.csv", io.BytesIO(b"1"))
    path = DataPath(datastore_id=world.datastore.pk, path="data")
    create_dataset(world.workspace, name="numbers", paths=[path], actor=world.owner)
    step = world.step("a", inputs=[{"name": "x", "binding": {"kind": "dataset", "dataset": "numbers"}}])
    pipeline = world.pipeline(step)
    again(world, pipeline)
    backend.write("data/b.csv", io.BytesIO(b"22"))
    run = again(world, pipeline)
    found = change(run, "input").input
    assert [(file.path, file.after_bytes) for file in found.files] == [("data/b.csv", 2)]
    assert found.after == f"dataset numbers:1: {world.datastore.name}/data"
    assert "files that went can't be named" in found.notes[0]


def test_the_nearest_of_the_earlier_ones_is_compared_not_the_last(world: World) -> None:
    pipeline = world.pipeline(world.step("a", arguments="one"))
    first = again(world, pipeline)
    other = source(world, main_py="2\n")
    again(world, pipeline, world.step("a", arguments="two", source=other))
    run = again(world, pipeline, world.step("a", arguments="three"))
    explained = why(run)
    assert explained.compared is not None
    assert explained.compared.run == first.pk
    assert [each.kind for each in explained.changes] == ["arguments"]
    assert explained.note == f"Ran: the arguments changed since run {first.pk}."


def test_a_reused_step_says_from_which_run_and_what_is_the_same(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    first = again(world, pipeline)
    explained = why(again(world, pipeline), "b")
    assert explained.question == "Why was it reused?"
    assert explained.compared is not None
    assert (explained.compared.run, explained.changes) == (first.pk, [])
    assert "the data of input “from_a”" in explained.same


def test_one_that_did_not_come_to_its_turn(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    assert why(run, "b").question == "Why does it wait?"
    world.fail(world.claim())
    assert "before its turn" in why(run, "b").note


@pytest.fixture
def changed(world: World) -> Run:
    """What its step says stands between tags."""
    pipeline = world.pipeline(world.step("a", arguments="<i>one</i>"))
    again(world, pipeline)
    after = source(world, main_py="<script>alert(1)</script>\n")
    return again(world, pipeline, world.step("a", arguments="<i>two</i>", source=after))


def test_page_and_api_tell_the_same_and_escape_it(
    world: World, changed: Run, django_assert_max_num_queries: Any
) -> None:
    client = Client()
    client.force_login(world.member("reader", Role.READER))
    with django_assert_max_num_queries(16):
        body = client.get(f"{WS}/runs/{changed.pk}/steps/a/reuse/").json()
    assert [each["kind"] for each in body["changes"]] == ["code", "arguments"]
    assert body["changes"][0]["code"]["files"][0]["lines"][-1]["text"] == "<script>alert(1)</script>"
    page = client.get(f"/w/ours/runs/{changed.pk}/steps/a/reuse/").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<del>&lt;i&gt;one" in page
    assert "<script>" not in page
    theirs = World.make("theirs")
    client.force_login(theirs.owner)
    for address in (
        f"/api/workspaces/theirs/runs/{changed.pk}/steps/a/reuse/",
        f"/w/theirs/runs/{changed.pk}/steps/a/reuse/",
    ):
        assert client.get(address).status_code == 404
