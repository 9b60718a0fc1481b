"""The studio's side of the benchmark: an installation, warm, driven through its REST API."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from studio.installation.bench.client import ApiError, Client
from studio.installation.bench.workloads import AT_ONCE, LAST_LINE, SCRIPTS
from studio.installation.temporary import Installation, temporary_installation

_RUN_TIMEOUT_S = 600.0
# How often a run is asked whether it is over: ever more seldom, for the answer's work is on the studio's account. The
# run's own `finished_at` says when it was, so this costs no precision.
_ASK_AFTER_S = 0.1
_ASK_AT_LEAST_EVERY_S = 2.0
_LOOK_EVERY_S = 0.05
# Environments with pandas and scikit-learn. The steps of one may start warm, those of the other never do.
WARM, COLD = "warm", "cold"
_NAME = "bench"  # of the workspace and its only member
_NODE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """A run that completed."""

    id: int
    wall_s: float  # from just before the submit call to the commit that finished the run
    state: dict[str, Any]


class StudioSide:
    """Runs workloads on one installation."""

    def __init__(self, installation: Installation, client: Client) -> None:
        self.installation = installation
        self.client = client
        files = [{"path": name, "text": text} for name, text in SCRIPTS.items()]
        self.source: str = client.post("sources/edit/", {"base": None, "put": files, "delete": [], "move": []})[
            "digest"
        ]
        self._pipelines: dict[str, int] = {}

    def pipeline(self, name: str, definition: dict[str, Any]) -> int:
        """The id of the pipeline `name`, made at the first call."""
        if name not in self._pipelines:
            made = self.client.post("pipelines/", {"name": name, "description": ""})
            body = {"definition": definition, "base_version": made["latest_version"]}
            problems = self.client.post(f"pipelines/{made['id']}/versions/", body)["problems"]
            if problems:
                raise RuntimeError(f"The benchmark's own pipeline {name} has problems: {problems}")
            self._pipelines[name] = made["id"]
        return self._pipelines[name]

    def run(self, pipeline_id: int) -> Done:
        """Submit and wait. Raises RuntimeError where the run does not complete."""
        began = time.time()
        run_id: int = self.client.post(f"pipelines/{pipeline_id}/runs/", {"parameters": {}})["id"]
        state = self._wait(run_id)
        return Done(id=run_id, wall_s=_seconds(state["finished_at"]) - began, state=state)

    def submit_s(self, pipeline_id: int) -> float:
        """Seconds of a submit call after which the run is over: every step took an earlier result."""
        began = time.perf_counter()
        made = self.client.post(f"pipelines/{pipeline_id}/runs/", {"parameters": {}})
        elapsed = time.perf_counter() - began
        if self.client.get(f"runs/{made['id']}/")["status"] != "completed":
            raise RuntimeError(f"Run {made['id']} did not take all its results from the run before.")
        return elapsed

    def submit_and_cancel_s(self, pipeline_id: int) -> float:
        """Seconds of a submit call; the run is cancelled, and its end waited for, outside of them."""
        began = time.perf_counter()
        run_id = self.client.post(f"pipelines/{pipeline_id}/runs/", {"parameters": {}})["id"]
        elapsed = time.perf_counter() - began
        self.client.post(f"runs/{run_id}/cancel/", {})
        self._wait(run_id, end="cancelled")
        return elapsed

    def first_line_s(self, pipeline_id: int) -> float:
        """Seconds from just before the submit call until the first line of the script can be read."""
        began = time.perf_counter()
        run_id = self.client.post(f"pipelines/{pipeline_id}/runs/", {"parameters": {}})["id"]
        while time.perf_counter() - began < _RUN_TIMEOUT_S:
            lines = self._log(run_id, start=0, count=100)["lines"]
            if any(line["s"] == "o" for line in lines):
                elapsed = time.perf_counter() - began
                self._wait(run_id)
                return elapsed
        raise RuntimeError(f"Run {run_id} never showed a line.")

    def log_s(self, pipeline_id: int) -> float:
        """Seconds from just before the submit call until the last of the lines can be read."""
        began = time.perf_counter()
        run_id = self.client.post(f"pipelines/{pipeline_id}/runs/", {"parameters": {}})["id"]
        while time.perf_counter() - began < _RUN_TIMEOUT_S:
            lines = self._log(run_id, start=-10, count=10)["lines"]
            if any(line["t"].startswith(LAST_LINE) for line in lines):
                elapsed = time.perf_counter() - began
                self._wait(run_id)
                return elapsed
            time.sleep(_LOOK_EVERY_S)
        raise RuntimeError(f"Run {run_id} never showed its last line.")

    def said_by(self, run: Done) -> str:
        """The first line that the only step's script printed."""
        lines = self._log(run.id, start=0, count=2000)["lines"]
        text: str = next(line["t"] for line in lines if line["s"] == "o")
        return text

    def attempts(self, run: Done) -> dict[str, dict[str, Any]]:
        """The last attempt of every step."""
        names = [step["name"] for step in run.state["steps"]]
        return {name: self.client.get(f"runs/{run.id}/steps/{name}/")["attempts"][-1] for name in names}

    def _log(self, run_id: int, *, start: int, count: int) -> dict[str, Any]:
        try:
            log: dict[str, Any] = self.client.get(f"runs/{run_id}/steps/only/log/?start={start}&count={count}")
        except ApiError as error:
            if error.status != 404:
                raise
            return {"lines": []}  # it has not begun
        return log

    def _wait(self, run_id: int, *, end: str = "completed") -> dict[str, Any]:
        until = time.monotonic() + _RUN_TIMEOUT_S
        pause_s = _ASK_AFTER_S
        while time.monotonic() < until:
            state: dict[str, Any] = self.client.get(f"runs/{run_id}/")
            if state["status"] == end:
                return state
            if state["finished_at"]:
                raise RuntimeError(f"Run {run_id} is {state['status']}: {state['reason']}")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _ASK_AT_LEAST_EVERY_S)
        raise RuntimeError(f"Run {run_id} did not end within {_RUN_TIMEOUT_S:.0f} s.")


