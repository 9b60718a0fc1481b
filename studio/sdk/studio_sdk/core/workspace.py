"""A workspace of a studio: where everything else is looked up.

```python
from studio_sdk.core import Workspace

# config.json: {"url": "https://studio.example.org", "workspace": "demo", "token": "…"}
workspace = Workspace.from_config()
print(workspace.get_default_datastore().name, list(workspace.compute_targets))
```
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from studio_sdk._client import Client, NotFound
from studio_sdk.core.authentication import TOKEN, AbstractAuthentication, default_authentication
from studio_sdk.exceptions import (
    NotSupportedException,
    ProjectSystemException,
    UserErrorException,
    WorkspaceException,
)

if TYPE_CHECKING:
    from studio_sdk.core.compute import ComputeTarget
    from studio_sdk.core.datastore import Datastore
    from studio_sdk.core.environment import Environment
    from studio_sdk.core.experiment import Experiment
    from studio_sdk.core.keyvault import Keyvault
    from studio_sdk.core.model import Model
    from studio_sdk.core.run import Run
    from studio_sdk.data.abstract_dataset import AbstractDataset

URL, WORKSPACE = "STUDIO_URL", "STUDIO_WORKSPACE"
_FILE = "config.json"
_FOLDERS = ("", ".azureml", "aml_config", ".studio")


class Workspace:
    """One workspace. `subscription_id`, `resource_group` and `location` are kept and mean nothing.

    Nothing is asked of the studio until something of it is needed.
    """

    def __init__(
        self,
        subscription_id: str = "",
        resource_group: str = "",
        workspace_name: str = "",
        auth: AbstractAuthentication | None = None,
        _location: str | None = None,
        _disable_service_check: bool = False,
        _workspace_id: str | None = None,
        sku: str = "basic",
        tags: dict[str, str] | None = None,
        _cloud: str = "AzureCloud",
        *,
        url: str | None = None,
        token: str = "",
    ) -> None:
        """`url` and `token` are the studio's own; without them, `STUDIO_URL` and `STUDIO_TOKEN` say them."""
        name = workspace_name or os.environ.get(WORKSPACE, "")
        server = url or os.environ.get(URL, "")
        if not name:
            raise UserErrorException("Say which workspace: its name, or the variable STUDIO_WORKSPACE.")
        if not server:
            raise UserErrorException(
                "Say which studio: the variable STUDIO_URL, or Workspace.from_config() with a config.json."
            )
        self._auth = auth or default_authentication()
        self._client = Client(server, self._auth.get_token(token), name)
        self._name = name
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.location = _location or ""
        self.sku = sku
        self.tags = dict(tags or {})

    @staticmethod
    def from_config(
        path: str | os.PathLike[str] | None = None,
        auth: AbstractAuthentication | None = None,
        _logger: Any = None,
        _file_name: str | None = None,
    ) -> Workspace:
        """The workspace that a `config.json` names, or the variables `STUDIO_URL`, `STUDIO_WORKSPACE`, `STUDIO_TOKEN`.

        The file is looked for in `path` (or the current folder), in its folders `.azureml`, `aml_config` and
        `.studio`, and in the folders above; `path` may be the file itself. What a variable says goes before the file,
        unless a path was given. Without a path and such a file, what `studio login` kept counts.
        """
        return Workspace._configured("", path, auth, _file_name or _FILE)

    @staticmethod
    def _configured(
        name: str = "",
        path: str | os.PathLike[str] | None = None,
        auth: AbstractAuthentication | None = None,
        file_name: str = _FILE,
    ) -> Workspace:
        """As `from_config`, and the workspace `name` of that studio where one is given."""
        found = _config_file(path, file_name)
        if found is None and path is not None:
            raise UserErrorException(f"There is no {file_name} in {os.fspath(path)}, or in a folder above.")
        asked = {each: os.environ.get(each, "") for each in (URL, WORKSPACE, TOKEN)}
        said = _read_config(found) if found else _of_user(asked[URL])

        def of(key: str, variable: str) -> str:
            order = (said.get(key, ""), asked[variable]) if path is not None else (asked[variable], said.get(key, ""))
            return order[0] or order[1]

        url = of("url", URL)
        name = name or of("workspace", WORKSPACE) or said.get("workspace_name", "")
        if not url or not name:
            lacks = "url" if not url else "workspace"
            where = found or f"config.json in {os.getcwd()} or a folder above"
            raise UserErrorException(
                f"There is no “{lacks}” in {where}, and no variable STUDIO_{lacks.upper()}: "
                'a config.json is {"url": "https://studio.example.org", "workspace": "demo", "token": "…"}. '
                "The command “studio login” keeps one for all your folders."
            )
        return Workspace(
            said.get("subscription_id", ""),
            said.get("resource_group", ""),
            name,
            auth=auth,
            url=url,
            token=of("token", TOKEN),
        )

    @staticmethod
    def get(
        name: str,
        auth: AbstractAuthentication | None = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        cloud: str = "AzureCloud",
        id: str | None = None,  # noqa: A002 (azureml's name)
    ) -> Workspace:
        """The workspace `name` of the studio at `STUDIO_URL`. Raises WorkspaceException where there is none."""
        found = Workspace(subscription_id or "", resource_group or "", name, auth=auth, _location=location)
        found.get_details()
        return found

    @staticmethod
    def create(
        name: str,
        auth: AbstractAuthentication | None = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        create_resource_group: bool = True,
        sku: str = "basic",
        tags: dict[str, str] | None = None,
        friendly_name: str | None = None,
        exist_ok: bool = False,
        show_output: bool = True,
    ) -> Workspace:
        """Make a workspace in the studio at `STUDIO_URL`: you become its owner. `name` is its name in addresses."""
        made = Workspace(subscription_id or "", resource_group or "", name, auth=auth, _location=location, tags=tags)
        if exist_ok and any(row["slug"] == name for row in made._client.workspaces()):
            return made
        made._client.make_workspace(name, friendly_name or name)
        if show_output:
            print(f"Made the workspace {name}.")
        return made

    @staticmethod
    def list(
        subscription_id: str = "", auth: AbstractAuthentication | None = None, resource_group: str | None = None
    ) -> dict[str, list[Workspace]]:
        """The workspaces of the studio at `STUDIO_URL` that you are a member of, by name, each in a list."""
        any_of_them = Workspace(subscription_id, resource_group or "", os.environ.get(WORKSPACE) or "any", auth=auth)
        rows = any_of_them._client.workspaces()
        return {
            row["slug"]: [Workspace(subscription_id, resource_group or "", row["slug"], auth=any_of_them._auth)]
            for row in rows
        }

    @staticmethod
    def setup() -> Workspace:
        """As `from_config`."""
        return Workspace.from_config()

    @property
    def name(self) -> str:
        return self._name

    @property
    def url(self) -> str:
        """The address of its studio."""
        return self._client.server

    def get_details(self) -> dict[str, Any]:
        """What there is to be said of it, in azureml's words. Raises WorkspaceException."""
        try:
            row = self._client.get("/")
        except NotFound as error:
            raise WorkspaceException(
                f"There is no workspace “{self._name}” at {self.url}, or you are no member of it.", error
            ) from None
        return {
            "id": f"{self.url}/w/{self._name}/",
            "name": self._name,
            "friendlyName": row["name"],
            "location": self.location,
            "resourceGroup": self.resource_group,
            "subscriptionId": self.subscription_id,
            "type": "studio/workspaces",
            "sku": self.sku,
            "tags": dict(self.tags),
            "creationTime": row["created_at"],
            "role": row["role"],
            "permissions": row["permissions"],
        }

    def write_config(self, path: str | os.PathLike[str] | None = None, file_name: str | None = None) -> None:
        """Write `.azureml/config.json` below `path`, for `from_config`. The token is not written."""
        folder = os.path.join(os.fspath(path or "."), ".azureml")
        os.makedirs(folder, exist_ok=True)
        said = {"url": self.url, "workspace": self._name}
        kept = {"subscription_id": self.subscription_id, "resource_group": self.resource_group}
        with open(os.path.join(folder, file_name or _FILE), "w", encoding="utf-8") as file:
            json.dump({**said, **{key: value for key, value in kept.items() if value}}, file, indent=4)
            file.write("\n")

    def get_default_datastore(self) -> Datastore:
        from studio_sdk.core.datastore import Datastore

        return Datastore.get_default(self)

    def set_default_datastore(self, name: str) -> None:
        from studio_sdk.core.datastore import Datastore

        Datastore.get(self, name).set_as_default()

    @property
    def datastores(self) -> dict[str, Datastore]:
        """By name, as they are now."""
        from studio_sdk.core.datastore import Datastore

        return {row["name"]: Datastore._of(self, row) for row in self._client.all_of("/datastores/")}

    @property
    def datasets(self) -> dict[str, AbstractDataset]:
        """The latest version of each, by name, as they are now."""
        from studio_sdk.data.abstract_dataset import AbstractDataset

        return AbstractDataset.get_all(self)

    @property
    def compute_targets(self) -> dict[str, ComputeTarget]:
        """The workspace's own and the shared ones, by name, as they are now."""
        from studio_sdk.core.compute import ComputeTarget

        return {target.name: target for target in ComputeTarget.list(self)}

    def get_default_compute_target(self, type: str = "CPU") -> ComputeTarget | None:  # noqa: A002 (azureml's name)
        """The target `local` of the studio, or the first one there is; for GPUs, the first with a node that has one."""
        targets = self.compute_targets
        if type.upper() == "GPU":
            return next((each for each in targets.values() if each._has_gpus()), None)
        return targets.get("local") or next(iter(targets.values()), None)

    @property
    def environments(self) -> dict[str, Environment]:
        """The latest version of each, by name, as they are now."""
        from studio_sdk.core.environment import Environment

        return Environment.list(self)

    @property
    def experiments(self) -> dict[str, Experiment]:
        """By name, as they are now."""
        from studio_sdk.core.experiment import Experiment

        return {each.name: each for each in Experiment.list(self)}

    @property
    def models(self) -> dict[str, Model]:
        """The latest version of each, by name, as they are now."""
        from studio_sdk.core.model import Model

        return {each.name: each for each in Model.list(self, latest=True)}

    def get_run(self, run_id: str) -> Run:
        from studio_sdk.core.run import Run

        return Run.get(self, run_id)

    def get_default_keyvault(self) -> Keyvault:
        from studio_sdk.core.keyvault import Keyvault

        return Keyvault(self)

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> str:
        raise NotSupportedException(
            "Inside a step MLFLOW_TRACKING_URI is set where the studio serves MLflow's clients."
        )

    def update(self, friendly_name: str | None = None, **more: Any) -> dict[str, Any]:
        """Rename it for people; its name in addresses stays."""
        if more:
            raise NotSupportedException(f"A workspace has no {', '.join(more)}: only its friendly_name can be changed.")
        if friendly_name is not None:
            self._client.patch("/", {"name": friendly_name})
        return self.get_details()

    def delete(self, delete_dependent_resources: bool = False, no_wait: bool = False) -> None:
        raise NotSupportedException("A workspace can't be deleted by a program: an administrator does it at /admin/.")

    def __repr__(self) -> str:
        return f"Workspace.create(name='{self._name}', url='{self.url}')"


