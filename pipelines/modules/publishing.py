"""A step of a pipeline as a module: what it becomes, and what is wrong with that. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipelines.definition import Output, Parameter, PipelineDefinition, Step
from pipelines.kinds.interface import StepBase
from pipelines.modules.definition import STEP_NAME, ModuleDefinition, ModuleInput, ModuleOutput, PortType
from pipelines.parts import DATA_TYPES
from pipelines.value_text import parse
from studio.lib.problems import Problem

MAX_TEXT = 500  # characters of a port's description


@dataclass(frozen=True, slots=True)
class InputWords:
    """What people say of an input's port."""

    type: PortType = "any"
    optional: bool | None = None  # as the step has it
    description: str = ""


@dataclass(frozen=True, slots=True)
class PortWords:
    """What people say of ports, by name. What they don't say is as the step has it."""

    inputs: Mapping[str, InputWords] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)  # descriptions
    parameters: Mapping[str, str] = field(default_factory=dict)  # descriptions


def unfit_kind(kind: type[StepBase]) -> str | None:
    """A sentence where no step of this kind can be a module."""
    if kind.is_module:
        return "A module can't contain a module, so it can't contain itself either. Publish a step of another kind."
    if not kind.has_job:
        label = kind.label.lower()
        return f"A step of the kind “{label}” can't be a module. Publish one that runs something itself."
    return None


def module_of(step: Step, parameters: Iterable[Parameter], words: PortWords | None = None) -> ModuleDefinition:
    """What a step of a pipeline with these `parameters` is as a module. Those that it speaks of are taken over."""
    words = words or PortWords()
    spoken_of = set(parameters_in(step))
    inputs = [
        ModuleInput(
            name=given.name,
            type=said.type,
            optional=given.optional if said.optional is None else said.optional,
            description=said.description.strip(),
        )
        for given in step.inputs
        for said in [words.inputs.get(given.name, InputWords())]
    ]
    outputs = [
        ModuleOutput(
            name=output.name,
            file=output.file,
            required=output.required,
            description=words.outputs.get(output.name, "").strip(),
        )
        for output in step.outputs
    ]
    taken = [
        parameter.model_copy(
            update={"description": words.parameters.get(parameter.name, parameter.description).strip()}
        )
        for parameter in parameters
        if parameter.name in spoken_of
    ]
    return ModuleDefinition(step=_bare(step, inputs), inputs=inputs, outputs=outputs, parameters=taken)


def parameters_in(step: Step) -> Iterator[str]:
    """The names of parameters that a step's texts and settings speak of."""
    texts = [*step.texts().values(), *(parse(each.value) for each in step.environment_variables)]
    yield from (part.name for text in texts for part in text.placeholders if part.scope == "parameters")
    yield from step.references.values()


def own_problems(module: ModuleDefinition) -> Iterator[Problem]:
    """What is wrong with its ports: `loc` is `("inputs", i, FIELD)` and so on."""
    sentence = unfit_kind(type(module.step))
    if sentence:
        yield Problem(("step", "kind"), sentence)
    for index, parameter in enumerate(module.parameters):
        if parameter.type in DATA_TYPES:
            said = f"Data goes to a module by an input. Read “{parameter.name}” by one, and not in a text of the step."
            yield Problem(("parameters", index, "type"), said)
    words = {
        "inputs": [port.description for port in module.inputs],
        "outputs": [port.description for port in module.outputs],
        "parameters": [each.description for each in module.parameters],
    }
    for name, descriptions in words.items():
        for index, description in enumerate(descriptions):
            if len(description) > MAX_TEXT:
                said = f"A description may have {MAX_TEXT} characters. Shorten it."
                yield Problem((name, index, "description"), said)


def standing_alone(module: ModuleDefinition) -> PipelineDefinition:
    """The module as a pipeline of its one step, for the checks. Its inputs are bound by those who use it."""
    return PipelineDefinition(parameters=module.parameters, steps=[module.step])


def told_of_module(problems: Iterable[Problem]) -> Iterator[Problem]:
    """What the checks say of `standing_alone`, as problems of the module."""
    for problem in problems:
        loc = problem.loc
        if loc[:2] == ("steps", 0):
            if loc[2:3] == ("inputs",) and loc[-1] == "binding":
                continue
            yield Problem(("step", *loc[2:]), problem.message)
        else:
            yield problem


def _bare(step: Step, inputs: Iterable[ModuleInput]) -> Step:
    """Without what only its pipeline means: its name, what feeds it, where it writes, what it waits for."""
    optional = {port.name: port.optional for port in inputs}
    return step.model_copy(
        update={
            "name": STEP_NAME,
            "inputs": [
                given.model_copy(update={"binding": None, "optional": optional[given.name]}) for given in step.inputs
            ],
            "outputs": [
                Output(name=output.name, file=output.file, required=output.required) for output in step.outputs
            ],
            "run_after": [],
            "only_if": None,
        }
    )
