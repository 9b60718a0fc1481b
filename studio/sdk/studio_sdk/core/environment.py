"""Environments: a Python version with packages, by name and version.

```python
from studio_sdk.core import Environment

environment = Environment.from_pip_requirements("train", "requirements.txt")
environment.environment_variables = {"OMP_NUM_THREADS": "1"}
environment = environment.register(workspace)
```

Each is built once per machine, and its exact packages are fixed by its first build.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk._client import Client
from studio_sdk.core.conda_dependencies import CondaDependencies
from studio_sdk.core.container_registry import ContainerRegistry
from studio_sdk.exceptions import NotSupportedException, ProjectSystemException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "DockerEnvironment",
    "DockerSection",
    "Environment",
    "EnvironmentReference",
    "PythonEnvironment",
    "PythonSection",
    "SparkSection",
]

# azureml's base images, which have nothing but Python: so they mean no more than the packages beside them.
DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"

_BASE_IMAGES = "mcr.microsoft.com/azureml/"
_UNNAMED = "sdk-"
_SAVED = "azureml_environment.json"
_DOCKER = (
    "Steps run without containers: leave {} out, and name the packages that it has in "
    "environment.python.conda_dependencies, or begin with one of the studio's environments."
)
_CURATED = ("sklearn", "lightgbm", "pytorch")


class PythonSection:
    """The interpreter and its packages. With `user_managed_dependencies`, `interpreter_path` is one that nodes have."""

    def __init__(self) -> None:
        self.interpreter_path = "python"
        self.user_managed_dependencies = False
        self.conda_dependencies: CondaDependencies | None = CondaDependencies()

    @property
    def conda_dependencies_file(self) -> str | None:
        return None

    @conda_dependencies_file.setter
    def conda_dependencies_file(self, value: str) -> None:
        self.conda_dependencies = CondaDependencies(value)


class PythonEnvironment(PythonSection):
    """azureml's older name."""


class DockerSection:
    """There are no containers: azureml's own base images are accepted, all others raise when the environment is used.

    `enabled`, `gpu_support`, `shared_volumes`, `arguments` and `shm_size` are kept and mean nothing.
    """

    def __init__(self) -> None:
        self.enabled = False
        self.base_image: str | None = None
        self.base_dockerfile: str | None = None
        self.base_image_registry = ContainerRegistry()
        self.build_context: Any = None
        self.platform: Any = None
        self.gpu_support = False
        self.shared_volumes = True
        self.arguments: list[str] = []
        self.shm_size: str | None = None


class DockerEnvironment(DockerSection):
    """azureml's older name."""


class SparkSection:
    """Kept and means nothing: no step runs in Spark."""

    def __init__(self) -> None:
        self.repositories: list[str] = []
        self.packages: list[Any] = []
        self.precache_packages = True


