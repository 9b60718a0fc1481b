"""A pipeline goes out as YAML and comes back equal: in its workspace by the file alone, elsewhere with its code."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from datastores import snapshots
from pipelines.models import Pipeline, StepRun
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

PIPELINES = "/api/workspaces/{}/pipelines/"
IMPORT = f"{PIPELINES}import/"


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


def exported(client: Client, pipeline: Pipeline, number: int = 1, *, what: str = "yaml", slug: str = "ours") -> bytes:
    response = client.get(f"{PIPELINES.format(slug)}{pipeline.pk}/versions/{number}/{what}/")
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[arg-type]


def send(client: Client, file: str, data: bytes, slug: str = "ours", **more: Any) -> Any:
    upload = SimpleUploadedFile(file, data)
    return client.post(IMPORT.format(slug), {"file": upload, **more})


def latest(pipeline_id: int) -> Any:
    pipeline = Pipeline.objects.get(pk=pipeline_id)
    return pipeline.versions.get(number=pipeline.latest_version).definition


def several(world: World) -> Pipeline:
    """Of some kinds, one fed by another, with parameters in settings and texts."""
    parameters = [
        {"name": "trees", "type": "integer", "default": 100, "minimum": 1},
        {"name": "where", "type": "enum", "choices": ["local"], "default": "local"},
    ]
    command = {
        "name": "count",
        "kind": "command",
        "command": "# all lines\nwc -l ${{inputs.from_prepare}}/* > ${{outputs.out}}/n.txt\n",
        "inputs": [{"name": "from_prepare", "binding": {"kind": "output", "step": "prepare", "output": "out"}}],
        "compute": "${{parameters.where}}",
        "retry": {"max_attempts": 2},
    }
    decide = {"name": "decide", "kind": "condition", "expression": "${{parameters.trees}} > 50"}
    ask = {"name": "ask", "kind": "approval", "message": "Go on?", "only_if": {"step": "decide", "answer": True}}
    return world.pipeline(world.step("prepare"), command, decide, ask, parameters=parameters)


def test_the_file_alone_comes_back_as_the_same_version(world: World, client: Client) -> None:
    pipeline = several(world)
    text = exported(client, pipeline)
    response = send(client, "pipeline.yml", text, into=pipeline.pk)
    assert response.status_code == 201, response.json()
    assert response.json()["made"] == [
        {"sort": "pipeline", "name": "digits", "id": pipeline.pk, "version": 1, "steps": 4}
    ], "an equal definition makes no version"
    other = send(client, "pipeline.yml", text, name="Another").json()
    assert latest(other["id"]) == latest(pipeline.pk)
    assert other["to_do"] == []
    assert other["url"] == f"/w/ours/pipelines/{other['id']}/"


def test_what_came_back_takes_the_results_of_what_went_out(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    text = exported(client, pipeline)
    again = Pipeline.objects.get(pk=send(client, "pipeline.yml", text, name="Again").json()["id"])
    first = world.submit(pipeline)
    assert world.drain() == ["a", "b"]
    second = world.submit(again)
    assert world.drain() == [], "equal fingerprints: nothing runs"
    mine, theirs = (dict(StepRun.objects.filter(run=run).values_list("name", "fingerprint")) for run in (first, second))
    assert mine == theirs


def test_with_its_code_it_moves_to_another_workspace(world: World, client: Client) -> None:
    theirs = World.make("theirs")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        member = zipfile.ZipInfo("run.sh")
        member.external_attr = 0o755 << 16
        archive.writestr(member, "#!/bin/sh\n")
        archive.writestr("ü/main.py", "print(2)\n")
    data.seek(0)
    source = snapshots.add_zip(world.workspace, None, data)
    pipeline = world.pipeline(
        world.step("a"), world.step("b", source=source.digest, entry="ü/main.py"), world.step("c")
    )
    archive_bytes = exported(client, pipeline, what="archive")
    with zipfile.ZipFile(io.BytesIO(archive_bytes)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["code/a/main.py", "code/b/run.sh", "code/b/ü/main.py", "pipeline.yml"]
        text = archive.read("pipeline.yml").decode()
    assert text.count("source: ./code/a\n") == 2, "equal code goes along once"
    other = Client()
    other.force_login(theirs.owner)
    answer = send(other, "digits.zip", archive_bytes, "theirs")
    assert answer.status_code == 201, answer.json()
    assert latest(answer.json()["id"]) == latest(pipeline.pk), "digests of code are those of its contents"
    assert snapshots.get_snapshot(theirs.workspace, source.digest).manifest == source.manifest


def test_the_file_alone_tells_another_workspace_what_is_missing(world: World, client: Client) -> None:
    theirs = World.make("theirs")
    own = snapshots.add_files(world.workspace, None, [("main.py", io.BytesIO(b"print('ours alone')\n"))])
    text = exported(client, world.pipeline(world.step("a", source=own.digest)))
    other = Client()
    other.force_login(theirs.owner)
    answer = send(other, "pipeline.yml", text, "theirs").json()
    line = next(number for number, each in enumerate(text.decode().splitlines(), 1) if "source:" in each)
    assert [problem["loc"] for problem in answer["to_do"]] == [["pipeline.yml", line, 3]]


def test_a_dry_run_says_what_would_be_and_leaves_nothing(world: World, client: Client) -> None:
    text = exported(client, several(world))
    answer = send(client, "pipeline.yml", text, name="New", dry_run="true")
    assert answer.status_code == 200
    assert answer.json()["made"] == [{"sort": "pipeline", "name": "New", "id": None, "version": None, "steps": 4}]
    assert answer.json()["id"] is None
    assert not Pipeline.objects.filter(name="New").exists()


def test_all_that_is_wrong_is_told_at_once_with_its_place(world: World, client: Client) -> None:
    text = """format: pipeline-studio/1
