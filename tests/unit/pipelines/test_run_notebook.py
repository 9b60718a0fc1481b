"""The program that runs notebooks, as far as it goes without papermill: tests have it in real environments only."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.kinds.notebook import NotebookStep

FOLDER = "a folder is there"
(PROGRAM,) = NotebookStep.programs.values()


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(PROGRAM))


def test_an_environment_without_papermill_is_told_what_it_lacks(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(PROGRAM), "a.ipynb", str(tmp_path), "", ""]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "The step's environment has no papermill and ipykernel. Add them to its packages, "
        "or choose the environment “notebook”.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_values_come_as_they_are(program: dict[str, Any]) -> None:
    given = ["text", "a", "--json", "json", "b", "0", "json", "c", "false", "text", "d", ""]
    assert program["values_of"](given) == {"a": "--json", "b": 0, "c": False, "d": ""}
    assert program["values_of"]([]) == {}


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\r1%\r2%\r\nnext\n", "2%\nnext\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("plain", "plain"),
        ("x" * 1_000_000, "x" * 1_000_000),
    ],
)
def test_a_progress_bar_is_kept_as_it_ended(program: dict[str, Any], printed: str, shown: str) -> None:
    assert program["as_on_a_terminal"](printed) == shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "can't be read: No such file"),
        (FOLDER, "can't be read: Is a directory"),
        ("x", "holds no JSON"),
        ("[]", "doesn't say of which format"),
        ('{"nbformat": 3}', "is of format 3"),
        ('{"nbformat": 4, "cells": []}', "no cell of code"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words(
    program: dict[str, Any], tmp_path: Path, text: str | None, sentence: str
) -> None:
    file = tmp_path / "a.ipynb"
    if text == FOLDER:
        file.mkdir()
    elif text is not None:
        file.write_text(text)
    with pytest.raises(program["Refused"], match=sentence):
        program["check"](str(file))
