"""Inputs and outputs: as a pipeline or a component declares them, and as a job gives them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.data_values import read_dataset
from pipelines.yaml.azure.building import (
    DATA_TYPES,
    MODEL_TYPES,
    VALUE_TYPES,
    Building,
    literal,
    parameter_path,
    parameter_said,
)
from pipelines.yaml.azure.fields import Fields
from pipelines.yaml.azure.reading import Reading, read_asset
from pipelines.yaml.azure.texts import EXPRESSION, Given, Path, Said, whole_expression
from pipelines.yaml.located import Located, Spot

_INPUT_MODES = {
    "": "",
    "ro_mount": "mount",
    "mount": "mount",
    "download": "download",
    "direct": "direct",
    "eval_mount": "mount",
    "eval_download": "download",
}
_OUTPUT_MODES = {"": "", "upload": "upload", "rw_mount": "mount", "mount": "mount"}
_BRANDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


@dataclass(frozen=True, slots=True)
class Port:
    """An input as it is declared."""

    name: str
    spot: Spot
    type: str = ""  # as in the file; empty for one that only a value stands for
    mode: str = ""
    default: Any = None
    optional: bool = False
    path: Located | None = None
    more: dict[str, Any] = field(default_factory=dict)  # of a parameter: choices, bounds, description

    @property
    def is_data(self) -> bool:
        return self.type in DATA_TYPES or self.type in MODEL_TYPES

    @property
    def parameter_type(self) -> str:
        if self.more.get("choices"):
            return "enum"
        return self.type if self.type in VALUE_TYPES else "string"


def ports_of(reading: Reading, fields: Fields, name: str = "inputs") -> dict[str, Port]:
    return {key: _port(reading, key, spot, located) for key, spot, located in fields.objects(name)}


def _port(reading: Reading, name: str, spot: Spot, located: Located) -> Port:
    if not isinstance(located.value, dict):
        if isinstance(located.value, list):
            reading.say(spot, f"“{name}” must be a value, or an object with its type.")
        value = None if isinstance(located.value, list) else located.value
        return Port(name, spot, default=value)
    fields = reading.fields(located)
    type_ = fields.text("type").strip().lower()
    type_ = _BRANDS.get(type_, type_)
    path = fields.take("path")
    if not type_:
        type_ = "uri_folder" if path is not None or "mode" in fields else "string"
    elif type_ not in (*DATA_TYPES, *MODEL_TYPES, *VALUE_TYPES):
        known = ", ".join((*DATA_TYPES[:-1], *MODEL_TYPES, *VALUE_TYPES[:-1]))
        fields.problem("type", f"“{type_}” is none of these types: {known}.")
        type_ = "string"
    default = fields.scalar("default")
    value = fields.scalar("value")
    choices = fields.take("enum")
    more: dict[str, Any] = {"description": fields.text("description") or None}
    more |= {"minimum": fields.number("min"), "maximum": fields.number("max")}
    if choices is not None:
        if isinstance(choices.value, list):
            more["choices"] = [str(each.plain()) for each in choices.value]
        else:
            fields.problem("enum", "“enum” must be a list.")
    optional = bool(fields.flag("optional"))
    mode = _mode(fields, _INPUT_MODES)
    fields.pass_over("properties", "is_control")
    fields.done()
    default = value if value is not None else default
    if more.get("choices") and default is not None:
        default = str(default)
    if type_ == "number" and isinstance(default, str):
        fields.problem("default", "This must be a number.")
        default = None
    return Port(name, spot, type_, mode, default, optional, path, more)


def _mode(fields: Fields, known: Mapping[str, str]) -> str:
    said = fields.text("mode").strip().lower()
    if said in known:
        return known[said]
    fields.problem(
        "mode", f"The mode “{said}” can't be had here. Choose one of these: {', '.join(filter(None, known))}."
    )
    return ""


def declare(building: Building, ports: Mapping[str, Port], fed: Mapping[str, str] | None = None) -> None:
    """Make the inputs of a pipeline its parameters. `fed` has, of those of data, the type of what feeds each."""
    for port in ports.values():
        building.given[port.name] = _declared(building, port, fed or {})


def _declared(building: Building, port: Port, fed: Mapping[str, str]) -> Given | None:
    if port.is_data:
        return _declared_data(building, port, fed)
    if port.type == "" and isinstance(port.default, str) and EXPRESSION.search(port.default):
        building.reading.say(port.spot, "An input of a pipeline is a value: no expression can stand here.")
        return literal(port.default)
    value = port.default
    if port.type == "":
        if value is None:
            building.reading.say(port.spot, f"“{port.name}” has neither a value nor a type. Give it one.")
            return None
        return building.said(port.name, value, port.spot)
    if port.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if float(value) == value else value
    optional = True if port.optional else None
    name = building.parameter(
        port.name, port.spot, type=port.parameter_type, default=value, optional=optional, **port.more
    )
    return parameter_said(name, port.parameter_type, may_be_absent=port.optional and value is None)


def _declared_data(building: Building, port: Port, fed: Mapping[str, str]) -> Given | None:
    optional = True if port.optional else None
    words = {"description": port.more.get("description")}
    if port.path is None:
        type_ = fed.get(port.name) or "data_path"
        name = building.parameter(port.name, port.spot, type=type_, optional=optional, **words)
        return parameter_path(name, type_, port.mode, may_be_absent=port.optional)
    said = str(port.path.value)
    if port.type in MODEL_TYPES and (asset := read_asset(said)):
        return Path(_model(building.reading, asset.name, asset.version, port.path.spot), "data_path", port.mode)
    found = building.reading.path(said, port.path.spot)
    if found is None:
        return Path({"kind": "dataset", "dataset": port.name}, "dataset")
    type_, value = found
    name = building.parameter(port.name, port.spot, type=type_, default=value, optional=optional, **words)
    return parameter_path(name, type_, port.mode)


def _model(reading: Reading, name: str, version: str | None, spot: Spot) -> dict[str, Any]:
    if version is not None and not version.isdecimal():
        reading.say(spot, f"Versions of models are numbers here, and “{version}” is none.")
        version = None
    return {"kind": "model", "model": name, "version": int(version) if version else None}


def given_by(
    building: Building, job: str, fields: Fields, ports: Mapping[str, Port] | None
) -> tuple[dict[str, Given | None], dict[str, Spot]]:
    """What a job gives to the inputs of its component, and where it says so. Without `ports` it has just these."""
    given: dict[str, Given | None] = {}
    spots: dict[str, Spot] = {}
    for name, spot, located in fields.objects("inputs"):
        port = ports.get(name) if ports is not None else None
        if ports is not None and port is None:
            names = ", ".join(sorted(ports)) or "none"
            building.reading.say(spot, f"The component has no input “{name}”. Its inputs are: {names}.")
            continue
        given[name], spots[name] = _given(building, f"{job}_{name}", spot, located, port), spot
    for port in (ports or {}).values():
        if given.get(port.name) is not None:
            continue
        spots[port.name] = fields.spot_of("inputs")
        if port.default is not None:
            given[port.name] = literal(port.default)
        elif port.optional:
            given[port.name] = None
        else:
            building.reading.say(spots[port.name], f"The component wants a value for its input “{port.name}”.")
            given[port.name] = literal("")
    return given, spots


def _given(building: Building, wanted: str, spot: Spot, located: Located, port: Port | None) -> Given | None:
    reading = building.reading
    if isinstance(located.value, dict):
        declared = _port(reading, wanted, spot, located)
        if declared.is_data and declared.path is not None:
            inside = whole_expression(str(declared.path.value))
            if inside is not None:
                found = _meant(building, inside, declared.path.spot)
                is_path = isinstance(found, Path)
                return Path(found.binding, found.type, declared.mode or found.mode, found.behind) if is_path else found  # type: ignore[union-attr]
            mode = declared.mode or (port.mode if port is not None else "")
            return _data(building, wanted, declared.path, mode=mode, type_=declared.type)
        if declared.default is not None:
            return _text(building, declared.default, spot)
        reading.say(spot, "This has neither a path nor a value.")
        return literal("")
    if located.value is None:
        return None
    if isinstance(located.value, list):
        reading.say(spot, "An input is a single value, or an object with its type and path.")
        return literal("")
    if port is not None and port.is_data and isinstance(located.value, str) and not EXPRESSION.search(located.value):
        return _data(building, wanted, located, mode=port.mode, type_=port.type)
    found = _text(building, located.value, located.spot)
    if isinstance(found, Path) and port is not None and port.mode and not found.mode:
        return Path(found.binding, found.type, port.mode, found.behind, found.may_be_absent)
    return found


def _data(building: Building, wanted: str, path: Located, *, mode: str, type_: str) -> Given | None:
    """Of a job: a dataset or a model is bound as it is; a path becomes a parameter, which can be another one."""
    said, spot = str(path.value), path.spot
    asset = read_asset(said)
    if type_ in MODEL_TYPES and asset is not None:
        return Path(_model(building.reading, asset.name, asset.version, spot), "data_path", mode)
    found = building.reading.path(said, spot)
    if found is None:
        return Path({"kind": "dataset", "dataset": wanted}, "dataset", mode)
    kind, value = found
    if kind == "dataset":
        binding = read_dataset(value)
        return Path({"kind": "dataset", "dataset": binding.dataset, "version": binding.version}, "dataset", mode)
    return parameter_path(building.parameter(wanted, spot, type=kind, default=value), kind, mode)


def _text(building: Building, value: Any, spot: Spot) -> Given | None:
    if not isinstance(value, str):
        return literal(value)
    inside = whole_expression(value)
    if inside is not None:
        return _meant(building, inside, spot)
    if not EXPRESSION.search(value):
        return literal(value)

    def replaced(match: Any) -> str:
        found = _meant(building, match["inside"], spot)
        if isinstance(found, Said):
            return found.text
        building.reading.say(spot, f"“{match[0]}” is data, and can't be a part of a text. Give it an input of its own.")
        return ""

    text = EXPRESSION.sub(replaced, value)
    return Said(text, text)


def _meant(building: Building, inside: str, spot: Spot) -> Given | None:
    """What `parent.…` stands for."""
    parts = inside.split(".")
    if parts[:2] == ["parent", "inputs"] and len(parts) in {3, 4} and parts[3:] in ([], ["path"]):
        if parts[2] in building.given:
            return building.given[parts[2]]
        names = ", ".join(sorted(building.given)) or "none"
        building.reading.say(spot, f"The pipeline has no input “{parts[2]}”. Its inputs are: {names}.")
        return literal("")
    if parts[:2] == ["parent", "jobs"] and len(parts) in {5, 6} and parts[3] == "outputs":
        binding = {"kind": "output", "step": parts[2], "output": parts[4]}
        return Path(binding, "data_path", "", building.behind.get((parts[2], parts[4]), ""))
    sentence = f"“${{{{{inside}}}}}” means nothing here. Write ${{{{parent.inputs.NAME}}}}"
    building.reading.say(spot, f"{sentence} or ${{{{parent.jobs.JOB.outputs.NAME}}}}.")
    return literal("")


def input_rows(given: Mapping[str, Given | None]) -> list[dict[str, Any]]:
    """Of a step: those that are data."""
    rows = []
    for name, each in given.items():
        if isinstance(each, Path):
            row: dict[str, Any] = {"name": name, "binding": each.binding}
            row |= {"mode": each.mode} if each.mode else {}
            row |= {"optional": True} if each.may_be_absent else {}
            rows.append(row)
    return rows


def passed_rows(given: Mapping[str, Given | None]) -> list[dict[str, Any]]:
    """Of a step that runs something with parameters: those that are values."""
    # A text becomes what the parameter is: true and false would be numbers otherwise.
    said = ((name, each) for name, each in given.items() if isinstance(each, Said))
    return [{"name": name, "value": each.text if isinstance(each.value, bool) else each.value} for name, each in said]


def output_of(reading: Reading, name: str, located: Located, datastore: str | None) -> dict[str, Any]:
    """What is said of an output, as one of ours."""
    output: dict[str, Any] = {"name": name}
    if datastore is not None:
        output["datastore"] = datastore
    if located.value is None:
        return output
    fields = reading.fields(located)
    type_ = fields.text("type").strip().lower()
    if type_ and type_ not in (*DATA_TYPES, *MODEL_TYPES):
        fields.problem("type", f"“{type_}” is no type of an output. Write uri_folder or uri_file.")
    if type_ == "uri_file":
        output["file"] = name
    mode = _mode(fields, _OUTPUT_MODES)
    if mode:
        output["mode"] = mode
    path = fields.text("path")
    if path:
        output |= _destination(reading, path, fields.spot_of("path"), output)
    dataset = fields.text("name")
    if dataset:
        registration: dict[str, Any] = {"dataset": dataset}
        registration |= {"description": fields.text("description")} if "description" in fields else {}
        output["register_as"] = registration
    fields.text("description")
    reading.pass_over(fields, "version", "early_available", "is_control", "tags", "properties")
    fields.pass_over("optional")
    fields.done()
    return output


def _destination(reading: Reading, path: str, spot: Spot, output: dict[str, Any]) -> dict[str, Any]:
    """`azureml://datastores/${{default_datastore}}/paths/${{name}}/…`."""
    marks = {"name": "{run-id}", "output_name": "{output-name}", "default_datastore": "DEFAULT"}

    def replaced(match: Any) -> str:
        if match["inside"] in marks:
            return marks[match["inside"]]
        reading.say(spot, f"“{match[0]}” means nothing in a path. There are ${{{{name}}}} and ${{{{output_name}}}}.")
        return ""

    text = EXPRESSION.sub(replaced, path).strip()
    head, _, rest = text.removeprefix("azureml://datastores/").partition("/")
    if not text.startswith("azureml://datastores/") or not rest.startswith("paths/"):
        reading.say(spot, "Write where it goes as azureml://datastores/NAME/paths/PATH.")
        return {}
    below = rest.removeprefix("paths/").strip("/")
    below = below or "{run-id}/{output-name}"
    found: dict[str, Any] = {"path": below}
    if output.get("file") and "." in below.rpartition("/")[2]:
        found["path"], _, found["file"] = below.rpartition("/")
        found["path"] = found["path"] or "{run-id}"
    if head != "DEFAULT":
        found["datastore"] = head
    return found