class Environment:
    """A name with what is installed. `version` is there once it is registered."""

    def __init__(self, name: str) -> None:
        if not name:
            raise UserErrorException("Give the environment a name.")
        self.name = name
        self.version: str | None = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.inferencing_stack_version: str | None = None
        self.environment_variables: dict[str, str] = {}
        self._row: Mapping[str, Any] | None = None  # as the studio has it

    def register(self, workspace: Workspace) -> Environment:
        """Register it, as a new version of its name unless it is the same as the latest one."""
        return Environment._of(self._saved(workspace))

    @staticmethod
    def get(workspace: Workspace, name: str, version: str | int | None = None, label: str | None = None) -> Environment:
        """The latest version of a name, or the one that `version` says. Raises UserErrorException."""
        if label not in (None, "latest"):
            raise NotSupportedException("There are no labels: give a version, or none for the latest.")
        client = workspace._client
        rows = list(client.all_of("/environments/"))
        row = next((each for each in rows if each["name"] == name), None)
        if row is None:
            raise UserErrorException(_unknown(name, [each["name"] for each in rows]))
        if version is None or str(version) == str(row["version"]):
            return Environment._of(row)
        for each in client.all_of(f"/environments/{row['id']}/versions/"):
            if str(each["version"]) == str(version):
                return Environment._of(each)
        raise UserErrorException(f"The environment “{name}” has no version {version}. Its latest is {row['version']}.")

    @staticmethod
    def list(workspace: Workspace) -> dict[str, Environment]:
        """The latest version of each, by name."""
        return {row["name"]: Environment._of(row) for row in workspace._client.all_of("/environments/")}

    def clone(self, new_name: str) -> Environment:
        """Another name with the same packages; not registered yet."""
        made = copy.deepcopy(self)
        made.name, made.version, made._row = new_name, None, None
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: str | None = None) -> Environment:
        """Of a requirements file. `pip_version` has no meaning: pip installs nothing here."""
        made = Environment(name)
        packages = CondaDependencies()
        for line in _requirements(file_path):
            packages.add_pip_package(line)
        made.python.conda_dependencies = packages
        return made

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """Of a conda file."""
        made = Environment(name)
        made.python.conda_dependencies = CondaDependencies(file_path)
        made.environment_variables = dict(made.python.conda_dependencies._file.variables)
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> Environment | None:
        """Of an environment that this machine's conda has: what `conda env export` says. None where there is none."""
        import subprocess

        try:
            said = subprocess.run(
                ["conda", "env", "export", "--no-builds", "--name", conda_environment_name],
                capture_output=True,
                text=True,
                check=True,
            )
        except FileNotFoundError:
            raise UserErrorException("There is no conda on this machine.") from None
        except subprocess.CalledProcessError:
            print(f"conda has no environment “{conda_environment_name}”.")
            return None
        from studio_sdk.core._conda_yaml import read

        made = Environment(name)
        packages = CondaDependencies()
        packages._file = read(said.stdout, f"what conda says of {conda_environment_name}")
        made.python.conda_dependencies = packages
        return made

    @staticmethod
    def from_docker_image(name: str, image: str, *_more: Any, **_named: Any) -> Environment:
        raise NotSupportedException(_DOCKER.format("the image"))

    @staticmethod
    def from_dockerfile(name: str, dockerfile: str, *_more: Any, **_named: Any) -> Environment:
        raise NotSupportedException(_DOCKER.format("the Dockerfile"))

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: Any) -> Environment:
        raise NotSupportedException(_DOCKER.format("the Dockerfile"))

    @staticmethod
    def add_private_pip_wheel(workspace: Workspace, file_path: str, exist_ok: bool = False) -> str:
        raise NotSupportedException("Put the wheel into the step's source folder, or on a package index of the studio.")

    @staticmethod
    def label(workspace: Workspace, name: str, version: str, labels: Any) -> None:
        raise NotSupportedException("There are no labels: give a version, or none for the latest.")

    def get_image_details(self, workspace: Workspace) -> dict[str, Any]:
        raise NotSupportedException("There are no images: build(workspace) makes it ready on the nodes.")

    def build(self, workspace: Workspace, image_build_compute: Any = None) -> Any:
        """Make it ready ahead of its first step, on each machine of a target (`local`, unless given)."""
        from studio_sdk.core._builds import ask_for_build

        return ask_for_build(self, workspace, image_build_compute)

    def build_local(self, workspace: Workspace, platform: Any = None, **_more: Any) -> Any:
        raise NotSupportedException("Nodes build environments: use build(workspace).")

    def save_to_directory(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write it into a folder, for `load_from_directory`."""
        place = os.path.join(path, _SAVED)
        if os.path.exists(place) and not overwrite:
            raise UserErrorException(f"There is a {place} already: overwrite=True replaces it.")
        os.makedirs(path, exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            json.dump(self._as_json(), file, indent=4, sort_keys=True)
            file.write("\n")

    @staticmethod
    def load_from_directory(path: str | os.PathLike[str]) -> Environment:
        place = os.path.join(path, _SAVED)
        try:
            with open(place, encoding="utf-8") as file:
                return Environment._of_json(json.load(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ProjectSystemException(f"{place} can't be read as an environment: {error}.") from None

    def _spec(self) -> dict[str, Any]:
        """What the studio takes, without a name. Raises NotSupportedException, UserErrorException."""
        self._refuse_docker()
        variables = {str(key): str(value) for key, value in self.environment_variables.items()}
        if self.python.user_managed_dependencies:
            return {"interpreter": self.python.interpreter_path, "variables": variables}
        packages = self.python.conda_dependencies or CondaDependencies()
        file = packages._file
        pip = [each for each in file.pip if not _is_own(each)]
        return {
            **({"python_version": file.python} if file.python else {}),
            "pip": pip,
            "conda": list(file.conda),
            "channels": list(file.channels) if file.conda else [],
            "variables": {**file.variables, **variables},
        }

    def _saved(self, workspace: Workspace) -> dict[str, Any]:
        """Its row in the studio: registered where it is not there as it stands, or is none of the studio's own."""
        client: Client = workspace._client
        if self._row is not None and self._is_as_registered():
            return dict(self._row)
        dropped = [
            each for each in (self.python.conda_dependencies or CondaDependencies()).pip_packages if _is_own(each)
        ]
        if dropped:
            print(
                f"Left out of the environment “{self.name}”: {', '.join(dropped)}. A step finds studio_sdk by itself."
            )
        saved: dict[str, Any] = client.post("/environments/", {"name": self.name, **self._spec()})
        return saved

    def _is_as_registered(self) -> bool:
        assert self._row is not None
        return self.name == self._row["name"] and self._spec() == Environment._of(self._row)._spec()

    def _refuse_docker(self) -> None:
        image = self.docker.base_image
        if image and not image.startswith(_BASE_IMAGES):
            raise NotSupportedException(_DOCKER.format(f"the image {image}"))
        if self.docker.base_dockerfile or self.docker.build_context:
            raise NotSupportedException(_DOCKER.format("the Dockerfile"))

    @staticmethod
    def _of(row: Mapping[str, Any]) -> Environment:
        made = Environment(row["name"])
        made.version = str(row["version"])
        if row["interpreter"]:
            made.python.user_managed_dependencies = True
            made.python.interpreter_path = row["interpreter"]
        packages = CondaDependencies()
        file = packages._file
        file.python, file.conda, file.pip = row["python_version"], list(row["conda"]), list(row["pip"])
        file.channels = list(row["channels"])
        made.python.conda_dependencies = packages
        made.environment_variables = dict(row["variables"])
        made._row = row
        return made

    @staticmethod
    def _unnamed(spec_of: Environment) -> Environment:
        """The same under a name that is made of what it says, for one that nobody named."""
        said = json.dumps(spec_of._spec(), sort_keys=True)
        return spec_of.clone(f"{_UNNAMED}{hashlib.sha256(said.encode()).hexdigest()[:12]}")

    def _as_json(self) -> dict[str, Any]:
        packages = self.python.conda_dependencies or CondaDependencies()
        return {
            "name": self.name,
            "version": self.version,
            "environmentVariables": dict(self.environment_variables),
            "python": {
                "interpreterPath": self.python.interpreter_path,
                "userManagedDependencies": self.python.user_managed_dependencies,
                "condaDependencies": packages.as_dict(),
            },
        }

    @staticmethod
    def _of_json(said: Mapping[str, Any]) -> Environment:
        made = Environment(said["name"])
        made.environment_variables = dict(said["environmentVariables"])
        python = said["python"]
        made.python.interpreter_path = python["interpreterPath"]
        made.python.user_managed_dependencies = python["userManagedDependencies"]
        made.python.conda_dependencies = CondaDependencies(_underlying_structure=python["condaDependencies"])
        return made

    def __repr__(self) -> str:
        return json.dumps(self._as_json(), indent=4)


class EnvironmentReference:
    """A registered environment by name and version."""

    def __init__(self, name: str, version: str | None = None) -> None:
        self.name = name
        self.version = version

    def get_environment(self, workspace: Workspace) -> Environment:
        return Environment.get(workspace, self.name, self.version)


def _requirements(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        lines = [line.split(" #")[0].strip() for line in file]
    return [line for line in lines if line and not line.startswith("#")]


def _is_own(package: str) -> bool:
    name = package.strip().lower().replace("_", "-")
    return name.startswith("azureml-") or name.split("=")[0].split("[")[0].split("~")[0].strip() == "azureml"


def _unknown(name: str, there: list[str]) -> str:
    near = next((each for each in _CURATED if each in name.lower()), None)
    hint = next((each for each in there if near and each.startswith(near)), None)
    said = f"There is no environment “{name}”."
    if hint:
        said += f" The studio's own for this is “{hint}”."
    return f"{said} There are: {', '.join(there) or 'none'}."
