"""What steps write beside their outputs, on a real node: kept however they ended, and never what is not their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import Http404

from datastores import snapshots
from pipelines import queries, services
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "train.py": """
import io, os, pathlib
from studio_sdk.core import Run
os.makedirs("outputs/models", exist_ok=True)
os.makedirs("logs")
pathlib.Path("outputs/models/model.bin").write_bytes(b"weights")
pathlib.Path("outputs/changed.txt").write_text("changed")
pathlib.Path("logs/train.log").write_text("epoch 1")
run = Run.get_context()
run.upload_file("reports/report.html", io.StringIO("<script>alert(1)</script>"))
run.upload_file("outputs/model.bin", "outputs/models/model.bin")
run.upload_folder("copies", "outputs/models")
pathlib.Path("outputs/model.bin").write_text("later")
print(run.get_file_names())
""",
    "outputs/as_it_was.txt": "of the sources",
    "outputs/changed.txt": "of the sources",
    "fail.py": """
import os, pathlib, sys
os.makedirs("outputs", exist_ok=True)
pathlib.Path("outputs/attempt.txt").write_text(sys.argv[1])
sys.exit(1)
""",
    "sleep.py": """
import os, pathlib, time
os.makedirs("logs")
pathlib.Path("logs/so_far.txt").write_text("half")
print("wrote", flush=True)
time.sleep(600)
""",
    "hostile.py": """
import os, pathlib, shutil, socket, sys
secret = sys.argv[1]
os.makedirs("outputs", exist_ok=True)
os.makedirs("outputs/folder")
os.symlink(secret, "outputs/secret.txt")
os.symlink(os.path.dirname(secret), "outputs/secrets")
os.symlink("good.txt", "outputs/link.txt")
os.symlink("circle", "outputs/circle")
os.mkfifo("outputs/fifo")
os.mkfifo("outputs/x\\n12:00:00 The step completed.")
socket.socket(socket.AF_UNIX).bind("outputs/socket")
pathlib.Path("outputs/good.txt").write_text("good")
pathlib.Path("outputs/<b>odd\\n.txt").write_text("odd")
open(b"outputs/\\xff.txt", "w").close()
os.symlink(os.path.dirname(secret), "logs")
os.symlink(os.path.dirname(secret), os.environ["STUDIO_UPLOADS"])
""",
    "escape.py": """
