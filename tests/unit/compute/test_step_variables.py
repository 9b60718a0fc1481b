"""What a step's process is told, beside its command."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from compute.environments.places import BuiltEnvironment
from compute.execution.attempt import Attempt
from compute.execution.sdk import SDK
from compute.spec import EnvironmentSpec, Resources


def test_the_search_path_of_the_environment_leads_and_that_of_the_step_goes_before_it(tmp_path: Path) -> None:
    def told(own: dict[str, str], **variables: str) -> str:
        spec = SimpleNamespace(
            resources=Resources(),
            environment=EnvironmentSpec(variables=variables),
            web=None,
            snapshot=None,
            environment_variables={},
        )
        folders = SimpleNamespace(
            code="/code", home="/home", tmp="/tmp", spool="/spool", uploads="/uploads", data="/data"
        )
        lease, handle = SimpleNamespace(spec=spec, gpus=[]), SimpleNamespace(marker="m")
        attempt = Attempt.__new__(Attempt)
        attempt.lease, attempt.folders, attempt.handle = cast("Any", lease), cast("Any", folders), cast("Any", handle)
        return attempt._start(["true"], own, BuiltEnvironment(tmp_path)).variables["PYTHONPATH"]

    assert told({}) == str(SDK)
    assert told({}, PYTHONPATH="/opt/lib") == f"/opt/lib:{SDK}"
    assert told({"PYTHONPATH": "lib"}, PYTHONPATH="/opt/lib") == f"lib:{SDK}"
