"""What an upload says of its git checkout: cleaned, kept with the version and the run, and shown as text."""

import io
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from compute.models import Quota
from compute.services.quotas import storage_used
from datastores import snapshots
from datastores.models import Snapshot
from pipelines import services
from pipelines.comparing import compare_runs, compare_steps
from pipelines.models import Run, StepRun
from pipelines.reproduction.archive import archive_of
from pipelines.validation import parse_definition
from studio.lib.problems import UserError
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

SOURCES = "/api/workspaces/ours/sources/"
COMMIT, OTHER = "a" * 40, "b" * 64
DIFF = "# untracked: notes.txt\ndiff --git a/main.py b/main.py\n@@ -1 +1 @@\n-old\n+<script>alert(1)</script>\n"


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


def upload(client: Client, git: object, *, diff: bytes | None = None, text: bytes = b"print(1)\n") -> Any:
    form: dict[str, Any] = {
        "files": SimpleUploadedFile("main.py", text),
        "paths": "main.py",
        "git": git if isinstance(git, str) else json.dumps(git),
    }
    if diff is not None:
        form["diff"] = SimpleUploadedFile("diff", diff)
    return client.post(SOURCES, form)


def used(world: World) -> int:
    return sum(storage_used(world.workspace.pk).values())


def facts(**more: Any) -> dict[str, Any]:
    return {"repository": "https://example.org/code.git", "branch": "main", "commit": COMMIT, "dirty": False, **more}


def run_of(world: World, git: dict[str, Any], *, source: str | None = None, name: str = "digits") -> Run:
    step = world.step("train", git=git, source=source or git["source"])
    run = world.submit(world.pipeline(step, name=name))
    world.drain()
    run.refresh_from_db()
    return run


def test_the_answer_is_what_a_step_takes(world: World, client: Client) -> None:
    answer = upload(client, facts(dirty=True), diff=DIFF.encode())
    assert answer.status_code == 201
    git = answer.json()["git"]
    assert git == {**facts(dirty=True), "diff": git["diff"], "diff_note": "", "source": answer.json()["digest"]}
    kept = client.get(f"{SOURCES}{git['diff']}/file/?path=changes.diff").json()
    assert kept["text"] == DIFF
    run = run_of(world, git)
    detail = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/train/").json()
    assert detail["git"] == {**git, "edited_since": False}
    definition = client.get(f"/api/workspaces/ours/pipelines/{run.pipeline_id}/").json()["definition"]
    assert definition["steps"][0]["git"] == git


def test_without_it_nothing_is_said(world: World, client: Client) -> None:
    answer = upload(client, "")
    assert "git" not in answer.json()
    run = world.submit(world.pipeline(world.step("a")))
    assert client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/a/").json()["git"] is None


def test_nothing_that_is_sent_is_trusted(world: World, client: Client) -> None:
    said = facts(
        repository="https://ada:secret-token@example.org/\x1b[31mcode.git?key=secret#x",
        branch="ma\u202ein\n" + "x" * 500,
        diff_note="y" * 5000,
        diff="c" * 64,
        source="d" * 64,
    )
    answer = upload(client, said).json()
    git = answer["git"]
    assert git["repository"] == "https://example.org/[31mcode.git"
    assert git["branch"] == ("main" + "x" * 500)[:250]
    assert len(git["diff_note"]) == 300
    assert (git["diff"], git["source"]) == ("", answer["digest"])


@pytest.mark.parametrize(
    ("git", "loc"),
    [
        ("{", ["git"]),
        ("[]", ["git"]),
        ("[" * 15_000, ["git"]),
        (json.dumps({"branch": "x" * 20_000}), ["git"]),
        ({"commit": "abc"}, ["git", "commit"]),
        ({"commit": COMMIT.upper()}, ["git", "commit"]),
        ({"commit": f"{COMMIT}\n"}, ["git", "commit"]),
        ({"repository": 1}, ["git", "repository"]),
        ({"branch": "a\0b"}, ["git", "branch"]),
        ({"dirty": "perhaps"}, ["git", "dirty"]),
        ({"more": 1}, ["git", "more"]),
    ],
)
def test_what_is_no_such_thing_is_refused_and_nothing_is_kept(
    world: World, client: Client, git: object, loc: list[str]
) -> None:
    before = Snapshot.objects.count()
    answer = upload(client, git, diff=b"x", text=b"another\n")
    assert answer.status_code == 400
    assert [problem["loc"] for problem in answer.json()["problems"]] == [loc]
    assert Snapshot.objects.count() == before