name: Wrong
colour: red
parameters:
- name: a
  type: whole
steps:
- name: one
  kind: command
  comand: "true"
- name: two
  kind: unheard-of
- name: three
  source: ../../etc
- name: four
  source: ./code
"""
    answer = client.post(IMPORT.format("ours"), json.dumps({"text": text}), content_type="application/json")
    assert answer.status_code == 400
    told = {tuple(problem["loc"][1:]): problem["message"] for problem in answer.json()["problems"]}
    assert set(told) == {(3, 1), (6, 3), (10, 3), (11, 3), (14, 3), (16, 3)}
    assert "“colour”" in told[3, 1]
    assert "“comand”" in told[10, 3]
    assert "Did you mean “command”?" in told[10, 3]
    assert "leads out" in told[14, 3]
    assert "Upload a zip" in told[16, 3]
    assert not Pipeline.objects.filter(name="Wrong").exists()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("format: pipeline-studio/1\nname: [a\n", (3, 1), "no YAML"),
        ("format: pipeline-studio/1\nname: a\nname: b\n", (3, 1), "twice"),
        ("format: pipeline-studio/1\nname: !!python/object/apply:os.system [ls]\n", (2, 7), "tag"),
        ("format: pipeline-studio/1\n<<: *x\n", (2, 5), "“*x”"),
        ("format: pipeline-studio/1\nname: a\n---\nname: b\n", (3, 1), "second document"),
        ("format: pipeline-studio/2\nname: a\n", (1, 1), "format"),
        (f"format: pipeline-studio/1\nsteps: {'[' * 100}{']' * 100}\n", (2, 67), "nested"),
    ],
)
def test_yaml_that_is_none_or_would_do_harm_is_refused(
    client: Client, text: str, place: tuple[int, int], words: str
) -> None:
    answer = client.post(IMPORT.format("ours"), json.dumps({"text": text}), content_type="application/json")
    assert answer.status_code == 400, answer.content
    problem = answer.json()["problems"][0]
    assert tuple(problem["loc"]) == ("pasted.yml", *place), problem
    assert words in problem["message"]


def test_aliases_that_grow_are_refused_before_they_do(client: Client) -> None:
    lines = ["format: pipeline-studio/1", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    answer = client.post(IMPORT.format("ours"), json.dumps({"text": "\n".join(lines)}), content_type="application/json")
    assert answer.status_code == 400
    assert "aliases" in answer.json()["problems"][0]["message"]


@pytest.mark.parametrize("name", ["../pipeline.yml", "/etc/pipeline.yml", "a/../../b.yml"])
def test_a_zip_whose_names_lead_out_is_refused(client: Client, name: str) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name, "format: pipeline-studio/1\n")
    answer = send(client, "x.zip", data.getvalue())
    assert answer.status_code == 400
    assert "In the zip" in answer.json()["problems"][0]["message"]


def test_a_zip_bomb_is_refused(client: Client) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pipeline.yml", "format: pipeline-studio/1\n")
        archive.writestr("code/zeros", b"\0" * 30_000_000)
    answer = send(client, "x.zip", data.getvalue())
    assert answer.status_code == 400
    assert "zip bomb" in answer.json()["problems"][0]["message"]


def test_of_several_files_the_main_one_is_asked_for(world: World, client: Client) -> None:
    text = exported(client, several(world)).decode()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("one.yml", text)
        archive.writestr("two.yml", text)
    answer = send(client, "x.zip", data.getvalue())
    assert answer.json()["problems"][0] == {
        "loc": ["main"],
        "message": "There are several YAML files in there. Say which one: one.yml, two.yml.",
        "pointer": "#/main",
    }
    assert send(client, "x.zip", data.getvalue(), main="two.yml", name="Two").status_code == 201


def test_a_taken_name_is_told_where_it_stands(world: World, client: Client) -> None:
    pipeline = several(world)
    answer = send(client, "pipeline.yml", exported(client, pipeline))
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["loc"] == ["pipeline.yml", 5, 1]


def test_fields_that_would_have_no_effect_are_refused(client: Client) -> None:
    answer = client.post(IMPORT.format("ours"), {"txt": "a"})
    assert answer.json()["problems"] == [
        {"loc": ["txt"], "message": "There is no field “txt” here. Did you mean “text”?", "pointer": "#/txt"}
    ]
    assert client.post(IMPORT.format("ours"), {}).json()["problems"][0]["loc"] == ["file"]


def test_readers_export_and_do_not_import_and_strangers_do_neither(world: World, client: Client) -> None:
    pipeline = several(world)
    text = exported(client, pipeline)
    reader, stranger = Client(), Client()
    reader.force_login(world.member("reader", Role.READER))
    stranger.force_login(World.make("theirs").owner)
    assert exported(reader, pipeline) == text
    assert send(reader, "pipeline.yml", text, dry_run="true").status_code == 403
    for what in ("yaml", "archive"):
        assert stranger.get(f"{PIPELINES.format('ours')}{pipeline.pk}/versions/1/{what}/").status_code == 404
        assert stranger.get(f"{PIPELINES.format('theirs')}{pipeline.pk}/versions/1/{what}/").status_code == 404
    assert send(stranger, "pipeline.yml", text, "theirs", into=pipeline.pk).status_code == 404
