"""Builds of environments ahead of their first step."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from studio_sdk.data._transfer import patiently
from studio_sdk.exceptions import TrainingException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.environment import Environment
    from studio_sdk.core.workspace import Workspace

_POLL_S = 2.0


class ImageBuildDetails:
    """The builds that were asked for: one for each machine of the target."""

    def __init__(self, workspace: Workspace, build_ids: list[int]) -> None:
        self._workspace, self._ids = workspace, build_ids

    @property
    def status(self) -> str:
        """Of those that are not over, else of the worst."""
        rows = self._rows()
        open_ones = [row["status"] for row in rows if not row["finished_at"]]
        failed = [row["status"] for row in rows if row["status"] == "failed"]
        return str((open_ones or failed or [row["status"] for row in rows] or ["completed"])[0])

    def get_log(self) -> str:
        return "\n".join(str(row["log"]) for row in self._rows())

    def wait_for_completion(self, show_output: bool = True) -> ImageBuildDetails:
        """Raises TrainingException with the reason where a build failed."""
        told: dict[int, int] = {}
        while True:
            rows = self._rows()
            for row in rows:
                if show_output:
                    print(row["log"][told.get(row["id"], 0) :], end="", flush=True)
                told[row["id"]] = len(row["log"])
            failed = next((row for row in rows if row["status"] == "failed"), None)
            if failed is not None:
                raise TrainingException(f"The environment can't be built: {failed['reason']}")
            if all(row["finished_at"] for row in rows):
                return self
            time.sleep(_POLL_S)

    def _rows(self) -> list[Any]:
        client = self._workspace._client
        return [patiently(partial(client.get, f"/environments/builds/{each}/")) for each in self._ids]


def ask_for_build(environment: Environment, workspace: Workspace, target: Any) -> ImageBuildDetails:
    row = environment._saved(workspace)
    name = getattr(target, "name", target) or "local"
    targets = workspace.compute_targets
    if name not in targets:
        raise UserErrorException(f"There is no compute target “{name}”. There are: {', '.join(targets) or 'none'}.")
    asked = workspace._client.post(f"/environments/{row['id']}/builds/", {"target": targets[name].id})
    return ImageBuildDetails(workspace, [int(each["id"]) for each in asked])