def _config_file(path: str | os.PathLike[str] | None, name: str) -> str | None:
    start = os.path.abspath(os.fspath(path)) if path is not None else os.getcwd()
    if os.path.isfile(start):
        return start
    if not os.path.isdir(start):
        return None
    for folder in _and_above(start):
        for below in _FOLDERS:
            place = os.path.join(folder, below, name)
            if os.path.isfile(place):
                return place
    return None


def user_config() -> str:
    """Where `studio login` keeps what it was told: below XDG_CONFIG_HOME, else ~/.config."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(folder, "pipeline-studio", _FILE)


def _of_user(server: str) -> dict[str, str]:
    """What it kept, for the studio `server` where one is named: a token goes to the studio that it is of alone."""
    place = user_config()
    said = _read_config(place) if os.path.isfile(place) else {}
    if server and server.rstrip("/") != said.get("url", "").rstrip("/"):
        return {}
    return said


def _and_above(folder: str) -> Iterator[str]:
    while True:
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def _read_config(path: str) -> dict[str, str]:
    """Raises ProjectSystemException."""
    try:
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
    except (OSError, ValueError) as error:
        raise ProjectSystemException(f"{path} can't be read: {error}.", error) from None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise ProjectSystemException(f"{path} is to be one JSON object whose values are texts.")
    return said