@pytest.mark.parametrize(
    ("more", "loc", "sentence"),
    [
        ({"dif": SimpleUploadedFile("diff", b"x")}, "dif", "Did you mean “diff”?"),
        ({"path": "main.py"}, "path", "Did you mean “paths”?"),
        ({"diff": "diff --git"}, "diff", "as a file"),
        ({"zip": "x"}, "zip", "as a file"),
        ({"base": SimpleUploadedFile("base", b"x")}, "base", "as a field"),
        ({"git": SimpleUploadedFile("git", b"{}")}, "git", "as a field"),
    ],
)
def test_no_part_of_an_upload_is_passed_over(
    world: World, client: Client, more: dict[str, Any], loc: str, sentence: str
) -> None:
    before = Snapshot.objects.count()
    given = {"files": SimpleUploadedFile("main.py", b"another\n"), "paths": "main.py"}
    answer = client.post(SOURCES, {**given, **more})
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    assert (problem["loc"], sentence in problem["message"]) == ([loc], True)
    assert Snapshot.objects.count() == before
    assert client.post(SOURCES, {**given, "csrfmiddlewaretoken": "x"}).status_code == 201


def test_a_definition_is_cleaned_as_an_upload_is() -> None:
    step = {"kind": "python_script", "name": "a", "entry": "a.py", "inputs": [], "outputs": []}
    read = parse_definition({"steps": [{**step, "git": {"repository": "https://u:secret@example.org/x"}}]})
    assert read.steps[0].git is not None
    assert read.steps[0].git.repository == "https://example.org/x"
    assert "secret" not in read.model_dump_json()
    with pytest.raises(UserError) as refused:
        parse_definition({"steps": [{**step, "git": {"commit": "x", "diff": "../../etc/passwd"}}]})
    locs = {problem.loc for problem in refused.value.problems}
    assert locs == {("steps", 0, "git", "commit"), ("steps", 0, "git", "diff")}


def test_a_diff_that_is_too_long_is_left_out_and_one_that_is_no_text_becomes_some(world: World, client: Client) -> None:
    git = upload(client, facts(dirty=False), diff=b"x" * (1024**2 + 1)).json()["git"]
    assert (git["diff"], git["dirty"]) == ("", True)
    assert "1 MB" in git["diff_note"]
    git = upload(client, facts(), diff=b"diff --git a/a b/a\n@@ @@\n+\xff\0\n").json()["git"]
    shown = client.get(f"{SOURCES}{git['diff']}/file/?path=changes.diff").json()
    assert shown["text"].endswith("+\ufffd\ufffd\n")
    git = upload(client, facts(), diff=b"\xff" * 500_000).json()["git"]
    assert "1 MB" in git["diff_note"], "it is longer as text"


def test_a_diff_counts_as_the_files_do(world: World, client: Client) -> None:
    upload(client, facts())
    before = used(world)
    upload(client, facts(), diff=DIFF.encode())
    upload(client, facts(), diff=DIFF.encode())
    assert used(world) == before + len(DIFF.encode()), "once"
    Quota.objects.create(workspace=world.workspace, storage_bytes=before + len(DIFF.encode()) + 10)
    refused = upload(client, facts(), diff=b"+another\n" * 20)
    assert refused.status_code == 507


def test_a_reader_uploads_none_and_other_workspaces_see_none(world: World, client: Client) -> None:
    digest = upload(client, facts(), diff=DIFF.encode()).json()["git"]["diff"]
    reader, stranger = Client(), Client()
    reader.force_login(world.member("reader", Role.READER))
    theirs = World.make("theirs")
    stranger.force_login(theirs.owner)
    assert upload(reader, facts()).status_code == 403
    assert reader.get(f"/w/ours/sources/{digest}/changes/").status_code == 200
    assert stranger.get(f"/w/ours/sources/{digest}/changes/").status_code == 404
    assert stranger.get(f"/w/theirs/sources/{digest}/changes/").status_code == 404
    assert client.get(f"/w/ours/sources/{world.source}/changes/").status_code == 404, "no diff, but a source folder"


