"""The work that is measured: scripts as people write them, the pipelines around them, the same by bare processes."""

import json
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHAIN_STEPS = 50
FAN_STEPS = 100
WIDE_FAN_STEPS = 1_000
MANY_STEPS = 10_000
AT_ONCE = 2
LOG_LINES = 1_000_000
LINE_BYTES = 100
POINTS = 1_000_000
# About a seventh of a second of one core: the smallest step that somebody would bother to run in parallel.
FAN_LOOPS = 2_000_000

SCRIPTS = {
    "link.py": '''"""Read the number that each step before left, and leave the next one."""
import sys
from pathlib import Path

here, loops, *before = sys.argv[1:]
number = sum(int((Path(folder) / "number").read_text()) for folder in before)
work = sum(i * i for i in range(int(loops)))
(Path(here) / "number").write_text(str(number + 1))
print(number + 1)
''',
    "first.py": 'print("the first line", flush=True)\n',
    "lines.py": f'''"""Print {LOG_LINES:,} lines of {LINE_BYTES} bytes."""
rest = "x" * {LINE_BYTES - 10}
for number in range({LOG_LINES}):
    print(f"{{number:08d}} {{rest}}")
''',
    "points.py": f'''"""Log a series of {POINTS:,} points."""
from studio_sdk.core import Run

run = Run.get_context()
for step in range({POINTS}):
    run.log("loss", 1 / (step + 1), step=step)
''',
    "points_bare.py": f'''"""Write as many lines, with what a point has, to a file."""
import sys

with open(sys.argv[1], "w") as file:
    for step in range({POINTS}):
        file.write(f"loss {{1 / (step + 1)!r}} {{step}}\\n")
''',
    "imports.py": '''"""Import what a training script does."""
import pandas
import sklearn.ensemble

print(pandas.__version__, sklearn.__version__, flush=True)
''',
    "ready.py": '''"""Say whether the interpreter has imported that ahead."""
import sys

print(any("sklearn.ensemble" in getattr(finder, "modules", ()) for finder in sys.meta_path))
''',
    "where.py": '''"""Say which interpreter runs, and with which environment."""
import json
import os
import sys

print(json.dumps({"python": sys.executable, "environment": dict(os.environ)}))
''',
}
LAST_LINE = f"{LOG_LINES - 1:08d} "


def chain(source: str) -> dict[str, Any]:
    """Steps one after the other, each reading its predecessor's file."""
    return _definition(
        [_step(f"link-{i:02d}", source, before=[f"link-{i - 1:02d}"] if i else []) for i in range(CHAIN_STEPS)]
    )


def reused_chain(source: str) -> dict[str, Any]:
    """The same, of steps that take earlier results."""
    definition = chain(source)
    return definition | {"steps": [step | {"allow_reuse": True} for step in definition["steps"]]}


def fan(source: str, loops: int, width: int = FAN_STEPS) -> dict[str, Any]:
    """One step, then so many that read its file, then one that reads theirs."""
    names = [f"work-{i:03d}" for i in range(width)]
    middle = [_step(name, source, before=["split"], loops=loops) for name in names]
    return _definition([_step("split", source), *middle, _step("gather", source, before=names)])


def many(source: str) -> dict[str, Any]:
    """One step, then thousands that read its file, then one that waits for all of them."""
    names = [f"work-{i:04d}" for i in range(MANY_STEPS - 2)]
    middle = [_step(name, source, before=["split"]) for name in names]
    return _definition([_step("split", source), *middle, _step("end", source) | {"run_after": names}])


def single(source: str, script: str, *, environment: str = "python") -> dict[str, Any]:
    """One step without inputs or outputs."""
    return _definition([_common("only", source, script) | {"environment": environment}])


def _step(name: str, source: str, *, before: Sequence[str] = (), loops: int = 0) -> dict[str, Any]:
    inputs = [f"input-{i}" for i in range(len(before))]
    arguments = ["${{outputs.number}}", str(loops), *(f"${{{{inputs.{name}}}}}" for name in inputs)]
    bindings = [
        {"name": input_, "binding": {"kind": "output", "step": step, "output": "number"}}
        for input_, step in zip(inputs, before, strict=True)
    ]
    return _common(name, source, "link.py") | {
        "arguments": " ".join(arguments),
        "inputs": bindings,
        "outputs": [{"name": "number"}],
    }


