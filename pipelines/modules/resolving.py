"""Steps of the kind `module` become the steps that were published, with the values that they give. Pure.

This is the one place where it happens: what checks a definition and what freezes it both begin here. A step's texts
keep speaking of the module's own parameters, whose values stand beside it in a `Scope`, so that what it comes to has
the fingerprint of an equal step that somebody wrote by hand.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipelines.definition import Input, Output, Parameter, ParameterValue, PipelineDefinition, Step
from pipelines.kinds.module import ModuleStep
from pipelines.modules.definition import ModuleDefinition, ModuleOutput
from pipelines.nesting import passed
from pipelines.parameters import value_problem
from pipelines.settling import Loc, settled
from pipelines.texts import near
from pipelines.value_text import placeholders_left
from studio.lib.problems import Problem

Reference = tuple[str, int | None]  # a name, and a version; None: the default one
# Of a step of the kind, what it says itself: the rest is told at `module`.
_ITS_OWN = frozenset({"name", "description", "inputs", "outputs", "run_after", "only_if", "allow_reuse"})


@dataclass(frozen=True, slots=True)
class ModuleThere:
    """A version that a step means."""

    name: str
    number: int
    module_id: int
    version_id: int
    definition: ModuleDefinition
    refused: str = ""  # why it can't be used, a sentence


@dataclass(frozen=True, slots=True)
class ModulesThere:
    """Those of a workspace, as far as steps speak of them."""

    names: frozenset[str] = frozenset()
    versions: Mapping[Reference, ModuleThere] = field(default_factory=dict)  # by name and version as written


@dataclass(frozen=True, slots=True)
class Scope:
    """What the texts of a step from a module speak of."""

    written: ModuleStep
    module: ModuleThere
    values: Mapping[str, ParameterValue]  # of the module's parameters, defaults filled in

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {parameter.name: parameter for parameter in self.module.definition.parameters}

    @property
    def words(self) -> str:
        return f"Module “{self.module.name}”, version {self.module.number}"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A definition in which the steps of modules stand. One that can't be known yet stays of the kind `module`."""

    definition: PipelineDefinition
    scopes: Mapping[int, Scope] = field(default_factory=dict)  # by the step's index
    problems: Mapping[int, list[Problem]] = field(default_factory=dict)  # of what the steps say of modules
    untold: frozenset[Loc] = frozenset()  # settings whose parameter has no value yet

    def lacking(self) -> Iterator[Problem]:
        """With the values of a run, which are all that there will be: parameters of modules that are left without."""
        for index, scope in self.scopes.items():
            for name, parameter in scope.parameters.items():
                if not parameter.optional and name not in scope.values:
                    sentence = f"“{scope.module.name}” wants “{name}”, and nothing gives it a fit value. Give it one."
                    yield Problem(("steps", index, "parameters"), sentence)

    def told(self, index: int, problems: Iterable[Problem]) -> Iterator[Problem]:
        """Problems of a resolved step, each at the field of the step as it is written."""
        scope = self.scopes.get(index)
        if scope is None:
            yield from problems
            return
        for problem in problems:
            # What is wrong with a port that the step does not name is told where the ports are looked at.
            if problem.loc not in self.untold and not _is_added(scope.written, problem.loc[2:]):
                yield _at_the_written(scope, problem)


def reference(step: ModuleStep) -> Reference:
    return step.module, step.module_version


def module_references(definition: PipelineDefinition) -> set[Reference]:
    return {reference(step) for step in definition.steps if isinstance(step, ModuleStep) and step.module}


def resolved(definition: PipelineDefinition, there: ModulesThere, values: Mapping[str, ParameterValue]) -> Resolved:
    """For a definition that is `settled` with the `values` of its parameters, those without one not among them."""
    places = [index for index, step in enumerate(definition.steps) if isinstance(step, ModuleStep)]
    if not places:
        return Resolved(definition)
    steps = list(definition.steps)
    scopes: dict[int, Scope] = {}
    problems: dict[int, list[Problem]] = {}
    untold: set[Loc] = set()
    for index in places:
        written = steps[index]
        assert isinstance(written, ModuleStep), "these are their places"
        module = there.versions.get(reference(written))
        if module is None or module.refused:
            problems[index] = list(_not_there(written, module, there, index))
            continue
        inner = {parameter.name: parameter for parameter in module.definition.parameters}
        wrong = [*_value_problems(written, inner, values), *_port_problems(written, module.definition)]
        problems[index] = [Problem(("steps", index, *place), sentence) for place, sentence in wrong]
        scopes[index] = Scope(written, module, _values(written, inner, values))
        steps[index], waiting = _step(scopes[index])
        untold |= {("steps", index, *path.split(".")) for path in waiting}
    made = definition.model_copy(update={"steps": steps})
    return Resolved(made, scopes, problems, frozenset(untold))


def _step(scope: Scope) -> tuple[Step, set[str]]:
    """The published step in the place of the written one, and its settings that have no value, or none yet."""
    module, written = scope.module.definition, scope.written
    alone = PipelineDefinition(parameters=module.parameters, steps=[module.step])
    given = settled(alone, scope.values)
    (step,) = given.definition.steps
    update = {
        "name": written.name,
        "description": written.description or step.description,
        "inputs": list(_inputs(written, module)),
        "outputs": list(_outputs(written, module)),
        "run_after": written.run_after,
        "only_if": written.only_if,
        "allow_reuse": written.allow_reuse and step.allow_reuse,
        **({"compute": written.compute} if written.compute else {}),
    }
    waiting = {".".join(map(str, loc[2:])) for loc in given.untold}
    return step.model_copy(update=update), waiting


