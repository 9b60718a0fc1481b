"""The batches of a parallel run over REST, its program on a node and in an archive, and what it takes again."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from compute import programs
from datastores import snapshots
from pipelines.models import Run, StepRun
from tests.service.pipelines.world import World
from tests.support.metrics import measure

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


def split(world: World, **more: Any) -> dict[str, Any]:
    return {
        "kind": "parallel_run",
        "name": "split",
        "source": snapshots.edit(world.workspace, None, put={"b.py": "def run(batch): ..."}).digest,
        "entry_script": "b.py",
        "inputs": [{"name": "data", "binding": {"kind": "output", "step": "first", "output": "out"}}],
        "input": "${{inputs.data}}",
        "output": "${{outputs.out}}",
        **more,
    }


def address(run: Run, name: str = "split") -> str:
    return f"/api/workspaces/ours/runs/{run.pk}/steps/{name}/batches/"


def begun(world: World, **more: Any) -> Run:
    run = world.submit(world.pipeline(world.step("first"), split(world, **more)))
    world.complete(world.claim())
    return run


def test_batches_while_they_are_worked_on(
    world: World, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    run = begun(world)
    nothing = client.get(address(run)).json()
    assert (nothing["total"], nothing["per_second"], nothing["remaining_s"], nothing["batches"]) == (
        None,
        None,
        None,
        [],
    )
    lease = world.claim()
    numbers = {"total": 30, "done": 9, "failed": 1, "retried": 2, "items_failed": 3, "seconds": 5}
    measure(lease, *(["s", f"studio.batches.{name}", value, None] for name, value in numbers.items()))
    row = {"batch": 4, "what": EVIL, "items": 3, "items_failed": 3, "tries": 2, "seconds": 1.5, "why": "x" * 900}
    measure(lease, ["t", "studio.batches.looked_at", {name: [value] for name, value in row.items()}])
    with django_assert_max_num_queries(12):
        found = client.get(address(run)).json()
    assert {name: found[name] for name in numbers} == numbers
    assert (found["per_second"], found["remaining_s"], found["items"], found["attempt"]) == (2.0, 10.0, "files", 1)
    assert found["batches"] == [{**row, "why": "x" * 500}]


def test_what_a_script_writes_in_their_place_is_numbers_and_texts_all_the_same(world: World, client: Client) -> None:
    run = begun(world)
    lease = world.claim()
    measure(
        lease,
        ["l", "studio.batches.total", [1]],
        ["s", "studio.batches.done", float("nan"), None],
        ["s", "studio.batches.failed", -4, None],
        ["s", "studio.batches.seconds", 0, None],
        ["t", "studio.batches.looked_at", {"batch": [["deep"], {"a": 1}], "what": [None, [1]], "seconds": ["soon", 1]}],
    )
    found = client.get(address(run)).json()
    assert (found["total"], found["done"], found["failed"], found["per_second"]) == (None, None, None, None)
    assert [row["batch"] for row in found["batches"]] == [None, None]
    assert [row["seconds"] for row in found["batches"]] == [None, 1]


def test_numbers_beyond_all_measure_are_none(world: World, client: Client) -> None:
    run = begun(world)
    lease = world.claim()
    numbers = {"total": 1e308, "done": 1e308, "failed": 7, "seconds": 1e-308}
    measure(lease, *(["s", f"studio.batches.{name}", value, None] for name, value in numbers.items()))
    measure(lease, ["t", "studio.batches.looked_at", {"batch": [10**400], "tries": [1]}])
    found = client.get(address(run)).json()
    assert (found["total"], found["done"], found["failed"], found["per_second"]) == (None, None, 7, 7000)


def test_what_its_program_says_of_batches_stands_among_nobodys_metrics(world: World, client: Client) -> None:
    run = begun(world)
    measure(world.claim(), ["s", "studio.batches.done", 1, None], ["s", "mine", 2, None])
    metrics = client.get(f"/api/workspaces/ours/runs/{run.pk}/metrics/").json()["metrics"]
    assert [metric["name"] for metric in metrics] == ["mine"]


def test_another_kind_of_step_has_none(world: World, client: Client) -> None:
    run = begun(world)
    assert client.get(address(run, "first")).status_code == 404
    assert client.get(f"{address(run)}?attempt=7").status_code == 404
    assert Client().get(address(run)).status_code in {401, 403}


def test_a_change_of_processes_takes_the_earlier_result(world: World) -> None:
    pipeline = world.pipeline(world.step("first"), split(world))
    first = world.submit(pipeline)
    world.drain()
    world.save(pipeline, world.step("first"), split(world, processes=7, max_tries=9, logging_level="DEBUG"))
    again = world.submit(pipeline)
    assert StepRun.objects.get(run=again, name="split").reused_from == StepRun.objects.get(run=first, name="split")
    world.save(pipeline, world.step("first"), split(world, mini_batch_size="11"))
    other = world.submit(pipeline)
    assert StepRun.objects.get(run=other, name="split").reused_from is None


def test_a_program_of_several_files_is_laid_out_whole_and_twice_is_harmless(world: World, tmp_path: Path) -> None:
    for _ in range(2):
        folder = programs.lay_out("run_parallel", tmp_path / "programs")
        assert folder == tmp_path / "programs" / "run_parallel"
    assert (folder / "__main__.py").is_file()
    assert (folder / "studio_parallel" / "pool.py").is_file()
    assert not list(folder.rglob("__pycache__"))


def test_an_archive_of_the_step_has_the_whole_program(world: World, client: Client) -> None:
    import io
    import zipfile

    run = begun(world)
    world.complete(world.claim())
    answer = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/split/reproduce/")
    assert answer.status_code == 200
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
        script = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("/run.sh"))
    assert {"programs/run_parallel/__main__.py", "programs/run_parallel/studio_parallel/pool.py"} <= names
    assert "programs/run_parallel" in script
