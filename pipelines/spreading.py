"""A parallel run over several nodes: a step for the part of each, and the step itself, which puts them together. Pure.

It happens where a definition is frozen. The step keeps its name, its place, its settings and its outputs, so whatever
reads it, runs after it or shows it need not know; of what it ran itself only its inputs are left to its parts. These
stand behind the steps of the definition, wait for what the step waits for, and have folders of their own as outputs.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pipelines.definition import Output, ParameterValue, Step
from pipelines.kinds.parallel_run import ParallelRunStep
from pipelines.models import FrozenInput, FrozenOutput, FrozenStep
from pipelines.part_names import is_spread, part_names
from pipelines.parts import NodePart
from pipelines.variables import filled_variables

_HANDED_ON = "parallel_parts"
_SHORT = 90  # characters of an output's name, with room for those before it


def spread(frozen: Sequence[FrozenStep], values: Mapping[str, ParameterValue]) -> list[FrozenStep]:
    """The steps of a run: those of its definition, and behind them the parts of those that work on several nodes."""
    own = [_united(each) if is_spread(each.step) else each for each in frozen]
    return [*own, *(part for each in frozen if is_spread(each.step) for part in _parts(each, values))]


def command_of(
    step: Step, part: NodePart | None, values: Mapping[str, ParameterValue], absent: Collection[str]
) -> list[str]:
    """What a step of a run runs. `absent` are inputs without anything that feeds them."""
    if part is None or not isinstance(step, ParallelRunStep):
        return step.argv(values, absent)
    if part.unites:
        handed_on = _handed_on(step.outputs)
        return step.uniting_argv(_read_of_parts(step, handed_on), handed_on=handed_on)
    return step.part_argv(values, absent, number=part.number, handed_on=step.outputs[-1].name)


def own_outputs(frozen: FrozenStep) -> list[str]:
    """Those that its texts may speak of: not the one by which a part hands on what it did."""
    names = [output.name for output in frozen.step.outputs]
    return names if frozen.part is None or frozen.part.unites else names[:-1]


def variables_of(
    step: Step, part: NodePart | None, values: Mapping[str, ParameterValue], absent: Collection[str]
) -> dict[str, str]:
    """None where parts are put together: there is no script that would read them."""
    unites = part is not None and part.unites
    return {} if unites else filled_variables(step.environment_variables, values, absent)


def part_edges(frozen: Sequence[FrozenStep], edges: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """For the parts among the steps of a run, by place: what comes before their step comes before them, and they before
    it."""
    places = {each.step.name: place for place, each in enumerate(frozen)}
    parts: dict[int, list[int]] = {}
    for place, each in enumerate(frozen):
        if each.part is not None and not each.part.unites:
            parts.setdefault(places[each.part.step], []).append(place)
    before = {(upstream, part) for upstream, downstream in edges for part in parts.get(downstream, ())}
    return before | {(part, united) for united, those in parts.items() for part in those}


def _united(frozen: FrozenStep) -> FrozenStep:
    step = frozen.step
    assert isinstance(step, ParallelRunStep), "no other is spread"
    part = NodePart(step=step.name, number=0, count=step.nodes)
    names = part_names(step)
    inputs = {
        given: FrozenInput(step=name, output=output)
        for output, read in _read_of_parts(step, _handed_on(step.outputs)).items()
        for name, given in zip(names, read, strict=True)
    }
    command = command_of(step, part, {}, ())
    changed = {"part": part, "inputs": inputs, "command": command, "environment_variables": {}}
    return frozen.model_copy(update=changed)


def _parts(frozen: FrozenStep, values: Mapping[str, ParameterValue]) -> Iterator[FrozenStep]:
    step = frozen.step
    assert isinstance(step, ParallelRunStep), "no other is spread"
    values = frozen.values_in(dict(values))
    absent = {given.name for given in step.inputs if given.name not in frozen.inputs}
    handed_on = _handed_on(step.outputs)
    # Nothing of a part is a destination or a dataset: that is what all of them come to.
    own = [Output(name=each.name, datastore=each.datastore, mode=each.mode) for each in step.outputs]
    stores = {name: FrozenOutput(datastore_id=given.datastore_id) for name, given in frozen.outputs.items()}
    results = next((each for each in own if each.name == step.results_output), None)
    if results and results.name in stores:
        stores[handed_on] = stores[results.name]
    outputs = [*own, Output(name=handed_on, datastore=results.datastore if results else None)]
    for number, name in enumerate(part_names(step), start=1):
        part = NodePart(step=step.name, number=number, count=step.nodes)
        made = step.model_copy(update={"name": name, "outputs": outputs})
        command = command_of(made, part, values, absent)
        yield frozen.model_copy(update={"step": made, "part": part, "outputs": stores, "command": command})


def _handed_on(outputs: Iterable[Output]) -> str:
    """The output by which a part hands on what it did, beside those that the step has."""
    taken = {output.name for output in outputs}
    name = _HANDED_ON
    while name in taken:
        name += "_"
    return name


def _read_of_parts(step: ParallelRunStep, handed_on: str) -> dict[str, list[str]]:
    """By the output of a part, the inputs as which the step that puts them together reads it: one of each part."""
    numbers = range(1, step.nodes + 1)
    read = {handed_on: [f"part{number}" for number in numbers]}
    for index, output in enumerate(step.outputs):
        name = output.name if len(output.name) <= _SHORT else str(index)
        read[output.name] = [f"part{number}_{name}" for number in numbers]
    return read