def _inputs(written: ModuleStep, module: ModuleDefinition) -> Iterator[Input]:
    """Those that are written first, so that a problem of one is told at its place."""
    ports = {port.name: port for port in module.inputs}
    inner = {given.name: given for given in module.step.inputs}
    for given in written.inputs:
        port, own = ports.get(given.name), inner.get(given.name)
        if port is None or own is None:
            yield given  # told by the check of the ports
        else:
            yield own.model_copy(update={"binding": given.binding, "optional": port.optional})
    there = {given.name for given in written.inputs}
    for name, port in ports.items():
        if name not in there and name in inner:
            yield inner[name].model_copy(update={"binding": None, "optional": port.optional})


def _outputs(written: ModuleStep, module: ModuleDefinition) -> Iterator[Output]:
    ports = {port.name: port for port in module.outputs}
    inner = {output.name: output for output in module.step.outputs}
    for output in written.outputs:
        port = ports.get(output.name)
        yield output if port is None else _output(output, port)
    there = {output.name for output in written.outputs}
    # Where an output goes, each step says: nothing that a module holds may decide it.
    yield from (_output(Output(name=name), ports[name]) for name in inner if name not in there and name in ports)


def _output(written: Output, port: ModuleOutput) -> Output:
    return written.model_copy(update={"file": port.file, "required": port.required or written.required})


def _values(
    written: ModuleStep, inner: Mapping[str, Parameter], values: Mapping[str, ParameterValue]
) -> dict[str, ParameterValue]:
    given = passed(written.parameters, inner, values)
    usual = {name: each.default for name, each in inner.items() if each.default is not None}
    good = {name: value for name, value in given.items() if value_problem(inner[name], value) is None}
    return {**usual, **good}


def _not_there(step: ModuleStep, module: ModuleThere | None, there: ModulesThere, index: int) -> Iterator[Problem]:
    if not step.module:
        return  # told by the step itself
    if module is not None:
        place = "module" if step.module_version is None else "module_version"
        yield Problem(("steps", index, place), module.refused)
    elif step.module not in there.names:
        meant = near(step.module, there.names)
        yield Problem(("steps", index, "module"), f"There is no module “{step.module}”.{meant}")
    else:
        sentence = f"Module “{step.module}” has no version {step.module_version}."
        yield Problem(("steps", index, "module_version"), sentence)


def _value_problems(
    step: ModuleStep, inner: Mapping[str, Parameter], values: Mapping[str, ParameterValue]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    seen: set[str] = set()
    for index, row in enumerate(step.parameters):
        parameter = inner.get(row.name)
        if not row.name:
            yield ("parameters", index, "name"), "Name a parameter of the module."
        elif parameter is None:
            yield (
                ("parameters", index, "name"),
                f"“{step.module}” has no parameter “{row.name}”.{near(row.name, inner)}",
            )
        elif row.name in seen:
            yield ("parameters", index, "name"), f"“{row.name}” stands here twice. Take one of them away."
        else:
            value = passed([row], inner, values).get(row.name)
            if value is None or (isinstance(value, str) and placeholders_left(value)):
                pass  # nobody knows it yet, or it is told where its text is looked at
            elif sentence := value_problem(parameter, value):
                yield ("parameters", index, "value"), sentence
        seen.add(row.name)
    for name, parameter in inner.items():
        if parameter.default is None and not parameter.optional and name not in seen:
            yield ("parameters",), f"“{step.module}” wants “{name}”, which has no default. Give it a value here."


def _port_problems(step: ModuleStep, module: ModuleDefinition) -> Iterator[tuple[tuple[str | int, ...], str]]:
    ports = {port.name: port for port in module.inputs}
    inner = {given.name: given for given in module.step.inputs}
    for index, given in enumerate(step.inputs):
        if given.name not in ports:
            listed = ", ".join(f"“{name}”" for name in list(ports)[:10]) or "none"
            yield ("inputs", index, "name"), f"“{step.module}” has no input “{given.name}”. It has: {listed}."
        elif given.mode not in {"download", inner[given.name].mode}:
            yield ("inputs", index, "mode"), "How a module reads its data is said in the module. Leave it out here."
    there = {given.name for given in step.inputs}
    missing = [port.name for port in module.inputs if not port.optional and port.name not in there]
    if missing:
        listed = ", ".join(f"“{name}”" for name in missing)
        yield ("module",), f"“{step.module}” wants the input {listed}. Add and bind it."
    written = {port.name: port for port in module.outputs}
    for index, output in enumerate(step.outputs):
        port = written.get(output.name)
        if port is None:
            meant = near(output.name, written)
            yield ("outputs", index, "name"), f"“{step.module}” has no output “{output.name}”.{meant}"
        elif output.file not in {None, port.file}:
            yield ("outputs", index, "file"), "Whether an output is one file is said in the module. Leave it out here."


def _at_the_written(scope: Scope, problem: Problem) -> Problem:
    _steps, index, *rest = problem.loc
    written = scope.written
    if not rest or rest[0] in _ITS_OWN or (rest[0] == "compute" and written.compute):
        return problem
    step = scope.module.definition.step
    name = step.references.get(".".join(map(str, rest)))
    row = next((place for place, each in enumerate(written.parameters) if each.name == name), None)
    if name is not None and row is not None:
        setting = step.feedable()[".".join(map(str, rest))].words
        return Problem(("steps", index, "parameters", row, "value"), f"As the {setting}: {problem.message}")
    return Problem(("steps", index, "module"), f"{scope.words}: {problem.message}")


def _is_added(written: ModuleStep, rest: Loc) -> bool:
    """Whether a port is meant that the step does not name."""
    match rest:
        case ("inputs", int(place), *_):
            return place >= len(written.inputs)
        case ("outputs", int(place), *_):
            return place >= len(written.outputs)
    return False
