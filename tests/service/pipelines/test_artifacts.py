"""Artifacts of steps through the API and on the run's page: listed by pages, shown inertly, for members alone."""

import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from compute.data.artifacts import Artifacts
from compute.data.desk import Desk
from compute.execution.folders import AttemptFolders
from compute.execution.handle import Handle
from compute.logs.writer import LogWriter
from compute.models import Job, StorageUse
from compute.services.leases import Lease, Outcome, start
from compute.services.recount import ask_recount, recount_storage
from compute.spec import JobResult
from compute.states import JobStatus
from datastores.backends import get_backend
from pipelines import services
from pipelines.models import Run, StepRun
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

EVIL = b"<script>alert(1)</script><img src=x onerror=alert(1)><form action=/><meta http-equiv=refresh content=0>\xe4"
FILES = {
    "outputs/report.html": EVIL,
    "outputs/plot.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>",
    "outputs/scores.csv": b"name,score\na,<b>1</b>\n",
    "outputs/metrics.json": b'{"loss": "<b>"}',
    "outputs/model.bin": bytes(range(256)),
    "outputs/empty.txt": b"",
    "logs/<b>train</b>.log": b"<script>alert(1)</script>",
}


@pytest.fixture
def run(world: World) -> Run:
    run = world.submit(world.pipeline(world.step("a")))
    world.complete(world.claim(), artifacts=FILES)
    return run


@pytest.fixture
def client(world: World) -> Client:
    return client_of(world.member("rita", Role.READER))


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def asked(client: Client, run: Run, verb: str = "", *, step: str = "a", slug: str = "ours", **query: Any) -> Any:
    return client.get(f"/api/workspaces/{slug}/runs/{run.pk}/steps/{step}/artifacts/{verb}", query)


def look(client: Client, run: Run, path: str) -> Any:
    return client.get(f"/w/ours/runs/{run.pk}/steps/a/artifact/", {"path": path})


def content(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_a_reader_lists_and_downloads(run: Run, client: Client) -> None:
    top = asked(client, run).json()
    assert [(entry["name"], entry["kind"]) for entry in top["entries"]] == [("logs", "folder"), ("outputs", "folder")]
    outputs = asked(client, run, path="outputs").json()["entries"]
    assert {entry["name"]: entry["size_bytes"] for entry in outputs} == {
        name.removeprefix("outputs/"): len(data) for name, data in FILES.items() if name.startswith("outputs/")
    }
    answer = asked(client, run, "download/", path="outputs/report.html", inline="1")
    assert content(answer) == EVIL
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    detail = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/a/").json()
    size_bytes = sum(map(len, FILES.values()))
    assert detail["artifacts"] == [{"attempt": 1, "file_count": 7, "size_bytes": size_bytes, "note": ""}]
    assert [output["name"] for output in detail["outputs"]] == ["out"], "they are none of its outputs"


def test_all_of_them_come_as_one_archive(run: Run, client: Client) -> None:
    answer = asked(client, run, "zip/")
    assert f"run-{run.pk}-a-attempt-1-artifacts.zip" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(content(answer))) as archive:
        top = f"run-{run.pk}-a-attempt-1-artifacts"
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"{top}/{name}": data for name, data in FILES.items()
        }
    with zipfile.ZipFile(io.BytesIO(content(asked(client, run, "zip/", path="logs")))) as archive:
        assert [name.rpartition("/")[2] for name in archive.namelist()] == ["b>.log"]


def test_whatever_wrote_it_nothing_of_it_acts_in_the_page(run: Run, client: Client) -> None:
    answer = look(client, run, "outputs/report.html")
    page = answer.content.decode()
    (frame,) = re.findall(r"<[^>]*>", page)[:1]
    assert " sandbox " in frame, "without a value it allows nothing"
    (shown,) = re.findall(r'srcdoc="([^"]*)"', page)
    document = unescape(shown)
    assert "<" not in shown
    policy, _, rest = document.removeprefix("<!doctype html>").partition(">")
    assert policy.startswith('<meta http-equiv="Content-Security-Policy" content="default-src \'none\';')
    assert "script-src" not in policy
    assert rest == EVIL.decode("cp1252")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], "the part is no page of its own"

    drawing = look(client, run, "outputs/plot.svg").content.decode()
    assert re.match(r'<img src="data:image/svg\+xml;base64,[\w+/=]+" alt="plot.svg">', drawing)
    for path, words in {
        "outputs/scores.csv": "&lt;b&gt;1&lt;/b&gt;",
        "outputs/metrics.json": "{&quot;loss&quot;: &quot;&lt;b&gt;&quot;}",
        "outputs/model.bin": "neither a text nor a picture",
        "outputs/empty.txt": "The file is empty.",
        "logs/<b>train</b>.log": "&lt;script&gt;alert(1)&lt;/script&gt;",
    }.items():
        page = look(client, run, path).content.decode()
        assert words in page, path
        assert not re.search(r"<script|<b>|onload=", page), path


