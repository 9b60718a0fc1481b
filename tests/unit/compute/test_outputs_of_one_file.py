"""What is recorded of an output that is one file: that file alone, whatever lies beside it."""

import os
from pathlib import Path

import pytest

from compute.execution.outputs import Output, record_outputs
from compute.spec import OutputRecord


def _recorded(folder: Path, file: str | None = "model.pkl") -> tuple[OutputRecord, list[str]]:
    said: list[str] = []
    output = Output(folder, 1, "runs/1/a/1/model", file=file)
    record = record_outputs({"model": output}, said.append, lambda: None).outputs["model"]
    assert len(list(output.files())) == record.file_count
    return record, said


def test_the_file_is_the_output(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"12345")
    alone, said = _recorded(tmp_path)
    assert (alone.path, alone.is_file, alone.file_count, alone.size_bytes) == (
        "runs/1/a/1/model/model.pkl",
        True,
        1,
        5,
    )
    assert not said
    (tmp_path / "notes.txt").write_text("beside")
    assert _recorded(tmp_path)[0] == alone
    whole, _ = _recorded(tmp_path, file=None)
    assert (whole.path, whole.is_file, whole.file_count) == ("runs/1/a/1/model", False, 2)


def test_without_it_there_is_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "other.pkl").write_bytes(b"1")
    record, _said = _recorded(tmp_path)
    assert (record.path, record.is_file, record.file_count, record.size_bytes) == ("runs/1/a/1/model", False, 0, 0)


@pytest.mark.parametrize("what", ["folder", "pipe", "link out", "dangling link"])
def test_what_is_no_file_of_it_is_told(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    place = folder / "model.pkl"
    match what:
        case "folder":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
        case "link out":
            (tmp_path / "secret").write_text("1")
            place.symlink_to(tmp_path / "secret")
        case _:
            place.symlink_to("nowhere")
    record, said = _recorded(folder)
    assert (record.is_file, record.file_count) == (False, 0)
    assert said == ["Output “model”: “model.pkl” is no file of the folder and is not part of the output."]


def test_a_link_within_the_folder_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "epoch-9.pkl").write_bytes(b"123")
    (tmp_path / "model.pkl").symlink_to("epoch-9.pkl")
    record, _said = _recorded(tmp_path)
    assert (record.is_file, record.size_bytes) == (True, 3)


def test_a_link_to_a_folder_is_no_file_and_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("1")
    (tmp_path / "again").symlink_to("sub")
    record, said = _recorded(tmp_path, file=None)
    assert record.file_count == 1
    assert said == ["Output “model”: “again” is no file of the folder and is not part of the output."]