def _common(name: str, source: str, script: str) -> dict[str, Any]:
    return {"kind": "python_script", "name": name, "source": source, "entry": script, "allow_reuse": False}


def _definition(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema_version": 1, "parameters": [], "steps": steps}


@dataclass(frozen=True, slots=True)
class Bare:
    """The same scripts by the same interpreter with the same variables, started by hand and passing files along."""

    python: str
    environment: dict[str, str]
    home: Path  # scripts, the working folder of every process, and what they write; on the studio's own disk

    def chain_s(self) -> float:
        """Seconds for the whole chain."""
        folder = self._new_folder()
        began = time.perf_counter()
        before: list[Path] = []
        for number in range(CHAIN_STEPS):
            before = [self._link(folder / str(number), before)]
        return time.perf_counter() - began

    def fan_s(self, loops: int, width: int = FAN_STEPS) -> float:
        """Seconds for one, so many by two at a time, and one."""
        folder = self._new_folder()
        began = time.perf_counter()
        first = self._link(folder / "split", [])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            middle = list(pool.map(lambda i: self._link(folder / str(i), [first], loops), range(width)))
        self._link(folder / "gather", middle)
        return time.perf_counter() - began

    def first_line_s(self, script: str = "first.py") -> float:
        """Seconds from the start of the process to its first line in a pipe."""
        began = time.perf_counter()
        with self._popen(script, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            return time.perf_counter() - began

    def log_s(self) -> float:
        """Seconds until everything printed went through a pipe into a file."""
        file = self._new_folder() / "log"
        began = time.perf_counter()
        with file.open("wb") as out, self._popen("lines.py", stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while piece := os.read(process.stdout.fileno(), 1 << 20):
                out.write(piece)
        elapsed = time.perf_counter() - began
        assert file.stat().st_size == LOG_LINES * LINE_BYTES
        file.unlink()
        return elapsed

    def rows_s(self, definition: dict[str, Any]) -> float:
        """Seconds for the steps of a definition as rows of JSON in a database of SQLite."""
        began = time.perf_counter()
        with closing(sqlite3.connect(self._new_folder() / "steps.sqlite3")) as database, database:
            database.execute("CREATE TABLE steps (name TEXT, step TEXT)")
            rows = [(step["name"], json.dumps(step)) for step in definition["steps"]]
            database.executemany("INSERT INTO steps VALUES (?, ?)", rows)
        return time.perf_counter() - began

    def points_s(self) -> float:
        """Seconds for as many lines in a file."""
        file = self._new_folder() / "points"
        began = time.perf_counter()
        with self._popen("points_bare.py", str(file), stdout=subprocess.PIPE) as process:
            process.communicate()
        elapsed = time.perf_counter() - began
        assert file.read_bytes().count(b"\n") == POINTS
        file.unlink()
        return elapsed

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.home))

    def _link(self, folder: Path, before: Sequence[Path], loops: int = 0) -> Path:
        folder.mkdir(parents=True)
        with (folder / "log").open("wb") as log:
            process = self._popen("link.py", str(folder), str(loops), *map(str, before), stdout=log)
            if process.wait() != 0:
                raise RuntimeError(f"link.py ended with {process.returncode}: {(folder / 'log').read_text()}")
        return folder

    def _popen(self, script: str, *arguments: str, stdout: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.python, script, *arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def bare_from(said: str, home: Path) -> Bare:
    """From what `where.py` printed inside a step. `home` is made."""
    inside = json.loads(said)
    # Variables that speak of the step itself (its folders, its run) mean nothing outside of it.
    environment = {
        name: value
        for name, value in inside["environment"].items()
        if name in {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "HOME", "VIRTUAL_ENV"} or name.startswith("PYTHON")
    }
    home.mkdir()
    for name, text in SCRIPTS.items():
        (home / name).write_text(text)
    return Bare(python=inside["python"], environment=environment, home=home)
