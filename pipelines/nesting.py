"""What a step that runs another pipeline says of that: whether the pipeline is there and takes and gives it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.definition import PipelineDefinition
from pipelines.kinds.interface import Place
from pipelines.kinds.passed_values import PassedValue
from pipelines.kinds.with_runs import StepWithRuns
from pipelines.parameters import value_problem
from pipelines.parts import (
    DATA_TYPES,
    DatasetBinding,
    ModelBinding,
    OutputBinding,
    Parameter,
    ParameterBinding,
    ParameterValue,
)
from pipelines.texts import near
from pipelines.value_text import filled, parse, placeholders_left

MAX_DEPTH = 10  # of pipelines in pipelines


@dataclass(frozen=True, slots=True)
class Nested:
    """A version of a pipeline that a step runs."""

    definition: PipelineDefinition
    circle: Sequence[str] = ()  # the way from it back to itself, by names
    is_too_deep: bool = False


@dataclass(frozen=True, slots=True)
class PipelinesThere:
    """Those of a workspace, as far as steps speak of them."""

    names: frozenset[str] = frozenset()
    versions: Mapping[tuple[str, int | None], Nested] = field(default_factory=dict)  # by name and version as written


def reference(step: StepWithRuns) -> tuple[str, int | None]:
    return step.pipeline, step.pipeline_version


def nesting_problems(
    step: StepWithRuns, there: PipelinesThere, parameters: Mapping[str, Parameter], values: Mapping[str, ParameterValue]
) -> Iterator[tuple[Place, str]]:
    """`parameters` and `values` are the outer pipeline's."""
    if not step.pipeline:
        return  # told by the step itself
    nested = there.versions.get(reference(step))
    if nested is None:
        yield _missing(step, there)
        return
    if nested.circle:
        way = " → ".join(f"“{name}”" for name in nested.circle)
        yield "pipeline", f"This pipeline would run itself: {way}. Choose another one."
        return
    if nested.is_too_deep:
        yield "pipeline", f"Pipelines are nested more than {MAX_DEPTH} deep here. Take a level out."
        return
    inner = {parameter.name: parameter for parameter in nested.definition.parameters}
    fed = {given.name for given in step.inputs} - step.read_inputs
    yield from _value_problems(step, inner, fed, values)
    yield from _input_problems(step, inner, parameters)
    yield from _own_value_problems(step, inner, fed)
    yield from _sample_problems(step, inner)
    given = fed | {each.name for each in step.parameters} | step.own_values
    for name, parameter in inner.items():
        if parameter.default is None and not parameter.optional and name not in given:
            how = "Add an input of that name" if parameter.type in DATA_TYPES else "Give it a value here"
            yield "parameters", f"“{step.pipeline}” wants “{name}”, which has no default. {how}."
    yield from _output_problems(step, nested.definition)


def taken_from(step: StepWithRuns, output: str, inner: PipelineDefinition) -> tuple[str, str] | None:
    """The step and its output that an output of `step` is: as it says, or the one that has the same name.

    None where there is none, or where several have it.
    """
    said = next((each.taken_from for each in step.outputs if each.name == output), None)
    written = [(each.name, written.name) for each in inner.steps for written in each.outputs]
    if said:
        return next((pair for pair in written if ".".join(pair) == said), None)
    found = [pair for pair in written if pair[1] == output]
    return found[0] if len(found) == 1 else None


def typed(parameter: Parameter, value: ParameterValue) -> ParameterValue:
    """A text as the parameter's type, where it is one; else as it was given, which `value_problem` tells."""
    if not isinstance(value, str):
        return str(value) if parameter.type in {"string", "enum"} and not isinstance(value, bool) else value
    text = value.strip()
    if parameter.type == "boolean":
        return {"true": True, "false": False}.get(text.lower(), value)
    try:
        if parameter.type == "integer":
            return int(text)
        return float(text) if parameter.type == "number" else value
    except ValueError:
        return value


def passed(
    rows: Sequence[PassedValue], inner: Mapping[str, Parameter], values: Mapping[str, ParameterValue]
) -> dict[str, ParameterValue]:
    """The values that a run of the inner pipeline gets, by its parameters' names. Those left out are not among them."""
    found: dict[str, ParameterValue] = {}
    for row in rows:
        value = _filled(row, values)
        if value is not None and row.name in inner:
            found[row.name] = typed(inner[row.name], value)
    return found


def _filled(row: PassedValue, values: Mapping[str, ParameterValue]) -> ParameterValue | None:
    if not isinstance(row.value, str):
        return row.value
    text = parse(row.value)
    (whole,) = text.pieces
    if len(whole.parts) == 1 and whole.placeholders and whole.placeholders[0].scope == "parameters":
        return values.get(whole.placeholders[0].name)
    return filled(text, values, ())


