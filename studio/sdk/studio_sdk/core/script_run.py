"""A run of a ScriptRunConfig."""

from __future__ import annotations

from studio_sdk.core.run import Run

__all__ = ["ScriptRun"]


class ScriptRun(Run):
    """The single step of the pipeline that a ScriptRunConfig became."""

    def cancel(self) -> None:
        """Ask for its end, and that of the run around it."""
        self._client.post(f"/runs/{self._number}/cancel/", {})