@dataclass(frozen=True, slots=True)
class Phase:
    """Where a step's time goes."""

    name: str
    median_ms: float


def phases(run: Done, attempts: dict[str, dict[str, Any]]) -> list[Phase]:
    """The medians over a chain's steps, from the rows' own timestamps."""
    steps = run.state["steps"]
    queued = [_seconds(step["queued_at"]) for step in steps]
    rows = [attempts[step["name"]] for step in steps]
    claimed, started, finished = (
        [_seconds(row[field]) for row in rows] for field in ("claimed_at", "started_at", "finished_at")
    )
    pairs = {
        "queued → claimed by a slot": zip(queued, claimed, strict=True),
        "claimed → process started": zip(claimed, started, strict=True),
        "process started → finish recorded": zip(started, finished, strict=True),
        "finish recorded → successor queued": zip(finished, queued[1:], strict=False),
    }
    return [Phase(name, median(1000 * (end - start) for start, end in pair)) for name, pair in pairs.items()]


@contextmanager
def studio_side() -> Iterator[StudioSide]:
    """A fresh installation on SQLite with an embedded broker, one node of two slots, and a workspace of its own."""
    with temporary_installation(demo=False) as installation:
        installation.manage("shell", "--no-imports", "-c", _PREPARE)
        token = installation.manage("token", _NAME)
        with Client(installation.address, workspace=_NAME, token=token) as client:
            _wait_for_node(client)
            yield StudioSide(installation, client)


# Two slots on every machine: that is what the fan-out's bare processes have.
_PREPARE = f"""
import sys

from compute.models import ComputeTarget, Environment
from compute.spec import EnvironmentSpec
from studio.workspaces.models import User
from studio.workspaces.services import create_workspace

workspace = create_workspace(name="Benchmark", slug="{_NAME}", owner=User.objects.create(username="{_NAME}"))
ComputeTarget.objects.filter(workspace=None).update(slots={AT_ONCE})
python, pip = f"{{sys.version_info[0]}}.{{sys.version_info[1]}}", ["pandas>=2.2", "scikit-learn>=1.5"]
for name, variables in {{"{WARM}": {{}}, "{COLD}": {{"STUDIO_WARM_STARTS": "false"}}}}.items():
    spec = EnvironmentSpec(python_version=python, pip=pip, variables=variables)
    Environment.objects.create(workspace=workspace, name=name, version=1, spec=spec)
"""


def _wait_for_node(client: Client) -> None:
    until = time.monotonic() + _NODE_TIMEOUT_S
    while time.monotonic() < until:
        nodes = [node for target in client.get("compute/")["results"] for node in target["nodes"]]
        if any(node["state"] == "alive" and node["slots"] == AT_ONCE for node in nodes):
            return
        time.sleep(0.2)
    raise RuntimeError(f"No node of {AT_ONCE} slots came up within {_NODE_TIMEOUT_S:.0f} s.")


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()
