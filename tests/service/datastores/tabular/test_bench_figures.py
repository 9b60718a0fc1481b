"""The figures of data are measured by what the studio really does, and leave nothing on the disk."""

from pathlib import Path
from typing import Any

import pytest

from studio.installation.bench import figures_data
from studio.installation.bench.figures_data import DATA_MEASUREMENTS


@pytest.mark.parametrize("measurement", DATA_MEASUREMENTS[:2], ids=lambda measurement: measurement.name)
def test_a_figure_of_data(measurement: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_data, "TABLE_ROWS", 200_000)
    measured = measurement.measure(None, None, 1)
    assert measured.figure.value > 0
    assert all(ours > 0 and theirs > 0 for ours, theirs in measured.samples)
    assert list((home / "workspaces").iterdir()) == []