@pytest.mark.parametrize("path", ["../1/outputs", "outputs/../../../../secret.txt", "/etc/passwd", "a\0b"])
def test_no_path_leaves_them(world: World, run: Run, client: Client, path: str) -> None:
    get_backend(world.datastore).write("secret.txt", io.BytesIO(b"secret"))
    for answer in (
        asked(client, run, path=path),
        asked(client, run, "download/", path=path),
        asked(client, run, "zip/", path=path),
        look(client, run, path),
    ):
        assert answer.status_code in {400, 404, 422}, (path, answer.status_code)
    for verb in ("download/", "zip/"):
        assert asked(client, run, verb, path="nowhere").status_code == 404
    assert asked(client, run, "download/", path="outputs").status_code == 404


def test_another_workspace_finds_nothing(run: Run) -> None:
    stranger = client_of(World.make("theirs").owner)
    for slug in ("ours", "theirs"):
        for verb in ("", "download/", "zip/"):
            assert asked(stranger, run, verb, slug=slug, path="outputs").status_code == 404
        part = f"/w/{slug}/runs/{run.pk}/steps/a/artifact/?path=outputs/scores.csv"
        assert stranger.get(part).status_code == 404
    assert asked(Client(), run).status_code in {401, 403}


def test_a_step_without_any_says_so(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.complete(world.claim())
    assert asked(client, run).json()["entries"] == []
    for verb, query in (("", {"attempt": 1}), ("", {"path": "outputs"}), ("download/", {}), ("zip/", {})):
        assert asked(client, run, verb, **query).status_code == 404
    assert client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/a/").json()["artifacts"] == []


def test_each_attempt_keeps_its_own_and_a_reused_step_shows_those_of_the_one_that_ran(
    world: World, client: Client
) -> None:
    pipeline = world.pipeline(world.step("a", retry={"max_attempts": 2}))
    run = world.submit(pipeline)
    world.fail(world.claim(), artifacts={"logs/a.log": b"first"})
    world.complete(world.claim(), artifacts={"logs/a.log": b"second", "outputs/x": b"x"})
    detail = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/a/").json()
    assert [(each["attempt"], each["file_count"]) for each in detail["artifacts"]] == [(2, 2), (1, 1)]
    assert content(asked(client, run, "download/", path="logs/a.log", attempt=1)) == b"first"
    assert content(asked(client, run, "download/", path="logs/a.log")) == b"second"
    assert asked(client, run, "download/", path="outputs/x", attempt=1).status_code == 404

    again = world.submit(pipeline)
    assert world.statuses(again) == {"a": "completed"}
    assert content(asked(client, again, "download/", path="logs/a.log")) == b"second"
    (taken,) = client.get(f"/api/workspaces/ours/runs/{again.pk}/steps/a/").json()["artifacts"]
    assert (taken["attempt"], taken["file_count"]) == (None, 2)


def test_a_result_is_taken_again_though_somebody_deleted_its_artifacts(world: World, run: Run) -> None:
    record = StepRun.objects.get(run=run).outputs.artifacts
    get_backend(world.datastore).delete(record.path)
    assert world.statuses(world.submit(run.pipeline)) == {"a": "completed"}


def test_a_failed_step_s_stay_when_its_run_goes_on(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.fail(world.claim(), artifacts={"outputs/half.txt": b"half"})
    assert content(asked(client, run, "download/", path="outputs/half.txt")) == b"half"
    run.refresh_from_db()
    services.continue_run(world.access, run)
    assert content(asked(client, run, "download/", path="outputs/half.txt")) == b"half", "until there are newer ones"
    world.complete(world.claim())
    detail = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/a/").json()
    assert [each["attempt"] for each in detail["artifacts"]] == [1]


def test_ten_thousand_are_listed_by_pages(
    world: World, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.complete(world.claim(), artifacts={"outputs/first.txt": b"1"})
    record = StepRun.objects.get(run=run).outputs.artifacts
    folder = get_backend(world.datastore).local_path(record.path)
    for number in range(10_000):
        (folder / "outputs" / f"{number:05}.txt").touch()
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        with django_assert_max_num_queries(8):
            page = asked(client, run, path="outputs", **({"after": after} if after else {})).json()
        assert len(page["entries"]) <= 500
        seen += [entry["name"] for entry in page["entries"]]
        after = page["after"]
    assert seen == sorted([*(f"{number:05}.txt" for number in range(10_000)), "first.txt"])


def test_they_count_as_storage(world: World, run: Run) -> None:
    def stored() -> int:
        return sum(StorageUse.objects.values_list("size_bytes", flat=True))

    size_bytes = sum(map(len, FILES.values())) + 5
    assert stored() == size_bytes
    get_backend(world.datastore).delete(StepRun.objects.get(run=run).outputs.artifacts.path)
    ask_recount(world.workspace.pk)
    recount_storage(world.workspace.pk)
    assert stored() == 5


# --- On the node ------------------------------------------------------------------------------------------------------


@pytest.fixture
def lease(world: World, settings: Any, tmp_path: Path) -> Lease:
    settings.NODE_HOME = tmp_path / "node"
    world.submit(world.pipeline(world.step("a")))
    return world.claim()


class Step:
    """An attempt whose working folder a test fills."""

    def __init__(self, lease: Lease, *, limit_bytes: int | None = None) -> None:
        self.lease = lease
        self.folders = AttemptFolders(lease)
        self.folders.code.mkdir(parents=True)
        self.handle = Handle("marker")
        self.log = LogWriter(job_id=lease.job_id, attempt_id=lease.attempt_id, attempt=1)
        self.artifacts = Artifacts(lease, self.folders, limit_bytes=limit_bytes)

    def write(self, name: str, data: bytes = b"12345") -> None:
        place = self.folders.code / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


@pytest.fixture
def step(lease: Lease) -> Iterator[Step]:
    step = Step(lease)
    yield step
    step.handle.close()


def keep(step: Step) -> Any:
    return step.artifacts.keep(Desk(step.handle, step.log))


def names(world: World, record: Any) -> list[str]:
    entries = get_backend(world.datastore).glob(record.path)
    return sorted(entry.path.removeprefix(f"{record.path}/") for entry in entries)


def test_files_of_the_source_folder_are_none_until_they_change(world: World, step: Step) -> None:
    for name in ("outputs/kept.txt", "outputs/changed.txt", "outputs/rewritten.txt", "main.py"):
        step.write(name)
    step.artifacts.remember_source()
    step.write("outputs/changed.txt", b"another")
    step.write("outputs/rewritten.txt")
    step.write("outputs/new.txt")
    record = keep(step)
    assert names(world, record) == ["outputs/changed.txt", "outputs/new.txt", "outputs/rewritten.txt"]
    assert (record.file_count, record.size_bytes, record.note) == (3, 17, "")


def test_a_step_that_writes_none_asks_nobody(step: Step, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    step.artifacts.remember_source()
    step.write("other/file.txt")
    with django_assert_num_queries(0):
        assert keep(step) is None


def test_what_is_beyond_the_limit_is_left_out_and_said(world: World, lease: Lease) -> None:
    step = Step(lease, limit_bytes=12)
    for name in ("outputs/a", "outputs/b", "outputs/c", "logs/d"):
        step.write(name)
    step.write("logs/small", b"1")
    record = keep(step)
    step.handle.close()
    assert names(world, record) == ["logs/small", "outputs/a", "outputs/b"]
    assert record.note == "2 files were left out: the studio's own lines in the log say why."


def test_more_than_so_many_are_not_kept(world: World, step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute.data.artifacts.MAX_FILES", 2)
    for name in "abc":
        step.write(f"outputs/{name}")
    record = keep(step)
    assert (names(world, record), record.note) == (
        ["outputs/a", "outputs/b"],
        "Only 2 artifacts are kept of an attempt: there were more.",
    )


def test_a_store_that_is_gone_costs_the_artifacts_and_not_the_step(world: World, step: Step) -> None:
    world.datastore.__class__.everything.filter(pk=world.datastore.pk).update(removed_at=timezone.now())
    step.write("outputs/a")
    record = keep(step)
    assert (record.file_count, "has been removed" in record.note) == (0, True)
    assert str(step.folders.root) not in record.note
    start(step.lease, timezone.now())
    assert world.end(step.lease, Outcome(JobStatus.COMPLETED, exit_code=0, result=JobResult(artifacts=record)))
    assert Job.objects.get(pk=step.lease.job_id).status == JobStatus.COMPLETED


def test_they_go_through_the_network_where_the_store_is_no_folder(
    world: World, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.write("outputs/a")
    step.write("logs/b")
    backend = type(get_backend(world.datastore))
    monkeypatch.setattr(backend, "local_path", lambda _self, _path: None)
    record = keep(step)
    monkeypatch.undo()
    assert names(world, record) == ["logs/b", "outputs/a"]
    assert (record.file_count, record.size_bytes) == (2, 10)
