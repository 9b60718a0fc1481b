"""A step that ran on a node, downloaded and run again by its `run.sh`, with nothing of the studio around it."""

import json
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from datastores import snapshots
from datastores.backends import get_backend
from datastores.models import Dataset, DatasetVersion
from datastores.sources import Column, DataPath, DelimitedFormat, FileDefinition, FilesSource, TabularDefinition
from pipelines.models import StepRun
from pipelines.reproduction.archive import archive_of
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "write.py": "import sys; open(sys.argv[1], 'w').write('7')",
    "lib/helper.py": "GREETING = 'hello'",
    "train.py": """
import os, pathlib, subprocess, sys
from lib.helper import GREETING
from studio_sdk.core import Run
Run.get_context().log("loss", 0.5)
number, texts, table, model = map(pathlib.Path, sys.argv[1:5])
out = pathlib.Path(os.environ["RESULT"])
(out / "found").mkdir()
read = [f"{path.relative_to(texts)}={path.read_text()}" for path in sorted(texts.rglob("*.txt"))]
(out / "found" / "texts.txt").write_text(";".join(read))
(out / "said.txt").write_text("|".join([number.read_text(), GREETING, os.environ["NOTE"], sys.argv[5]]))
(out / "tool.txt").write_text(subprocess.run(["sh", "tool.sh"], capture_output=True, text=True, check=True).stdout)
(out / "rows.txt").write_text(str(sum(part.read_bytes().count(b"PAR1") for part in table.rglob("*.parquet"))))
model.write_text("weights of " + number.read_text())
print("trained")
""",
    "tool.sh": "#!/bin/sh\necho a tool\n",
}
NOTE = """it's "5 $HOME" `here`;  a\\b"""


@pytest.fixture
def trained(world: World, worker_stack: Callable[..., Stack]) -> StepRun:
    """A step that read a file, a pattern and a table, and wrote a folder and a file."""
    stack = worker_stack()
    stack.node(world.node.target_id)
    source = snapshots.edit(world.workspace, None, put=SCRIPTS)
    store = world.datastore
    with closing(get_backend(store)) as backend:
        for path, text in (("raw/a.txt", "1"), ("raw/deep/b c.txt", "2"), ("raw/c.csv", "x\n1\n2\n")):
            backend.write(path, BytesIO(text.encode()))
    definitions = {
        "texts": FileDefinition(paths=[DataPath(datastore_id=store.pk, path="raw/**/*.txt")]),
        "rows": TabularDefinition(
            source=FilesSource(paths=[DataPath(datastore_id=store.pk, path="raw/c.csv")], format=DelimitedFormat()),
            columns=[Column(name="x", type="integer")],
        ),
    }
    for name, definition in definitions.items():
        dataset = Dataset.objects.create(workspace=world.workspace, name=name)
        DatasetVersion.objects.create(dataset=dataset, number=1, definition=definition)
    written = {"name": "out", "file": "number.txt"}
    write = world.step("write", source=source.digest, entry="write.py", arguments="${{outputs.out}}", outputs=[written])
    train = world.step("train", "write", source=source.digest, entry="train.py")
    train["inputs"] += [
        {"name": name, "binding": {"kind": "dataset", "dataset": name, "version": 1}} for name in definitions
    ]
    train["outputs"] = [{"name": "out"}, {"name": "model", "file": "model.bin"}]
    train["arguments"] = (
        "${{inputs.from_write}} ${{inputs.texts}} ${{inputs.rows}} ${{outputs.model}} '${{parameters.note}}'"
    )
    train["environment_variables"] = {"RESULT": "${{outputs.out}}", "NOTE": "${{parameters.note}}"}
    pipeline = world.pipeline(write, train, parameters=[{"name": "note", "default": NOTE}])
    run = over(world.submit(pipeline))
    assert run.status == "completed", (run.reason, log_of(run, "train"))
    return StepRun.objects.get(run=run, name="train")


def unpacked(pieces: Iterator[bytes], folder: Path) -> Path:
    """As a person does it, rights included."""
    folder.mkdir()
    archive = folder / "archive.zip"
    archive.write_bytes(b"".join(pieces))
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        for member in opened.infolist():
            opened.extract(member, folder)
            if member.external_attr >> 16 & 0o100 and not member.is_dir():
                (folder / member.filename).chmod(0o755)
    return next(path for path in folder.iterdir() if path.is_dir())


def again(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), **variables}
    return subprocess.run(
        ["./run.sh"], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_step_runs_again_from_its_archive_and_writes_the_same(
    world: World, trained: StepRun, tmp_path: Path, live_server: LiveServer
) -> None:
    archive = archive_of(world.workspace, trained, with_inputs=True, studio="http://studio.invalid/")
    folder = unpacked(archive.pieces, tmp_path / "whole")
    assert archive.name == f"train-of-run-{trained.run_id}.zip"
    for _ in range(2):  # a second time it begins anew
        ended = again(folder)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.splitlines() == [
            "Attempted to log scalar metric loss:",
            "0.5",
            "trained",
            f"outputs/out: 4 files, the same as in run {trained.run_id}.",
            f"outputs/model: 1 file, the same as in run {trained.run_id}.",
        ]
    (folder / "code" / "lib" / "helper.py").write_text("GREETING = 'bye'")
    assert f"outputs/out: 4 files, not the same as in run {trained.run_id}." in again(folder).stdout

    archive = archive_of(world.workspace, trained, with_inputs=False, studio=f"{live_server.url}/")
    folder = unpacked(archive.pieces, tmp_path / "bare")
    refused = again(folder)
    assert refused.returncode == 1
    assert "Set STUDIO_TOKEN to a token of yours" in refused.stderr
    assert "the studio answered 401" in again(folder, STUDIO_TOKEN="wrong").stderr
    token = AuthToken.objects.create(world.owner)[1]
    ended = again(folder, STUDIO_TOKEN=token)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"outputs/model: 1 file, the same as in run {trained.run_id}."
    assert token not in "".join(path.read_text() for path in folder.rglob("*.sh"))
    facts = json.loads((folder / "step.json").read_text())
    assert {given["name"] for given in facts["inputs"]} == {"from_write", "texts", "rows"}