def _missing(step: StepWithRuns, there: PipelinesThere) -> tuple[Place, str]:
    if step.pipeline not in there.names:
        return "pipeline", f"There is no pipeline “{step.pipeline}”.{near(step.pipeline, there.names)}"
    if step.pipeline_version is None:
        return "pipeline", f"“{step.pipeline}” has no version yet. Save it first."
    return "pipeline_version", f"“{step.pipeline}” has no version {step.pipeline_version}."


def _value_problems(
    step: StepWithRuns, inner: Mapping[str, Parameter], fed: set[str], values: Mapping[str, ParameterValue]
) -> Iterator[tuple[Place, str]]:
    seen: set[str] = set()
    for index, row in enumerate(step.parameters):
        place = ("parameters", index, "name")
        parameter = inner.get(row.name)
        if parameter is None:
            said = f"“{step.pipeline}” has no parameter “{row.name}”.{near(row.name, inner)}"
            yield place, said if row.name else "Name a parameter of the pipeline."
        elif row.name in seen:
            yield place, f"“{row.name}” stands here twice. Take one of them away."
        elif row.name in fed:
            yield place, f"An input feeds “{row.name}” already. Take the value or the input away."
        elif row.name in step.own_values:
            yield place, f"“{row.name}” gets a value of its own in each run. Take this one away."
        else:
            value = _filled(row, values)
            if value is None or (isinstance(value, str) and placeholders_left(value)):
                continue
            if sentence := value_problem(parameter, typed(parameter, value)):
                yield ("parameters", index, "value"), sentence
        seen.add(row.name)


def _input_problems(
    step: StepWithRuns, inner: Mapping[str, Parameter], outer: Mapping[str, Parameter]
) -> Iterator[tuple[Place, str]]:
    of_data = {name for name, parameter in inner.items() if parameter.type in DATA_TYPES}
    for index, given in enumerate(step.inputs):
        place = ("inputs", index, "name")
        if given.name in step.read_inputs:
            continue
        if given.name not in of_data:
            listed = ", ".join(f"“{name}”" for name in sorted(of_data)[:10]) or "none"
            yield place, f"An input feeds a parameter of data of “{step.pipeline}”. It has these: {listed}."
            continue
        wants = inner[given.name].type
        match given.binding:
            case DatasetBinding():
                gets = "dataset"
            case ParameterBinding(parameter=name) if name in outer:
                gets = outer[name].type
            case OutputBinding() | ModelBinding():
                gets = "data_path"
            case _:
                continue
        if gets != wants and gets in DATA_TYPES:
            words = {"dataset": "a dataset", "data_path": "a data path, as another step's output or a model is"}
            yield place, f"“{given.name}” of “{step.pipeline}” wants {words[wants]}, and this is {words[gets]}."


def _own_value_problems(
    step: StepWithRuns, inner: Mapping[str, Parameter], fed: set[str]
) -> Iterator[tuple[Place, str]]:
    for name in sorted(step.own_values):
        if name not in inner:
            yield step.place_of_own(name), f"“{step.pipeline}” has no parameter “{name}”.{near(name, inner)}"
        elif name in fed:
            yield step.place_of_own(name), f"An input feeds “{name}” already. Take one of the two away."


def _sample_problems(step: StepWithRuns, inner: Mapping[str, Parameter]) -> Iterator[tuple[Place, str]]:
    for place, name, values in step.samples():
        parameter = inner.get(name)
        for value in values if parameter else ():
            assert parameter is not None, "there are no values without one"
            if sentence := value_problem(parameter, typed(parameter, value)):
                shown = f"{value:.6g}" if isinstance(value, float) else str(value)
                yield place, f"“{name}” of “{step.pipeline}” would be {shown}, and can't be that: {sentence}"
                break


def _output_problems(step: StepWithRuns, inner: PipelineDefinition) -> Iterator[tuple[Place, str]]:
    written = {f"{each.name}.{output.name}" for each in inner.steps for output in each.outputs}
    for index, output in enumerate(step.outputs):
        if output.taken_from in step.own_files or taken_from(step, output.name, inner) is not None:
            continue
        if output.taken_from:
            meant = near(output.taken_from, written)
            sentence = f"“{step.pipeline}” has no “{output.taken_from}”: write STEP.OUTPUT.{meant}"
            yield ("outputs", index, "taken_from"), sentence
        elif any(name.endswith(f".{output.name}") for name in written):
            sentence = f"Several steps of “{step.pipeline}” have an output “{output.name}”. Say of which one it is."
            yield ("outputs", index, "taken_from"), sentence
        else:
            meant = near(output.name, {name.rpartition(".")[2] for name in written})
            yield ("outputs", index, "name"), f"No step of “{step.pipeline}” has an output “{output.name}”.{meant}"
