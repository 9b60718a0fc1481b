"""The name that groups runs.

```python
from studio_sdk.core import Experiment

experiment = Experiment(workspace, "digits")
run = experiment.submit(pipeline)
for run in experiment.get_runs():
    print(run.id, run.get_status())
```
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk.exceptions import NotSupportedException, RunEnvironmentException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.run import Run
    from studio_sdk.core.workspace import Workspace

__all__ = ["Experiment", "ViewType"]


class ViewType:
    """Which experiments a list has: all are active here."""

    ActiveOnly = "ActiveOnly"
    ArchivedOnly = "ArchivedOnly"
    All = "All"


class Experiment:
    """Of a workspace, by name. It is made when a run is submitted to it."""

    def __init__(self, workspace: Workspace | None, name: str) -> None:
        if workspace is not None and not name:
            raise UserErrorException("Give the experiment a name.")
        self._workspace = workspace
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def id(self) -> str:
        """Its name: there is one of a name."""
        return self._name

    @property
    def workspace(self) -> Workspace:
        """Within a step, the one that the step's variables name. Raises RunEnvironmentException where they don't."""
        if self._workspace is None:
            from studio_sdk.core.workspace import Workspace

            try:
                self._workspace = Workspace.from_config()
            except UserErrorException as error:
                raise RunEnvironmentException(f"This program can't ask the studio: {error}", error) from None
        return self._workspace

    workspace_object = workspace

    @property
    def tags(self) -> dict[str, str]:
        return {}

    def submit(self, config: Any, tags: Mapping[str, str] | None = None, **kwargs: Any) -> Run:
        """Submit a Pipeline, a ScriptRunConfig, a HyperDriveConfig: what it is says how. The run that it became."""
        how = getattr(config, "_submit", None)
        if how is None:
            raise UserErrorException(
                f"A {type(config).__name__} can't be submitted: give a Pipeline, ScriptRunConfig or HyperDriveConfig."
            )
        run: Run = how(self, **({} if tags is None else {"tags": tags}), **kwargs)
        return run

    def start_logging(
        self,
        *,
        outputs: Any = None,
        snapshot_directory: Any = None,
        display_name: str | None = None,
    ) -> Run:
        """Begin a run that this program does itself, and logs to until `complete` or `fail`.

        ```python
        with experiment.start_logging() as run:
            run.log("loss", 0.25)
        ```
        """
        if outputs is not None or snapshot_directory is not None:
            raise NotSupportedException(
                "Such a run keeps the files that upload_file and upload_folder give it, and no snapshot: submit a "
                "ScriptRunConfig for that."
            )
        from studio_sdk.core import _tracked

        return _tracked.start(self, display_name or "")

    def get_runs(
        self,
        type: str | None = None,  # noqa: A002 (azureml's name)
        tags: Any = None,
        properties: Any = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """Its runs, the newest first; with `include_children`, the steps of each behind it.

        `tags` is a name, or a dictionary of names and values, that a run must have.
        """
        from studio_sdk.core.run import Run

        return Run.list(self, type=type, tags=tags, properties=properties, include_children=include_children)

    @staticmethod
    def list(
        workspace: Workspace,
        experiment_name: str | None = None,
        view_type: str = ViewType.ActiveOnly,
        tags: Any = None,
    ) -> builtins.list[Experiment]:
        """Those of a workspace, by name."""
        if tags:
            raise NotSupportedException("Experiments have no tags: tag their runs.")
        if view_type == ViewType.ArchivedOnly:
            return []
        rows = workspace._client.all_of("/experiments/")
        return [Experiment(workspace, row["name"]) for row in rows if experiment_name in (None, row["name"])]

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """Put all its runs in the trash, from where they can be restored. Refused while one is under way."""
        from studio_sdk.core.run import Run

        for run in [*Run.list(Experiment(workspace, experiment_id))]:
            workspace._client.post(f"/runs/{run.id}/trash/", {})

    def tag(self, key: str, value: str | None = None) -> None:
        raise NotSupportedException("Experiments have no tags: tag their runs.")

    def set_tags(self, tags: Mapping[str, str]) -> None:
        raise NotSupportedException("Experiments have no tags: tag their runs.")

    def remove_tags(self, tags: Any) -> None:
        raise NotSupportedException("Experiments have no tags: tag their runs.")

    def archive(self) -> None:
        raise NotSupportedException("An experiment can't be archived: put its runs in the trash by Experiment.delete.")

    def reactivate(self, new_name: str | None = None) -> None:
        raise NotSupportedException("Experiments are never archived here.")

    def refresh(self) -> None:
        """Nothing of it is kept, so it is as it is."""

    def get_portal_url(self) -> str:
        """The page with its runs."""
        from urllib.parse import quote

        workspace = self.workspace
        return f"{workspace.url}/w/{workspace.name}/runs/?q={quote(self._name)}"

    def __repr__(self) -> str:
        return f"Experiment(Name: {self._name})"
