"""Registered models.

```python
from studio_sdk.core import Model

model = Model(workspace, "digits")  # the latest version
model.download("models")
Model.register(workspace, "model.pkl", "digits", tags={"from": "laptop"})
step = run.find_step_run("train")[0]
step.register_model("digits", "outputs/model.pkl", tags={"accuracy": "0.97"})
```
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from studio_sdk import _uploads
from studio_sdk._client import NotFound
from studio_sdk.data._transfer import download_to, patiently, place_below
from studio_sdk.exceptions import ModelNotFoundException, NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.run import Run
    from studio_sdk.core.workspace import Workspace

__all__ = ["Model"]

_SERVING = "Models are not served here: read the model in a step, or download it."


class Model:
    """A version of a registered model. `Model(workspace, name)` is the latest, or the one that `version` says.

    Raises ModelNotFoundException where there is none.
    """

    _workspace: Workspace
    _row: Mapping[str, Any]
    _model_id: int

    def __init__(
        self,
        workspace: Workspace,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 (azureml's name)
        tags: Any = None,
        properties: Any = None,
        version: int | None = None,
        run_id: str | None = None,
        model_framework: str | None = None,
        expand: bool = True,
    ) -> None:
        if id is not None:
            name, mark, number = str(id).rpartition(":")
            if not mark or not number.isdecimal():
                raise UserErrorException(f"“{id}” is no id of a model: those look like digits:3.")
            version = int(number)
        if not name:
            raise UserErrorException("Give the name of a model.")
        wanted = _merged(tags, properties)
        for model in _versions(workspace, name):
            if (
                version in (None, model.version)
                and _has(model.tags, wanted)
                and run_id in (None, model.run_id, (model.run_id or "").partition(":")[0])
                and model_framework in (None, model.model_framework)
            ):
                self.__dict__.update(model.__dict__)
                return
        which = f"version {version} of the model" if version is not None else "model"
        raise ModelNotFoundException(f"There is no {which} “{name}” like that in “{workspace.name}”.")

    @staticmethod
    def register(
        workspace: Workspace,
        model_path: str,
        model_name: str,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        description: str | None = None,
        datasets: Any = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        child_paths: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
    ) -> Model:
        """Keep a file or a folder of this computer as the next version of a model.

        A run of the experiment `models` takes it, so that the model says where it is from. Properties and the framework
        become tags. Raises UserErrorException where there is no such file, and what the studio refuses.
        """
        from studio_sdk.core import _tracked
        from studio_sdk.core.experiment import Experiment

        if child_paths is not None:
            raise NotSupportedException("A model is one file or one folder: put the files into a folder of their own.")
        place = os.path.abspath(os.fspath(model_path))
        if not os.path.exists(place):
            raise UserErrorException(f"There is no file or folder {model_path}.")
        if os.path.isdir(place) and next(_uploads.files_of("", place), None) is None:
            raise UserErrorException(f"There is no file in the folder {model_path}.")
        name = f"outputs/{os.path.basename(place) or 'model'}"
        with _tracked.start(Experiment(workspace, "models"), f"register {model_name}") as run:
            (run.upload_folder if os.path.isdir(place) else run.upload_file)(name, place)
        return run.register_model(
            model_name,
            name,
            tags=tags,
            properties=properties,
            model_framework=model_framework,
            model_framework_version=model_framework_version,
            description=description,
        )

    @staticmethod
    def list(
        workspace: Workspace,
        name: str | None = None,
        tags: Any = None,
        properties: Any = None,
        run_id: str | None = None,
        latest: bool = False,
        dataset_id: str | None = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: str | None = None,
    ) -> builtins.list[Model]:
        """All versions, or with `latest` the latest of each model; those that have the tags."""
        if dataset_id is not None:
            raise NotSupportedException("What was made of a dataset stands on the dataset's page, under Lineage.")
        wanted = _merged(tags, properties)
        found = []
        for row in workspace._client.all_of("/models/"):
            if name not in (None, row["name"]) or row["latest_version"] is None:
                continue
            for model in _versions_of(workspace, row):
                if (
                    _has(model.tags, wanted)
                    and run_id in (None, model.run_id, (model.run_id or "").partition(":")[0])
                    and model_framework in (None, model.model_framework)
                ):
                    found.append(model)
                if latest:
                    break
        return found

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Workspace | None = None) -> str:
        """Download a model into a folder of the current one, as `azureml-models/NAME/VERSION`; the place of what it is.

        A step is told better by an input: it then knows which version it read, and so does the lineage.
        """
        from studio_sdk.core.workspace import Workspace

        model = Model(_workspace or Workspace.from_config(), model_name, version=version)
        return model.download(os.path.join("azureml-models", model.name, str(model.version)), exist_ok=True)

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def name(self) -> str:
        return str(self._row["model"])

    @property
    def version(self) -> int:
        return int(self._row["number"])

    @property
    def id(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def description(self) -> str:
        return str(self._row["description"])

    @property
    def tags(self) -> dict[str, str]:
        return dict(self._row["tags"])

    @property
    def properties(self) -> dict[str, str]:
        """Properties are tags here."""
        return self.tags

    @property
    def model_framework(self) -> str | None:
        return self.tags.get("framework")

    @property
    def model_framework_version(self) -> str | None:
        return self.tags.get("framework_version")

    @property
    def created_time(self) -> Any:
        from studio_sdk._times import moment

        return moment(self._row["created_at"])

    @property
    def created_by(self) -> str | None:
        return self._row["created_by"] and str(self._row["created_by"])

    @property
    def stage(self) -> str:
        """`none`, `staging`, `production` or `archived`."""
        return str(self._row["stage"])

    @property
    def run_id(self) -> str | None:
        """Of the step that left it."""
        return f"{self._row['run']}:{self._row['step']}" if self._row["run"] else None

    @property
    def run(self) -> Run | None:
        from studio_sdk.core.run import Run

        return Run.get(self._workspace, self.run_id) if self.run_id else None

    @property
    def experiment_name(self) -> str | None:
        run = self.run
        return run.experiment.name if run else None

    @property
    def url(self) -> str:
        return f"{self._workspace.url}/w/{self._workspace.name}/models/{self._model_id}/"

    def download(self, target_dir: str = ".", exist_ok: bool = False, exists_ok: bool | None = None) -> str:
        """Download it into a folder; the place of the file, or of the folder, that it is."""
        may_exist = exist_ok if exists_ok is None else exists_ok
        client, path = self._workspace._client, f"{self._path}download/"
        placed: builtins.list[str] = []
        for name in self._files(""):
            place = place_below(target_dir, name)
            if os.path.exists(place) and not may_exist:
                raise UserErrorException(f"{place} is there already: exist_ok=True replaces it.")
            query = {} if self._row["is_file"] else {"path": name}
            download_to(place, partial(client.download, path, **query))
            placed.append(place)
        if not placed:
            raise UserErrorException(f"The files of “{self.id}” are gone.")
        return placed[0] if len(placed) == 1 else target_dir

    def update(
        self,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        stage: str | None = None,
    ) -> None:
        """Say something else of this version. `tags` replaces all; `stage` is the studio's own."""
        given = {"tags": dict(tags) if tags is not None else None, "description": description, "stage": stage}
        self._row = self._workspace._client.patch(self._path, {k: v for k, v in given.items() if v is not None})

    def update_tags_properties(
        self, add_tags: Mapping[str, str] | None = None, remove_tags: Any = None, add_properties: Any = None
    ) -> None:
        removed = [remove_tags] if isinstance(remove_tags, str) else [*(remove_tags or ())]
        kept = {key: value for key, value in self.tags.items() if key not in removed}
        self.update(tags={**kept, **(add_tags or {}), **(add_properties or {})})

    def add_tags(self, tags: Mapping[str, str]) -> None:
        self.update_tags_properties(add_tags=tags)

    def remove_tags(self, tags: Any) -> None:
        self.update_tags_properties(remove_tags=tags)

    def add_properties(self, properties: Mapping[str, str]) -> None:
        self.update_tags_properties(add_properties=properties)

    def add_dataset_references(self, datasets: Any) -> None:
        raise NotSupportedException("Which data a model was made of is known by its run: see Lineage on its page.")

    def delete(self) -> None:
        """Forget this version. Its files stay."""
        self._workspace._client.delete(self._path)

    def serialize(self) -> dict[str, Any]:
        return dict(self._row)

    @staticmethod
    def deploy(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(_SERVING)

    @staticmethod
    def package(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(_SERVING)

    @staticmethod
    def profile(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(_SERVING)

    @staticmethod
    def print_configuration(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(_SERVING)

    def get_sas_urls(self) -> dict[str, str]:
        raise NotSupportedException("Files have no addresses without a token: use download().")

    @property
    def _path(self) -> str:
        return f"/models/{self._model_id}/versions/{self.version}/"

    def _files(self, path: str) -> Iterator[str]:
        """The names of its files, of folders below folders too."""
        client = self._workspace._client
        if self._row["is_file"]:
            yield str(self._row["path"]).rstrip("/").rpartition("/")[2]
            return
        after = ""
        while True:
            query = {"path": path, **({"after": after} if after else {})}
            page = patiently(partial(client.get, f"{self._path}files/", **query))
            for entry in page["entries"]:
                name = f"{path}/{entry['name']}" if path else str(entry["name"])
                if entry["kind"] == "folder":
                    yield from self._files(name)
                else:
                    yield name
            after = page["after"]
            if not after:
                return

    @staticmethod
    def _of(workspace: Workspace, row: Mapping[str, Any], model_id: int | None = None) -> Model:
        made = object.__new__(Model)
        made._workspace, made._row = workspace, row
        made._model_id = int(model_id if model_id is not None else row["model_id"])
        return made

    def __repr__(self) -> str:
        return f"Model(name='{self.name}', version={self.version})"


def _versions(workspace: Workspace, name: str) -> Iterator[Model]:
    for row in workspace._client.all_of("/models/", q=name):
        if row["name"] == name:
            yield from _versions_of(workspace, row)


def _versions_of(workspace: Workspace, row: Mapping[str, Any]) -> Iterator[Model]:
    """The newest first."""
    try:
        for each in workspace._client.all_of(f"/models/{row['id']}/versions/"):
            yield Model._of(workspace, each, int(row["id"]))
    except NotFound:
        return  # deleted meanwhile


def _merged(*given: Any) -> builtins.list[tuple[str, str | None]]:
    """Names, or names with values, however azureml's programs say them."""
    found: builtins.list[tuple[str, str | None]] = []
    for tags in given:
        if isinstance(tags, Mapping):
            found += [(str(key), str(value)) for key, value in tags.items()]
            continue
        for each in [tags] if isinstance(tags, str) else tags or ():
            found.append(
                (str(each[0]), str(each[1])) if isinstance(each, (builtins.list, tuple)) else (str(each), None)
            )
    return found


def _has(tags: Mapping[str, str], wanted: builtins.list[tuple[str, str | None]]) -> bool:
    return all(key in tags and value in (None, tags[key]) for key, value in wanted)
