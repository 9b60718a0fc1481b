"""Modules: steps that are published once, with versions and ports, for many pipelines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from studio_sdk._client import Conflict
from studio_sdk.core.runconfig import RunConfiguration
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making
from studio_sdk.pipeline.core._script_step import fill_runconfig
from studio_sdk.pipeline.core._sending import Sender
from studio_sdk.pipeline.core._texts import argument, plain_text
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.graph import (
    InputPortBinding,
    InputPortDef,
    OutputPortBinding,
    OutputPortDef,
    ParamDef,
    PipelineParameter,
)

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = ["Module", "ModuleVersion", "ModuleVersionDescriptor"]

_STEP = "step"
_TRIES = 5


class ModuleVersionDescriptor:
    """A version of a module by its number."""

    def __init__(self, version: str, module_version_id: str) -> None:
        self.version = version
        self.module_version_id = module_version_id

    def __repr__(self) -> str:
        return f"ModuleVersionDescriptor(version={self.version})"


class ModuleVersion:
    """One version of a module. `ModuleStep(module_version=…)` runs it.

    ```python
    ModuleVersion.get(workspace, "4:2").version  # "2"
    ```
    """

    def __init__(self, workspace: Workspace, module_id: int, module_name: str, row: Mapping[str, Any]) -> None:
        self._workspace = workspace
        self._module_id = module_id
        self._module_name = module_name
        self._row = dict(row)

    @staticmethod
    def get(workspace: Workspace, module_version_id: str) -> ModuleVersion:
        """By the id that a version has, as in `4:2`: the module's number and its own."""
        module_id, _, number = str(module_version_id).partition(":")
        if not module_id.isdecimal() or not number.isdecimal():
            raise UserErrorException(f"“{module_version_id}” is no id of a version, as in 4:2.")
        row = workspace._client.get(f"/modules/{module_id}/")
        return ModuleVersion(
            workspace, int(module_id), row["name"], workspace._client.get(f"/modules/{module_id}/versions/{number}/")
        )

    @property
    def version(self) -> str:
        return str(self._row["number"])

    @property
    def module_id(self) -> str:
        return str(self._module_id)

    @property
    def module_version_id(self) -> str:
        return f"{self._module_id}:{self.version}"

    @property
    def description(self) -> str:
        return str(self._row["note"])

    @property
    def status(self) -> str:
        """`Active`, or `Disabled`."""
        return "Disabled" if self._row["disabled"] else "Active"

    @property
    def interface(self) -> dict[str, Any]:
        """Its ports: `inputs`, `outputs` and `parameters`, each with its name."""
        definition = self._definition()
        return {name: definition[name] for name in ("inputs", "outputs", "parameters")}

    def module(self) -> Module:
        return Module.get(self._workspace, module_id=self.module_id)

    def enable(self) -> None:
        self._change({"disabled": False})

    def disable(self) -> None:
        """Let no further pipeline take it. Those that have it go on."""
        self._change({"disabled": True})

    def deprecate(self) -> NoReturn:
        """Raises NotSupportedException: a version is enabled or disabled."""
        refuse("Deprecating a module's version", "disable()")

    def set_description(self, description: str) -> NoReturn:
        """Raises NotSupportedException: what is said of a version is said when it is published."""
        refuse("Changing what is said of a module's version", "the description of publish_python_script")

    def _definition(self) -> dict[str, Any]:
        if "definition" not in self._row:
            self._row = self._workspace._client.get(f"/modules/{self._module_id}/versions/{self.version}/")
        definition: dict[str, Any] = self._row["definition"]
        return definition

    def _change(self, changes: Mapping[str, Any]) -> None:
        path = f"/modules/{self._module_id}/versions/{self.version}/"
        self._row = {**self._row, **self._workspace._client.patch(path, changes)}

    def __repr__(self) -> str:
        return f"ModuleVersion(module={self._module_name}, version={self.version})"


