"""Modules for tests: a step that reads `data` and has a rate, and steps that use it."""

from typing import Any

from pipelines.models import ModuleVersion, Pipeline
from pipelines.modules.publishing import InputWords, PortWords
from tests.service.pipelines.world import World

RATE = {"name": "rate", "type": "number", "default": 0.5, "minimum": 0, "maximum": 1}
ARGUMENTS = "${{inputs.data}} --rate ${{parameters.rate}} ${{outputs.out}}"
READS = {"kind": "output", "step": "load", "output": "out"}


def fit(world: World, **more: Any) -> dict[str, Any]:
    """The step, as somebody would write it by hand."""
    return {
        **world.step("fit"),
        "arguments": ARGUMENTS,
        "inputs": [{"name": "data", "binding": READS}],
        **more,
    }


def publish_fit(world: World, *, name: str = "fit", parameters: Any = (RATE,), **more: Any) -> ModuleVersion:
    step = fit(world, **more.pop("step", {}))
    return world.publish(step, name=name, parameters=parameters, **more)


def typed(type_: Any, **more: Any) -> PortWords:
    """What is said of the input `data`."""
    return PortWords(inputs={"data": InputWords(type=type_, **more)})


def use(name: str = "train", **more: Any) -> dict[str, Any]:
    """A step that uses it."""
    return {
        "kind": "module",
        "name": name,
        "module": "fit",
        "inputs": [{"name": "data", "binding": READS}],
        "outputs": [{"name": "out"}],
        **more,
    }


def pipeline_with(world: World, *steps: dict[str, Any], name: str = "uses", parameters: Any = ()) -> Pipeline:
    """A step `load`, and those that use a module."""
    return world.pipeline(world.step("load"), *(steps or (use(),)), name=name, parameters=parameters)
