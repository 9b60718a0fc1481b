"""The SDK as a script meets it: within a run a line for each call, outside of one a run that prints."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compute.execution.sdk import SDK

sys.path.append(str(SDK))

from studio_sdk import _spool
from studio_sdk.core import Run
from studio_sdk.exceptions import RunEnvironmentException, UserErrorException

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "spool"
    file.touch()
    monkeypatch.setenv("STUDIO_SPOOL", str(file))
    monkeypatch.setenv("STUDIO_RUN_ID", "7:train")
    monkeypatch.setenv("STUDIO_EXPERIMENT", "trials")
    return file


def lines(spool: Path) -> list[list[Any]]:
    return [json.loads(line) for line in spool.read_text().splitlines()]


class Figure:
    def savefig(self, file: Any, format: str) -> None:  # noqa: A002
        assert format == "png"
        file.write(PNG)


def test_each_call_is_a_line_at_once(spool: Path, tmp_path: Path) -> None:
    run = Run.get_context()
    assert (run.id, run.experiment.name) == ("7:train", "trials")
    run.log("loss", 1, step=4)
    run.log("loss", float("inf"))
    run.log("word", "text")
    run.log_list("list", (1, 2))
    run.log_row("table", a=1)
    run.log_table("table", {"a": [2]})
    (tmp_path / "dot.png").write_bytes(PNG)
    run.log_image("file", path=str(tmp_path / "dot.png"))
    run.log_image("figure", plot=Figure())
    run.log_confusion_matrix("confusion", '{"data": {"matrix": []}}')
    run.set_tags({"stage": 1})
    run.add_properties({"rows": 2})
    picture = base64.b64encode(PNG).decode()
    assert [line[:3] for line in lines(spool)] == [
        ["s", "loss", 1.0],
        ["s", "loss", float("inf")],
        ["l", "word", ["text"]],
        ["l", "list", [1, 2]],
        ["r", "table", {"a": 1}],
        ["t", "table", {"a": [2]}],
        ["i", "file", picture],
        ["i", "figure", picture],
        ["c", "confusion", {"data": {"matrix": []}}],
        ["tag", "stage", "1"],
        ["property", "rows", "2"],
    ]
    assert lines(spool)[0][3] == 4
    assert run.get_metrics("loss") == {"loss": [1.0, float("inf")]}
    assert (run.get_tags(), run.get_properties()) == ({"stage": "1"}, {"rows": "2"})


def test_a_number_beyond_all_floats_is_infinite_and_stops_nobody(spool: Path) -> None:
    for value in (10**400, -(10**400)):
        Run.get_context().log("loss", value)
    assert [line[2] for line in lines(spool)] == [float("inf"), float("-inf")]


def test_mistakes_are_told_and_write_nothing(spool: Path, tmp_path: Path) -> None:
    run = Run.get_context()
    with pytest.raises(UserErrorException, match="is no number"):
        run.log("loss", [1])
    with pytest.raises(UserErrorException, match="either a path or a plot"):
        run.log_image("both", path="a", plot=Figure())
    with pytest.raises(UserErrorException, match="can't be logged"):
        run.log_list("odd", [object()])
    with pytest.raises(UserErrorException, match="no JSON"):
        run.log_residuals("odd", "x")
    assert lines(spool) == []


def test_a_spool_that_is_gone_stops_nobody(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool.unlink()
    _spool.Spool(str(spool)).write("x\n")
    assert "could not be written" in capsys.readouterr().err


def test_outside_of_a_run_it_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("STUDIO_SPOOL", raising=False)
    run = Run.get_context()
    run.log("loss", 0.5)
    run.log_list("list", [1])
    assert capsys.readouterr().out == (
        "Attempted to log scalar metric loss:\n0.5\nAttempted to log list metric list:\n[1]\n"
    )
    assert run.id.startswith("OfflineRun_")
    assert run.get_metrics() == {"loss": 0.5, "list": 1}
    with pytest.raises(RunEnvironmentException):
        Run.get_context(allow_offline=False)


def test_processes_of_a_step_do_not_mix_their_lines(spool: Path) -> None:
    text = "from studio_sdk.core import Run\nrun = Run.get_context()\nfor i in range(2000): run.log('x', i, step=i)"
    environment = {**os.environ, "PYTHONPATH": str(SDK)}
    writers = [subprocess.Popen([sys.executable, "-c", text], env=environment) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(lines(spool)) == 6000


@pytest.fixture
def uploads(spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As a node lays it out: beside the working folder, and not there yet."""
    folder = tmp_path / "attempt" / ".uploads"
    (tmp_path / "attempt" / "code").mkdir(parents=True)
    monkeypatch.setenv("STUDIO_UPLOADS", str(folder))
    monkeypatch.chdir(tmp_path / "attempt" / "code")
    return folder


def test_files_are_kept_as_they_are_at_the_call(uploads: Path) -> None:
    run = Run.get_context()
    assert run.get_file_names() == []
    Path("model.bin").write_bytes(b"1")
    run.upload_file("models//./model.bin", "model.bin")
    Path("model.bin").write_bytes(b"2")
    run.upload_files(["a.bin", "b.txt"], [Path("model.bin"), io.StringIO("ä")])
    run.upload_file("a.bin", io.BytesIO(b"replaced"))
    Path("folder/inner").mkdir(parents=True)
    Path("folder/inner/x").write_text("x")
    Path("folder/dangling").symlink_to("nowhere")
    run.upload_folder("copies", "folder")
    Path("outputs").mkdir()
    Path("outputs/by_itself").touch()
    found = {str(path.relative_to(uploads)): path.read_bytes() for path in uploads.rglob("*") if path.is_file()}
    assert found == {
        "models/model.bin": b"1",
        "a.bin": b"replaced",
        "b.txt": "ä".encode(),
        "copies/inner/x": b"x",
    }
    assert run.get_file_names() == sorted([*found, "outputs/by_itself"])


@pytest.mark.parametrize("name", ["", ".", "../x", "a/../../x", "/etc/x", "a\\..\\..\\x", "a\0"])
def test_an_artifact_has_a_name_of_its_own_folder(uploads: Path, name: str) -> None:
    with pytest.raises(UserErrorException, match="no name for an artifact"):
        Run.get_context().upload_file(name, io.BytesIO(b"x"))
    assert not uploads.exists()


def test_what_can_t_be_kept_is_said(uploads: Path) -> None:
    run = Run.get_context()
    run.upload_file("a", io.BytesIO(b"x"))
    for name, source in (("a/b", io.BytesIO()), ("c", "nowhere")):
        with pytest.raises((UserErrorException, FileNotFoundError)):
            run.upload_file(name, source)
    run.upload_file("folder/x", io.BytesIO())
    with pytest.raises(UserErrorException, match="is a folder"):
        run.upload_file("folder", io.BytesIO())
    with pytest.raises(UserErrorException, match="no folder"):
        run.upload_folder("d", "nowhere")
    with pytest.raises(UserErrorException, match="one for each"):
        run.upload_files(["a", "b"], ["a"])
    assert run.get_file_names() == ["a", "folder/x"]
    assert sorted(path.name for path in uploads.parent.iterdir()) == [".uploads", "code"], "no half of a file stays"


def test_outside_of_a_run_it_prints_what_it_would_keep(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.get_context()
    run.upload_file("outputs/a.txt", "nowhere")
    assert run.get_file_names() == ["outputs/a.txt"]
    assert capsys.readouterr().out == "Attempted to upload outputs/a.txt\n"