class Module:
    """A step for many pipelines. In the studio it is there from its first version on.

    ```python
    module = Module.create(workspace, "fit", "Fits a line.")
    table, model = InputPortDef("table"), OutputPortDef("model")
    module.publish_python_script(
        "fit.py", "first", inputs=[table], outputs=[model], params={"rate": 0.1}, source_directory="src/fit",
        arguments=["--table", table, "--rate", ParamDef("rate"), "--model", model],
    )
    ```
    """

    def __init__(self, workspace: Workspace, name: str, description: str, row: Mapping[str, Any] | None) -> None:
        self._workspace = workspace
        self._name = name
        self._description = description
        self._row = None if row is None else dict(row)

    @staticmethod
    def create(workspace: Workspace, name: str, description: str) -> Module:
        """A module of a name that is free. Nothing is kept before a version is published."""
        if Module._find(workspace, name) is not None:
            raise UserErrorException(f"There is a module “{name}” already: Module.get gives it.")
        return Module(workspace, name, description, None)

    @staticmethod
    def get(workspace: Workspace, module_id: str | None = None, name: str | None = None) -> Module:
        """By its id or its name. Raises UserErrorException where there is none."""
        if (module_id is None) == (name is None):
            raise UserErrorException("Give the module's id, or its name.")
        row = workspace._client.get(f"/modules/{module_id}/") if name is None else Module._find(workspace, name)
        if row is None:
            there = ", ".join(each["name"] for each in workspace._client.all_of("/modules/"))
            raise UserErrorException(f"There is no module “{name}”. There are: {there or 'none'}.")
        return Module(workspace, row["name"], row["description"], row)

    @staticmethod
    def get_versions(workspace: Workspace, name: str) -> list[ModuleVersionDescriptor]:
        return Module.get(workspace, name=name).module_version_list()

    @property
    def id(self) -> str:
        return str(self._there()["id"])

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    def status(self) -> str:
        """`Active` in any case: a version is what can be disabled."""
        return "Active"

    @property
    def default_version(self) -> str | None:
        """The one that a step without a version runs; None where every version is disabled."""
        found = self.get_default()
        return found.version if found else None

    def get_default_version(self) -> str | None:
        return self.default_version

    def get_default(self) -> ModuleVersion | None:
        try:
            return self.resolve()
        except UserErrorException:
            return None

    def set_default_version(self, version_id: str) -> None:
        """Let steps without a version run this one from now on."""
        path = f"/modules/{self.id}/"
        self._row = self._workspace._client.patch(path, {"default_version": int(version_id)})

    def module_version_list(self) -> list[ModuleVersionDescriptor]:
        """The newest first."""
        rows = self._workspace._client.all_of(f"/modules/{self.id}/versions/")
        return [ModuleVersionDescriptor(str(row["number"]), f"{self.id}:{row['number']}") for row in rows]

    def resolve(self, version: str | None = None) -> ModuleVersion:
        """A version: the default one unless it is named. Raises UserErrorException where there is none."""
        client = self._workspace._client
        if version is None:
            interface = client.get("/modules/interface/", name=self._name)
            version = interface["version"]
        row = client.get(f"/modules/{self.id}/versions/{int(version)}/")
        return ModuleVersion(self._workspace, int(self.id), self._name, row)

    def set_description(self, description: str) -> None:
        self._row = self._workspace._client.patch(f"/modules/{self.id}/", {"description": description})
        self._description = description

    def set_name(self, name: str) -> NoReturn:
        """Raises NotSupportedException: pipelines name a module."""
        refuse("Renaming a module", "Module.create with the other name")

    def enable(self) -> None:
        """Enable every version of it."""
        for version in self._versions():
            version.enable()

    def disable(self) -> None:
        """Let no further pipeline take any version of it."""
        for version in self._versions():
            version.disable()

    def deprecate(self) -> NoReturn:
        """Raises NotSupportedException: versions are enabled or disabled."""
        refuse("Deprecating a module", "disable()")

    def publish(self, *arguments: Any, **more: Any) -> NoReturn:
        """Raises NotSupportedException: that is azureml's for all kinds of steps."""
        refuse("Module.publish", "publish_python_script")

    def publish_adla_script(self, *arguments: Any, **more: Any) -> NoReturn:
        """Raises NotSupportedException."""
        refuse("publish_adla_script", "publish_python_script")

    def publish_azure_batch(self, *arguments: Any, **more: Any) -> NoReturn:
        """Raises NotSupportedException."""
        refuse("publish_azure_batch", "publish_python_script")

    def publish_python_script(
        self,
        script_name: str,
        description: str,
        inputs: Iterable[Any],
        outputs: Iterable[Any],
        params: Mapping[str, Any] | Sequence[ParamDef] | None = None,
        create_sequencing_ports: bool = True,
        version: str | None = None,
        is_default: bool = False,
        source_directory: Any = None,
        hash_paths: Iterable[str] | None = None,
        category: str | None = None,
        arguments: Iterable[Any] | None = None,
        runconfig: RunConfiguration | None = None,
    ) -> ModuleVersion:
        """Publish a script as the next version.

        Among `arguments` an input or an output stands for its path, a `ParamDef` or `PipelineParameter` for a value.
        Versions are numbered by the studio: `version` is refused where it is another number than the next one.
        Ports may change, and are not the same as those of the version before.
        """
        if category is not None:
            refuse("category of a module", "its description")
        step: dict[str, Any] = {"name": _STEP, "kind": "python_script"}
        step["entry"] = os.path.normpath(script_name).replace(os.sep, "/")
        ins = [_as_input(each) for each in inputs]
        outs = [_as_output(each) for each in outputs]
        parameters = _parameters(params)
        step["inputs"] = [_step_input(each) for each in ins]
        step["outputs"] = [_step_output(each) for each in outs]
        words = [_argument(value, parameters) for value in arguments or []]
        if words:
            step["arguments"] = " ".join(words)
        if hash_paths:
            step["hash_paths"] = [str(path) for path in hash_paths]
        making = Making()
        making.folder(step, source_directory if source_directory is not None else ".", step["entry"])
        fill_runconfig(making, step, runconfig)
        making.steps.append(step)
        Sender(self._workspace).prepare(making, self._name)
        definition = {
            "step": step,
            "inputs": [{"name": each.name, "optional": each.is_optional} for each in ins],
            "outputs": [_port_of(each) for each in outs],
            "parameters": list(parameters.values()),
        }
        return self._publish(definition, note=description, version=version, is_default=is_default)

    def _publish(
        self, definition: Mapping[str, Any], *, note: str, version: str | None, is_default: bool
    ) -> ModuleVersion:
        client = self._workspace._client
        for _attempt in range(_TRIES):
            row = Module._find(self._workspace, self._name)
            latest = row["latest_version"] if row else 0
            if version is not None and str(version) != str(latest + 1):
                raise UserErrorException(
                    f"The next version of “{self._name}” is {latest + 1}, and not {version}: leave version out."
                )
            body = {
                "name": self._name,
                "definition": definition,
                "base_version": latest,
                "description": self._description,
                "note": note,
                "accept_breaking": True,
            }
            try:
                made = client.post("/modules/", body)
            except Conflict:
                continue  # somebody published meanwhile: ours comes behind
            self._row = made
            found = self.resolve(str(made["number"]))
            if is_default:
                self.set_default_version(found.version)
            return found
        raise UserErrorException(f"Others keep on publishing the module “{self._name}”. Publish again.")

    def _versions(self) -> list[ModuleVersion]:
        rows = self._workspace._client.all_of(f"/modules/{self.id}/versions/")
        return [ModuleVersion(self._workspace, int(self.id), self._name, row) for row in rows]

    def _there(self) -> dict[str, Any]:
        if self._row is None:
            raise UserErrorException(f"The module “{self._name}” has no version yet: publish_python_script makes one.")
        return self._row

    @staticmethod
    def _find(workspace: Workspace, name: str) -> dict[str, Any] | None:
        rows = workspace._client.all_of("/modules/", q=name)
        return next((row for row in rows if row["name"] == name), None)

    def __repr__(self) -> str:
        return f"Module(name={self._name})"