import os, sys
os.rename(os.getcwd(), os.path.dirname(os.getcwd()) + "/away")
os.symlink(os.path.dirname(sys.argv[1]), os.path.dirname(os.getcwd()) + "/code")
""",
    "nothing.py": "print('nothing')",
}


@pytest.fixture
def source(world: World) -> str:
    return snapshots.edit(world.workspace, None, put=SCRIPTS).digest


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="0.3", STUDIO_NODE_HEARTBEAT_S="0.5")
    stack.node(world.node.target_id)
    return stack


def names_below(folder: queries.ArtifactFolder, path: str = "") -> Iterator[str]:
    for entry in folder.list(path).entries:
        below = f"{path}/{entry.name}" if path else entry.label
        if entry.kind == "folder":
            yield from names_below(folder, below)
        else:
            yield below


def kept(world: World, run: Run, step: str, attempt: int | None = None) -> dict[str, bytes]:
    folder = queries.ArtifactFolder(world.workspace, StepRun.objects.get(run=run, name=step), attempt=attempt)
    found = {}
    for name in names_below(folder):
        _entry, stream = folder.open(name)
        with stream:
            found[name] = stream.read()
    return found


def test_what_a_step_writes_is_kept_however_it_ends(world: World, source: str, studio: Stack, tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "outputs" / "secret.txt"
    secret.parent.mkdir(parents=True)
    secret.write_text("a secret")

    def step(name: str, entry: str, arguments: str = "", **more: Any) -> dict[str, Any]:
        plain = {"source": source, "entry": entry, "outputs": [], "arguments": arguments}
        return world.step(name) | plain | more

    pipeline = world.pipeline(
        step("train", "train.py"),
        step("fail", "fail.py", "one"),
        step("sleep", "sleep.py"),
        step("hostile", "hostile.py", str(secret)),
        step("escape", "escape.py", str(secret.parent)),
        step("nothing", "nothing.py"),
    )
    run = world.submit(pipeline)
    wait_for(lambda: "wrote" in log_of(run, "sleep"), what="the step has begun to write", timeout_s=40)
    sleeping = StepRun.objects.get(run=run, name="sleep")
    services.cancel_step(world.access, run, sleeping.name)
    over(run)
    assert world.statuses(run) == {
        "train": "completed",
        "fail": "failed",
        "sleep": "cancelled",
        "hostile": "completed",
        "escape": "completed",
        "nothing": "completed",
    }

    trained = {
        "outputs/models/model.bin": b"weights",
        "outputs/changed.txt": b"changed",
        "outputs/model.bin": b"weights",  # as it was at the call
        "logs/train.log": b"epoch 1",
        "reports/report.html": b"<script>alert(1)</script>",
        "copies/model.bin": b"weights",
    }
    assert kept(world, run, "train") == trained
    listed = sorted([*trained, "outputs/as_it_was.txt"])
    assert log_of(run, "train")[-1] == str(listed)
    record = StepRun.objects.get(run=run, name="train").outputs.artifacts
    assert (record.file_count, record.size_bytes, record.note) == (6, sum(map(len, trained.values())), "")
    assert kept(world, run, "sleep") == {"logs/so_far.txt": b"half"}

    assert kept(world, run, "hostile") == {
        "outputs/good.txt": b"good",
        "outputs/link.txt": b"good",
        "outputs/<b>odd\n.txt": b"odd",
    }
    said = "\n".join(log_of(run, "hostile"))
    for words in (
        "“outputs/secret.txt” is not kept as an artifact: it is a link that leaves the folder.",
        "“outputs/secrets” is not kept as an artifact: it is a link that leaves the folder.",
        "“outputs/fifo” is not kept as an artifact: it is no file.",
        "“outputs/x\\n12:00:00 The step completed.” is not kept as an artifact: it is no file.",
        "“outputs/socket” is not kept as an artifact: it is no file.",
        "“outputs/\\udcff.txt” is not kept as an artifact: its name is no text.",
        "“logs” is not kept as an artifact: it is a link, or lies behind one.",
        "“what was uploaded” is not kept as an artifact: it is a link, or lies behind one.",
    ):
        assert words in said, words
    note = StepRun.objects.get(run=run, name="hostile").outputs.artifacts.note
    assert note == "9 files were left out: the studio's own lines in the log say why."
    for name in ("escape", "nothing"):
        with pytest.raises(Http404):
            kept(world, run, name)
    assert StepRun.objects.get(run=run, name="nothing").outputs.artifacts is None

    again = world.submit(pipeline)  # what completed is taken again, and its artifacts with it
    wait_for(lambda: world.statuses(again)["train"] == "completed", what="the result is taken again", timeout_s=40)
    assert StepRun.objects.get(run=again, name="train").reused_from is not None
    assert kept(world, again, "train") == trained
    services.cancel_run(world.access, again)
    over(again)

    # A second attempt has its own, and the first one's stay.
    assert kept(world, run, "fail") == {"outputs/attempt.txt": b"one"}
    services.continue_run(world.access, run)
    services.cancel_run(world.access, over_step(run, "fail", attempt=2))
    assert kept(world, run, "fail", attempt=1) == kept(world, run, "fail", attempt=2)
    folders = [
        queries.ArtifactFolder(world.workspace, StepRun.objects.get(run=run, name="fail"), attempt=number).root
        for number in (1, 2)
    ]
    assert folders[0] != folders[1]


def over_step(run: Run, name: str, *, attempt: int) -> Run:
    def look() -> bool:
        step = StepRun.objects.get(run=run, name=name)
        return step.attempt == attempt and step.finished_at is not None

    wait_for(look, what=f"attempt {attempt} of {name} ends", timeout_s=40)
    run.refresh_from_db()
    return run
