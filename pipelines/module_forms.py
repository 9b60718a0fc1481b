"""What the form of a module says of its ports, and tags as lines of text. Pure."""

from collections.abc import Mapping
from typing import Any, cast, get_args

from pipelines.modules.definition import PORT_WORDS, ModuleDefinition, PortType
from pipelines.modules.publishing import InputWords, PortWords


def words_of(posted: Mapping[str, Any]) -> PortWords:
    """Fields are named as in `input-images-type`."""
    inputs: dict[str, InputWords] = {}
    outputs: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for key, value in posted.items():
        what, _, rest = key.partition("-")
        name, _, field = rest.rpartition("-")
        if what == "input" and field == "type":
            inputs[name] = InputWords(
                type=cast("PortType", value) if value in get_args(PortType) else "any",
                optional=bool(posted.get(f"input-{name}-optional")),
                description=_line(posted.get(f"input-{name}-description", "")),
            )
        elif what == "output" and field == "description":
            outputs[name] = _line(value)
        elif what == "parameter" and field == "description":
            parameters[name] = _line(value)
    return PortWords(inputs, outputs, parameters)


def words_before(definition: ModuleDefinition | None) -> PortWords | None:
    """What a module's last version says of ports: its next one says the same of those with their names, at first."""
    if definition is None:
        return None
    return PortWords(
        inputs={port.name: InputWords(type=port.type, description=port.description) for port in definition.inputs},
        outputs={port.name: port.description for port in definition.outputs},
    )


def ports_shown(definition: ModuleDefinition) -> dict[str, Any]:
    """As the form's template takes them."""
    return {
        "types": list(PORT_WORDS.items()),
        "inputs": definition.inputs,
        "outputs": definition.outputs,
        "parameters": definition.parameters,
    }


def tags_of(text: str) -> dict[str, str]:
    """From lines as in `stage=gold`."""
    lines = (line.partition("=") for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in lines}


def tags_text(tags: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" if value else name for name, value in tags.items())


def _line(text: str) -> str:
    return " ".join(str(text).replace("\0", "").split())
