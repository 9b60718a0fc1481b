"""`make test`: every check and every test, each part after the other; `everything PART…` runs some of them.

A part that fails does not keep the next ones from running. The exit code says whether all of them passed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
# Left to itself it runs the files with the fewest tests last, and those are the ones that take longest.
PYTEST = [sys.executable, "-m", "pytest", "--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
PYTEST += ["--durations", "20", "--durations-min", "5"]  # so that it is seen when one grows
ON_POSTGRES = [sys.executable, "-m", "tests.support.postgres"]
# What asks other servers than the studio's own database is tested once.
WITHOUT_THE_DATABASE = ("tests/service/datastores/stores", "tests/service/datastores/tabular")
# Of the real workers, those whose claims, leases and transitions meet in it. (The fifty kills have a PostgreSQL of
# their own, and the start and stop of the studio is tried on one in the other part.)
MEETING_IN_THE_DATABASE = (
    "tests/acceptance/compute/drivers",
    "tests/acceptance/compute/pools/test_processes.py",
    "tests/acceptance/compute/test_node_cut_off.py",
    "tests/acceptance/compute/test_node_lost.py",
    "tests/acceptance/compute/test_node_resources.py",
    "tests/acceptance/compute/test_node_runs.py",
    "tests/acceptance/datastores/test_data_worker.py",
    "tests/acceptance/pipelines/test_edit_and_continue.py",
    "tests/acceptance/pipelines/test_metrics.py",
    "tests/acceptance/pipelines/test_runs.py",
    "tests/acceptance/pipelines/test_steps_without_jobs.py",
)
PARTS: dict[str, list[list[str]]] = {
    "lint": [
        [sys.executable, "-m", "ruff", "check", "."],
        [sys.executable, "-m", "ruff", "format", "--check", "."],
        [sys.executable, "-m", "mypy", "studio", "datastores", "compute", "pipelines"],
        [str(BIN / "lint-imports"), "--no-cache"],
        [sys.executable, "-m", "djlint", "--lint", "--quiet", "templates"],
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        [sys.executable, "manage.py", "check", "--fail-level", "WARNING"],
        [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull],
        ["npm", "run", "--silent", "lint"],
        ["npm", "run", "--silent", "types"],
        ["npm", "run", "--silent", "test"],
    ],
    "postgres": [
        [
            *(*ON_POSTGRES, *PYTEST, *MEETING_IN_THE_DATABASE, "tests/service"),
            *(f"--ignore={folder}" for folder in WITHOUT_THE_DATABASE),
        ]
    ],
    "sqlite": [[*PYTEST, "tests/acceptance", "tests/service", "tests/unit"]],
    "browser": [[*PYTEST, "tests/browser"]],
}


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - set(PARTS)
    if unknown:
        print(f"There is no part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}.")
        return 2
    failed: list[str] = []
    for part, commands in PARTS.items():
        if wanted and part not in wanted:
            continue
        started = time.monotonic()
        for command in commands:
            shown = " ".join(Path(word).name if word.startswith("/") else word for word in command)
            print(f"\n── {part}: {shown}", flush=True)
            if _run(command) != 0:
                failed.append(shown)
        print(f"── {part}: {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print("\nFailed:\n" + "\n".join(f"  {command}" for command in failed), flush=True)
    return 1 if failed else 0


def _run(command: list[str]) -> int:
    # Not the developer's own studio: its commands write a key and a database below STUDIO_HOME.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.call(command, cwd=ROOT, env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
