"""A figure whose server is not installed is left out, and says why."""

import sys
from pathlib import Path

import pytest

from studio.installation.bench.downloads import s3_server
from studio.installation.bench.left_out import LeftOut


def test_without_its_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(LeftOut, match="development packages"), s3_server(tmp_path):
        pass
