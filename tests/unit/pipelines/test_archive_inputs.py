"""Inputs within an archive."""

import threading

import pytest

from compute.spec import JobInput
from datastores.sources import Column, DataPath, DelimitedFormat, FilesSource, TabularDefinition
from pipelines.reproduction import inputs


def test_no_more_tables_are_written_at_once_than_there_are_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    writers = threading.BoundedSemaphore(1)
    monkeypatch.setattr(inputs, "_writers", writers)
    source = FilesSource(paths=[DataPath(datastore_id=1, path="a.csv")], format=DelimitedFormat())
    table = JobInput(table=TabularDefinition(source=source, columns=[Column(name="x", type="integer")]))
    writers.acquire()
    member = next(inputs.members_of("rows", table, workspace_id=1, below="inputs/"))
    assert member.path == "inputs/rows (missing).txt"
    assert b"Try again in some minutes." in b"".join(member.content)
