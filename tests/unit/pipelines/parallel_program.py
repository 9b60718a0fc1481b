"""The program of parallel runs for tests: its parts as modules, and the whole as a process."""

import subprocess
import sys
from pathlib import Path

from pipelines.kinds.parallel_run import ParallelRunStep

(PROGRAM,) = ParallelRunStep.programs.values()


def use_parts() -> None:
    """`studio_parallel` can be imported then."""
    if str(PROGRAM) not in sys.path:
        sys.path.append(str(PROGRAM))


def command(folder: Path, *words: str, script: str = "entry.py") -> list[str]:
    places = (f"--input={folder / 'in'}", f"--output={folder / 'out'}")
    return [sys.executable, "-u", str(PROGRAM), *places, *words, "--", script]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """To its end, with the spool of metrics in `folder/spool`."""
    (folder / "spool").touch()
    variables = {"STUDIO_SPOOL": str(folder / "spool"), "PYTHONPATH": "", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return subprocess.run(
        command(folder, *words), cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=60
    )
