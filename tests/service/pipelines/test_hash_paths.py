"""Where a step says which of its files count, a change of another one keeps nobody from reusing its result."""

from typing import Any

import pytest
from django.test import Client

from datastores import snapshots
from pipelines.explaining import explain
from pipelines.models import Pipeline, Run, StepRun
from studio.lib.problems import UserError
from tests.service.pipelines.world import World

BACKEND = "django.contrib.auth.backends.ModelBackend"


def _source(world: World, **texts: str) -> str:
    files = {name.replace("__", "/") + ".py": text for name, text in texts.items()}
    return snapshots.edit(world.workspace, world.source, put=files).digest


def _save(world: World, pipeline: Pipeline, source: str, paths: list[str]) -> None:
    world.save(pipeline, world.step("a", source=source, hash_paths=paths))


def _again(world: World, pipeline: Pipeline) -> tuple[Run, list[str]]:
    run = world.submit(pipeline)
    return run, world.drain()


def _step(run: Run) -> StepRun:
    return StepRun.objects.get(run=run)


def test_only_the_files_that_count_make_a_step_run_again(world: World) -> None:
    source = _source(world, src__model="1", notes="1")
    pipeline = world.pipeline(world.step("a", source=source, hash_paths=["main.py", "src"]))
    assert _again(world, pipeline)[1] == ["a"]
    _save(world, pipeline, _source(world, src__model="1", notes="2", more="3"), ["main.py", "src"])
    run, ran = _again(world, pipeline)
    assert (ran, _step(run).status) == ([], "completed")
    _save(world, pipeline, _source(world, src__model="2", notes="2"), ["main.py", "src"])
    run, ran = _again(world, pipeline)
    assert ran == ["a"]
    (change,) = explain(world.workspace, _step(run)).changes
    assert change.code is not None
    assert [file.path for file in change.code.files] == ["src/model.py"], "notes.py changed, too, and does not count"
    assert change.code.notes == ["Of its files there count: main.py, src."]


def test_counting_all_files_one_by_one_is_as_saying_nothing(world: World) -> None:
    source = _source(world, notes="1")
    pipeline = world.pipeline(world.step("a", source=source))
    _again(world, pipeline)
    _save(world, pipeline, source, ["*"])
    assert _again(world, pipeline)[1] == []
    _save(world, pipeline, source, ["main.py"])
    run, ran = _again(world, pipeline)
    assert ran == ["a"]
    (change,) = explain(world.workspace, _step(run)).changes
    assert change.code is not None
    assert change.code.notes == ["Of its files there counted: *. Now there count: main.py."]
    assert [(file.path, file.kind) for file in change.code.files] == [("notes.py", "removed")]


def test_all_files_still_run(world: World) -> None:
    source = _source(world, notes="1")
    world.submit(world.pipeline(world.step("a", source=source, hash_paths=["main.py"])))
    assert world.claim().spec.snapshot == source


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("../secrets", "leads out"), ("ghost.py", "No file of the step"), ("", "Write a file")],
)
def test_what_is_no_file_of_the_step_is_refused_at_its_line(world: World, path: str, sentence: str) -> None:
    pipeline = world.pipeline(world.step("a", hash_paths=["main.py", path]))
    with pytest.raises(UserError) as caught:
        world.submit(pipeline)
    (problem,) = caught.value.problems
    assert problem.loc == ("steps", 0, "hash_paths", 1)
    assert sentence in problem.message


def test_files_that_an_ignore_file_leaves_out_do_not_count(world: World) -> None:
    put = {".amlignore": "notes.py\n", "notes.py": "1"}
    source = snapshots.edit(world.workspace, world.source, put=put).digest
    pipeline = world.pipeline(world.step("a", source=source, hash_paths=["main.py", "notes.py"]))
    with pytest.raises(UserError, match=r"left out by the \.amlignore") as caught:
        world.submit(pipeline)
    assert caught.value.problems[0].loc == ("steps", 0, "hash_paths", 1)


def test_the_api_takes_and_gives_them_and_warns_of_a_script_that_does_not_count(world: World, client: Client) -> None:
    client.force_login(world.owner, backend=BACKEND)
    pipeline = world.pipeline(world.step("a"))
    step: dict[str, Any] = world.step("a", source=_source(world, notes="1"), hash_paths=["notes.py"])
    body = {"definition": {"steps": [step]}}
    answer = client.post("/api/workspaces/ours/pipelines/validate/", body, content_type="application/json").json()
    assert answer["problems"] == []
    assert [(each["loc"], each["message"]) for each in answer["warnings"]] == [
        (
            ["steps", 0, "hash_paths"],
            "“main.py” itself is not among them, so a change of it alone is no reason to run again.",
        )
    ]
    address = f"/api/workspaces/ours/pipelines/{pipeline.pk}/versions/"
    client.post(address, {**body, "base_version": 1}, content_type="application/json")
    given = client.get(f"{address}2/").json()["definition"]["steps"][0]
    assert given["hash_paths"] == ["notes.py"]
    wrong = {"definition": {"steps": [{**step, "hash_paths": "notes.py"}]}, "base_version": 2}
    assert client.post(address, wrong, content_type="application/json").status_code == 400