def _as_input(port: Any) -> InputPortDef:
    if isinstance(port, InputPortDef):
        return port
    if isinstance(port, InputPortBinding):
        return InputPortDef(port.name, default_datastore_mode=port._mode)
    raise UserErrorException(f"A {type(port).__name__} is no input of a module: use InputPortDef.")


def _as_output(port: Any) -> OutputPortDef:
    if isinstance(port, OutputPortDef):
        return port
    if isinstance(port, OutputPortBinding):
        return OutputPortDef(port.output_name, default_datastore_mode=port._mode, is_directory=port.is_directory)
    raise UserErrorException(f"A {type(port).__name__} is no output of a module: use OutputPortDef.")


def _step_input(port: InputPortDef) -> dict[str, Any]:
    mode = {} if port.default_datastore_mode is None else {"mode": port.default_datastore_mode}
    return {"name": port.name, "optional": port.is_optional, **mode}


def _step_output(port: OutputPortDef) -> dict[str, Any]:
    mode = {} if port.default_datastore_mode is None else {"mode": port.default_datastore_mode}
    return {**_port_of(port), **mode}


def _port_of(port: OutputPortDef) -> dict[str, Any]:
    return {"name": port.name, "file": port.name} if port.is_directory is False else {"name": port.name}


def _parameters(params: Any) -> dict[str, dict[str, Any]]:
    listed = [ParamDef(name, value) for name, value in params.items()] if isinstance(params, Mapping) else params or []
    making = Making()
    optional = {}
    for each in listed:
        given = each.default_value if isinstance(each.default_value, PipelineParameter) else None
        making.parameter(PipelineParameter(each.name, given.default_value if given else each.default_value))
        if each.is_optional:
            optional[each.name] = True
    return {
        name: {**row, **({"optional": True} if name in optional else {})} for name, row in making.parameters.items()
    }


def _argument(value: Any, parameters: dict[str, dict[str, Any]]) -> str:
    if isinstance(value, (InputPortDef, InputPortBinding, OutputPortDef, OutputPortBinding)):
        return str(value)
    if isinstance(value, (ParamDef, PipelineParameter)):
        if value.name not in parameters:
            raise UserErrorException(f"“{value.name}” stands among the arguments and is none of the module's params.")
        return f"${{{{parameters.{value.name}}}}}"
    text = plain_text(value)
    if text is None:
        raise UserErrorException(f"A {type(value).__name__} can't be an argument of a module.")
    return argument(text)