def test_a_step_that_names_a_diff_of_another_workspace_gets_nothing_of_it(world: World, client: Client) -> None:
    theirs = World.make("theirs")
    secret = snapshots.add_files(theirs.workspace, None, [("changes.diff", io.BytesIO(b"+their secret\n"))])
    run = run_of(world, {**facts(), "diff": secret.digest, "source": world.source})
    assert client.get(f"/w/ours/sources/{secret.digest}/changes/").status_code == 404
    step = StepRun.objects.get(run=run)
    archive = archive_of(world.workspace, step, with_inputs=False, studio="http://studio.invalid/")
    assert b"their secret" not in b"".join(archive.pieces)


def test_the_diff_is_shown_as_text(world: World, client: Client) -> None:
    digest = upload(client, facts(), diff=DIFF.encode()).json()["git"]["diff"]
    page = client.get(f"/w/ours/sources/{digest}/changes/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>" not in page
    assert "notes.txt" in page


def test_commits_with_equal_files_share_a_result(world: World, client: Client) -> None:
    first = run_of(world, upload(client, facts()).json()["git"])
    second = run_of(world, upload(client, facts(commit=OTHER, branch="")).json()["git"], name="again")
    steps = {step.run_id: step for step in StepRun.objects.all()}
    assert steps[second.pk].reused_from_id == steps[first.pk].pk
    assert steps[second.pk].frozen.step.git.commit == OTHER


def test_comparing_says_both_commits_and_no_change(world: World, client: Client) -> None:
    git = upload(client, facts()).json()["git"]
    first = run_of(world, git)
    second = run_of(world, upload(client, facts(commit=OTHER, dirty=True)).json()["git"], name="again")
    compared = compare_steps(world.workspace, first, second, "train")
    said = {row.label: (row.before, row.after) for row in compared.documents.git}
    assert said == {
        "Repository": (git["repository"], git["repository"]),
        "Branch": ("main", "main"),
        "Commit": ("aaaaaaaaaa", "bbbbbbbbbb, with uncommitted changes"),
    }
    assert (compared.changes, compared.rows) == ([], [])
    whole = compare_runs(first, second)
    assert not whole.steps[0].differs
    assert ("Commits", "aaaaaaaaaa", "bbbbbbbbbb, with uncommitted changes") in [
        (row.label, row.before, row.after) for row in whole.facts
    ]
    page = client.get(f"/w/ours/runs/compare/steps/train/?left={first.pk}&right={second.pk}").content.decode()
    assert "with uncommitted changes" in page
    without = world.submit(world.pipeline(world.step("train"), name="without"))
    sides = compare_steps(world.workspace, first, without, "train").documents.git
    assert {row.after for row in sides} == {None}


def test_files_that_were_edited_here_are_told_from_those_of_the_commit(world: World, client: Client) -> None:
    git = upload(client, facts()).json()["git"]
    edited = snapshots.edit(world.workspace, git["source"], put={"main.py": "print(2)\n"})
    run = run_of(world, git, source=edited.digest)
    detail = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/train/").json()
    assert detail["git"]["edited_since"] is True
    archive = archive_of(
        world.workspace, StepRun.objects.get(run=run), with_inputs=False, studio="http://studio.invalid/"
    )
    assert b"edited in the studio since" in b"".join(archive.pieces)


def test_the_archive_has_the_commit_and_the_diff(world: World, client: Client) -> None:
    run = run_of(world, upload(client, facts(), diff=DIFF.encode()).json()["git"])
    step = StepRun.objects.get(run=run)
    whole = b"".join(archive_of(world.workspace, step, with_inputs=False, studio="http://studio.invalid/").pieces)
    for expected in (b"changes.diff", b"| commit | " + COMMIT.encode(), b"https://example.org/code.git", DIFF.encode()):
        assert expected in whole


def test_an_edit_within_a_run_keeps_the_commit(world: World, client: Client) -> None:
    git = upload(client, facts()).json()["git"]
    run = world.submit(world.pipeline(world.step("train", git=git, source=git["source"])))
    world.fail(world.claim())
    changes = services.StepChanges(put={"main.py": "print(3)\n"})
    services.edit_step(world.access, run, "train", changes, base_edit=0, go_on=False)
    detail = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/train/").json()
    assert detail["git"]["commit"] == COMMIT
    assert detail["git"]["edited_since"] is True
    assert detail["edits"][0]["changes"] == ["main.py"]
