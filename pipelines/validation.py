"""Whether a definition makes sense, field by field. Decides from what it is given and reads nothing itself.

`loc` of a problem is the path to the field in the definition, as in `("steps", 2, "inputs", 0, "binding")`.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from compute.resources import Capacity
from compute.variables import MAX_VARIABLES
from pipelines.data_values import read_data_path, read_dataset
from pipelines.definition import (
    DatasetBinding,
    Input,
    ModelBinding,
    Output,
    Parameter,
    ParameterBinding,
    ParameterValue,
    PipelineDefinition,
    Step,
)
from pipelines.destinations import (
    StoreFacts,
    clashes,
    destination_problem,
    file_problem,
    opened_problem,
    registration_problems,
    store_problem,
)
from pipelines.graph import circle_through, edges_of, places_of, steps_on_circles, successors_of
from pipelines.kinds.interface import SourceFiles, way
from pipelines.kinds.with_runs import StepWithRuns
from pipelines.model_names import ModelThere, missing_model
from pipelines.modules.ports import Around, port_problem
from pipelines.modules.resolving import ModulesThere, Resolved, Scope, resolved
from pipelines.nesting import PipelinesThere, nesting_problems
from pipelines.parameters import parameter_problems, value_problem
from pipelines.part_names import spreading_problems
from pipelines.parts import DATA_TYPES, FIELD_NAME
from pipelines.placeholders import HasPlaceholders, holds_placeholder, missing_pieces, unknown_placeholders
from pipelines.settling import settled, usual_values
from pipelines.step_limits import limit_problems, retry_problems, time_problems
from pipelines.step_resources import resource_problems, resource_warning
from pipelines.texts import MAX_TEXT, near, unfit_text
from pipelines.value_text import parse as parse_variable
from pipelines.variables import variable_problems
from studio.lib.misshapen import shape_problems
from studio.lib.problems import Problem, UserError

MAX_STEPS = 10_000
_CIRCLES_TOLD = 50

_STEP_NAME = re.compile(r"\A[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?\Z")
_STEP_NAME_RULE = (
    "Use 1 to 100 letters, digits, hyphens, dots and underscores, starting with a letter or digit, as in “train”."
)
_FIELD_NAME_RULE = "Use 1 to 100 letters, digits, hyphens and underscores, starting with a letter, as in “{example}”."


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What exists in the workspace, as far as a definition speaks of it."""

    datasets: Mapping[str, frozenset[int]] = field(default_factory=dict)  # name → its versions
    environments: Mapping[str, frozenset[int]] = field(default_factory=dict)  # name → its versions
    computes: frozenset[str] = frozenset()
    nodes: Mapping[str, Sequence[Capacity]] = field(default_factory=dict)  # compute target → what its nodes have
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)  # digest → paths of its files
    scripts: Mapping[tuple[str, str], str | None] = field(default_factory=dict)  # digest and path → text, where wanted
    packages: Mapping[str, frozenset[str]] = field(default_factory=dict)  # environment as written → what is in it
    tables: Mapping[str, frozenset[int]] = field(default_factory=dict)  # dataset → its versions that are tables
    datastores: Mapping[str, StoreFacts] = field(default_factory=dict)  # by name
    default_datastore: str | None = None
    members: frozenset[str] = frozenset()  # user names, where a step speaks of one
    pipelines: PipelinesThere = field(default_factory=PipelinesThere)
    models: Mapping[str, ModelThere] = field(default_factory=dict)  # by name, those that are spoken of and others
    modules: ModulesThere = field(default_factory=ModulesThere)

    def missing(self, binding: DatasetBinding) -> str | None:
        """A sentence where there is no such dataset, or no such version of it."""
        versions = self.datasets.get(binding.dataset)
        if versions is None:
            return f"There is no dataset “{binding.dataset}”.{near(binding.dataset, self.datasets)}"
        if binding.version is not None and binding.version not in versions:
            return f"Dataset “{binding.dataset}” has no version {binding.version}."
        return None

    def may_be_table(self, binding: DatasetBinding) -> bool | None:
        """As `is_table`; None where there is no such dataset, or no such version of it."""
        return None if self.missing(binding) else self.is_table(binding)

    def is_table(self, binding: DatasetBinding) -> bool:
        version = binding.version or max(self.datasets.get(binding.dataset, {0}))
        return version in self.tables.get(binding.dataset, ())


def parse_definition(data: Any) -> PipelineDefinition:
    """A definition from plain JSON. Raises UserError with a problem per field that has the wrong shape."""
    unfit = next(unfit_text(data, ()), None)
    if unfit is not None:
        raise UserError(
            "There is a character in this text that can't be kept (NUL, or half of one). Remove it.", loc=unfit
        )
    try:
        return PipelineDefinition.model_validate(data)
    except ValidationError as error:
        raise UserError(shape_problems(error, PipelineDefinition)) from error


def problems_of(
    definition: PipelineDefinition,
    catalogue: Catalogue,
    values: Mapping[str, ParameterValue] | None = None,
    *,
    unfit: Collection[str] = (),
) -> list[Problem]:
    """Everything that keeps this definition from being submitted, in the order of its fields.

    With the `values` of a run, what they do wrong as settings of steps is told at `("parameters", NAME)`; without, the
    defaults are looked at, and told where the setting stands. `unfit` parameters were given a value that can't be one
    of them, which the caller tells.
    """
    problems: list[Problem] = []
    if not definition.steps:
        problems.append(Problem(("steps",), "The pipeline has no step. Add one."))
    if len(definition.steps) > MAX_STEPS:
        problems.append(Problem(("steps",), f"The pipeline has more than {MAX_STEPS:,} steps. Split it in two."))
        return problems
    problems += _names(definition.parameters, "test_size", ("parameters",))
    problems += parameter_problems(definition.parameters)
    known = usual_values(definition) if values is None else values
    settings = settled(definition, known)
    given = resolved(settings.definition, catalogue.modules, known)
    for index, parameter in enumerate(definition.parameters):
        default = parameter.default
        if default is not None and (sentence := _no_such_data(given.definition, parameter, default, catalogue)):
            problems.append(Problem(("parameters", index, "default"), sentence))
    problems += _duplicates((("steps", index, "name"), step.name) for index, step in enumerate(definition.steps))
    check = _Check(given, catalogue, known, unfit)
    problems += settings.problems
    found: list[Problem] = []
    for index in range(len(definition.steps)):
        of_step = [*check.written(index), *given.problems.get(index, ()), *given.told(index, check.step(index))]
        found += (problem for problem in of_step if problem.loc not in settings.untold)
    problems += found if values is None else _told_at_parameters(definition, found)
    problems += spreading_problems(given, MAX_STEPS)
    problems += clashes(definition, catalogue.default_datastore)
    problems += _circles(definition)
    return problems


def _told_at_parameters(definition: PipelineDefinition, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Of settings that a parameter feeds, the first problem for each parameter and setting, at the parameter."""
    told: set[tuple[str, str]] = set()
    for problem in problems:
        _steps, index, *rest = problem.loc
        path = ".".join(map(str, rest))
        step = definition.steps[int(index)]
        name = step.references.get(path)
        if name is None:
            yield problem
        elif (name, path) not in told:
            told.add((name, path))
            yield Problem(
                ("parameters", name), f"As the {step.feedable()[path].words} of “{step.name}”: {problem.message}"
            )


def data_problems(
    definition: PipelineDefinition, values: Mapping[str, ParameterValue], catalogue: Catalogue
) -> list[Problem]:
    """What is wrong with the data that values of parameters stand for, at `("parameters", NAME)`.

    What a parameter has by default is among the problems of the definition.
    """
    return [
        Problem(("parameters", parameter.name), sentence)
        for parameter in definition.parameters
        if parameter.name in values and values[parameter.name] != parameter.default
        if (sentence := _no_such_data(definition, parameter, values[parameter.name], catalogue))
    ]


def _no_such_data(
    definition: PipelineDefinition, parameter: Parameter, value: ParameterValue, catalogue: Catalogue
) -> str | None:
    """A sentence where a value of a type of data is well written, and stands for nothing that its inputs can read."""
    if parameter.type not in DATA_TYPES or value_problem(parameter, value):
        return None
    if parameter.type == "data_path":
        store = read_data_path(str(value)).datastore
        facts = catalogue.datastores.get(store) if store else None
        if store and facts is None:
            return f"There is no datastore “{store}”.{near(store, catalogue.datastores)}"
        return f"Datastore “{store}” holds tables, and no files." if facts and facts.holds != "files" else None
    binding = read_dataset(str(value))
    if sentence := catalogue.missing(binding):
        return sentence
    wanted = ParameterBinding(parameter=parameter.name)
    direct = (
        (step.name, given.name)
        for step in definition.steps
        for given in step.inputs
        if given.mode == "direct" and given.binding == wanted
    )
    found = next(direct, None) if catalogue.is_table(binding) else None
    return found and (
        f"“{binding.dataset}” is a table, and input “{found[1]}” of “{found[0]}” wants an address. "
        "Choose a dataset of files, or another way to read for that input."
    )


def warnings_of(definition: PipelineDefinition, catalogue: Catalogue) -> list[Problem]:
    """What keeps nobody from submitting and is worth knowing."""
    usual = usual_values(definition)
    given = resolved(settled(definition, usual).definition, catalogue.modules, usual)
    definition = given.definition
    found = (
        (
            index,
            resource_warning(
                step.resources, step.compute, catalogue.nodes.get(step.compute, ()), ("steps", index, "resources")
            ),
        )
        for index, step in enumerate(definition.steps[:MAX_STEPS])
        if step.compute in catalogue.computes
    )
    of_resources = [told for index, warning in found if warning for told in given.told(index, [warning])]
    of_kinds = [
        told
        for index, step in enumerate(definition.steps[:MAX_STEPS])
        for place, sentence in step.warnings(_files(step, catalogue))
        for told in given.told(index, [Problem(("steps", index, *way(place)), sentence)])
    ]
    return of_resources + of_kinds


@dataclass(frozen=True, slots=True)
class _Names:
    """What the texts of a step speak of as parameters."""

    parameters: Mapping[str, Parameter]
    values: Mapping[str, ParameterValue]
    absent: frozenset[str]  # those that may have no value
    unknown: frozenset[str]  # those that need a value, and have none yet or an unfit one: nothing is said of it twice

    @classmethod
    def of(
        cls, parameters: Mapping[str, Parameter], values: Mapping[str, ParameterValue], unfit: Collection[str] = ()
    ) -> "_Names":
        absent = frozenset(name for name, each in parameters.items() if each.may_be_absent)
        return cls(parameters, values, absent, frozenset({*parameters} - {*values} - (absent - {*unfit})))

    def are_known(self, step: Step) -> bool:
        """Whether all parameters that its texts speak of have a value, or may have none."""
        parts = (part for text in step.texts().values() for part in text.placeholders)
        return not any(part.scope == "parameters" and part.name in self.unknown for part in parts)


class _Check:
    """One step after the other, against the rest of the definition and what exists."""

    def __init__(
        self,
        given: Resolved,
        catalogue: Catalogue,
        values: Mapping[str, ParameterValue],
        unfit: Collection[str] = (),
    ) -> None:
        self.definition = definition = given.definition
        self.scopes = given.scopes
        self.values = values
        self.catalogue = catalogue
        self.places = places_of(definition)
        self.parameters = {parameter.name: parameter for parameter in definition.parameters}
        self.names = _Names.of(self.parameters, values, unfit)
        self.outputs = {step.name: {output.name for output in step.outputs} for step in definition.steps}
        versions = catalogue.datasets
        # Whether the newest version of each dataset is a table.
        self.tabular = {name: max(versions.get(name, {0})) in tables for name, tables in catalogue.tables.items()}

    def written(self, index: int) -> Iterator[Problem]:
        """Of a step in whose place that of a module stands: what it says itself."""
        scope = self.scopes.get(index)
        if scope is None:
            return
        yield from self._own_fields(scope.written, ("steps", index), self.names)
        yield from self._ports(scope, ("steps", index, "inputs"))

    @cached_property
    def _around(self) -> Around:
        outputs = {(step.name, output.name): output for step in self.definition.steps for output in step.outputs}
        return Around(outputs, self.parameters, self.values, self.catalogue.may_be_table)

    def _ports(self, scope: Scope, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        ports = {port.name: port for port in scope.module.definition.inputs}
        for index, given in enumerate(scope.written.inputs):
            if (port := ports.get(given.name)) and (sentence := port_problem(port, given.binding, self._around)):
                yield Problem((*loc, index, "binding"), sentence)

    def step(self, index: int) -> Iterator[Problem]:
        step, loc = self.definition.steps[index], ("steps", index)
        scope = self.scopes.get(index)
        names = _Names.of(scope.parameters, scope.values) if scope else self.names
        if not _STEP_NAME.match(step.name):
            yield Problem((*loc, "name"), _STEP_NAME_RULE if step.name else f"Name the step. {_STEP_NAME_RULE}")
        yield from self._own_fields(step, loc, names)
        yield from _names(step.inputs, "images", (*loc, "inputs"))
        for input_index, given in enumerate(step.inputs):
            yield from self._binding(step, given, (*loc, "inputs", input_index, "binding"))
            yield from self._mode(given, (*loc, "inputs", input_index, "mode"))
        yield from self._run_after(step, (*loc, "run_after"))
        yield from self._only_if(step, (*loc, "only_if"))
        yield from self._metrics(step, loc)
        yield from _names(step.outputs, "model", (*loc, "outputs"))
        yield from self._own_outputs(step, (*loc, "outputs"))
        for output_index, output in enumerate(step.outputs):
            yield from self._output(output, (*loc, "outputs", output_index))
        yield from self._variables(step, (*loc, "environment_variables"), names)
        if isinstance(step, StepWithRuns):
            found = nesting_problems(step, self.catalogue.pipelines, self.parameters, self.values)
            yield from (Problem((*loc, *way(place)), sentence) for place, sentence in found)
        if not step.has_job or step.is_module:
            return
        yield from self._of_work(step, loc) if step.works else self._environment(step, loc)
        if step.compute not in self.catalogue.computes:
            yield Problem(
                (*loc, "compute"),
                f"There is no compute target “{step.compute}”.{near(step.compute, self.catalogue.computes)}"
                if step.compute
                else "Choose a compute target.",
            )
        nodes = self.catalogue.nodes.get(step.compute, ())
        yield from resource_problems(step.resources, step.compute, nodes, (*loc, "resources"))
        yield from time_problems(step.timeout_s, (*loc, "timeout_s"))
        yield from retry_problems(step.retry, (*loc, "retry"))
        yield from limit_problems(step.limits, (*loc, "limits"))

    def _own_fields(self, step: Step, loc: tuple[str | int, ...], names: _Names) -> Iterator[Problem]:
        files = _files(step, self.catalogue)
        if step.source is not None and files is None and not step.is_module:
            yield Problem((*loc, "source"), "These source files are not in this workspace. Upload them again.")
        else:
            of_values = [*step.problems_with(names.values)]
            if of_values and not names.are_known(step):
                of_values = []
            for place, sentence in (*step.problems(files), *of_values):
                yield Problem((*loc, *way(place)), sentence)
            if step.named_person and step.named_person not in self.catalogue.members:
                meant = near(step.named_person, self.catalogue.members)
                yield Problem(
                    (*loc, step.person_field),
                    f"Nobody with the user name “{step.named_person}” is a member here.{meant}",
                )
        for place, said in step.texts().items():
            yield from (Problem((*loc, *way(place)), sentence) for sentence in self._text(step, said, names))

    def _of_work(self, step: Step, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        """Of a step that the node does itself."""
        stores = self.catalogue.datastores
        for place, each in step.opens().items():
            meant = near(each.datastore, stores)
            problem = opened_problem(each.datastore, each.holds, writes=each.writes, stores=stores, near=meant)
            if problem:
                yield Problem((*loc, *way(place)), problem)
        if step.source is not None:
            yield Problem((*loc, "source"), "A step of this kind has no files of its own. Take them away.")
        if step.environment_variables:
            sentence = "The node itself does this step, and there is no script for variables. Take them away."
            yield Problem((*loc, "environment_variables"), sentence)

    def _own_outputs(self, step: Step, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        kept = {output.name for output in step.keeps}
        for index, output in enumerate(step.outputs):
            if output.name in kept:
                sentence = f"A step of this kind keeps an output “{output.name}” of its own. Choose another name."
                yield Problem((*loc, index, "name"), sentence)

    def _variables(self, step: Step, loc: tuple[str | int, ...], names: _Names) -> Iterator[Problem]:
        yield from variable_problems(step.environment_variables, loc)
        for index, variable in enumerate(step.environment_variables[:MAX_VARIABLES]):
            sentences = self._text(step, parse_variable(variable.value), names)
            yield from (Problem((*loc, index, "value"), sentence) for sentence in sentences)

    def _text(self, step: Step, text: HasPlaceholders, names: _Names) -> Iterator[str]:
        if sum(map(len, text.texts)) > MAX_TEXT:
            yield f"This has more than {MAX_TEXT:,} characters. Use a file."
            return
        yield from text.problems
        yield from unknown_placeholders(
            text,
            inputs={given.name for given in step.inputs},
            outputs={output.name for output in step.outputs},
            parameters=names.parameters,
        )
        yield from missing_pieces(
            text, inputs={given.name for given in step.inputs if given.optional}, parameters=names.absent
        )
        if any(map(holds_placeholder, text.texts)):
            yield "“${{inputs.” and “${{outputs.” always begin a placeholder, and can't be kept as text."

    def _binding(self, step: Step, given: Input, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        binding = given.binding
        if binding is None and given.optional:
            return
        if binding is None:
            yield Problem(loc, f"Input “{given.name}” is not bound. Choose a dataset or another step's output.")
        elif isinstance(binding, DatasetBinding):
            if sentence := self.catalogue.missing(binding):
                yield Problem(loc, sentence)
        elif isinstance(binding, ModelBinding):
            if sentence := missing_model(binding, self.catalogue.models):
                yield Problem(loc, sentence)
        elif isinstance(binding, ParameterBinding):
            if sentence := self._unfit_parameter(given, binding):
                yield Problem(loc, sentence)
        elif binding.step not in self.places:
            yield Problem(loc, f"There is no step “{binding.step}”.{near(binding.step, self.places)}")
        elif binding.step == step.name:
            yield Problem(loc, "A step can't read its own output. Choose another step.")
        elif binding.output not in self.outputs[binding.step]:
            meant = near(binding.output, self.outputs[binding.step])
            yield Problem(loc, f"Step “{binding.step}” has no output “{binding.output}”.{meant}")

    def _unfit_parameter(self, given: Input, binding: ParameterBinding) -> str | None:
        parameter = self.parameters.get(binding.parameter)
        if parameter is None:
            meant = near(binding.parameter, self.parameters)
            return f"The pipeline has no parameter “{binding.parameter}”.{meant}"
        if parameter.type not in DATA_TYPES:
            return (
                f"Parameter “{parameter.name}” stands for no data. Make it a dataset or a data path, or choose another."
            )
        if parameter.may_be_absent and not given.optional:
            return f"Parameter “{parameter.name}” may be left out, so this input must be optional as well."
        return None

    def _run_after(self, step: Step, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        before: set[str] = set()
        for index, name in enumerate(step.run_after):
            if not name:
                yield Problem((*loc, index), "Choose the step to run after, or remove the line.")
            elif name not in self.places:
                yield Problem((*loc, index), f"There is no step “{name}”.{near(name, self.places)}")
            elif name == step.name:
                yield Problem((*loc, index), "A step can't run after itself. Choose another step.")
            elif name in before:
                yield Problem((*loc, index), f"“{name}” is named twice. Remove one of them.")
            before.add(name)

    def _only_if(self, step: Step, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        if step.only_if is None:
            return
        name = step.only_if.step
        if name not in self.places:
            meant = near(name, self.places)
            yield Problem(loc, f"There is no step “{name}”.{meant}" if name else "Choose a condition, or take it away.")
        elif name == step.name:
            yield Problem(loc, "A step can't decide whether it runs itself. Choose another condition.")
        elif not self.definition.steps[self.places[name]].answers:
            yield Problem(loc, f"“{name}” is no condition. Choose one, or say “Runs after”.")

    def _metrics(self, step: Step, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        """Of the steps whose metrics it reads. Which ones they log is known when they have run."""
        for place, name in step.reads_metrics():
            field = (*loc, *way(place))
            if name not in self.places:
                yield Problem(field, f"There is no step “{name}” to read metrics of.{near(name, self.places)}")
            elif name == step.name:
                yield Problem(field, "A step can't read its own metrics. Name another step.")
            elif not self.definition.steps[self.places[name]].has_job:
                yield Problem(field, f"“{name}” runs no script, so it logs no metrics. Name another step.")
            elif self.definition.steps[self.places[name]].works:
                yield Problem(field, f"“{name}” is done by the node itself, and logs no metrics. Name another step.")

    def _mode(self, given: Input, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        if (
            given.mode == "direct"
            and isinstance(given.binding, DatasetBinding)
            and self.catalogue.is_table(given.binding)
        ):
            yield Problem(
                loc,
                f"“{given.binding.dataset}” is a table, and a table has no address. Choose Download: the step finds "
                "its rows as Parquet files.",
            )

    def _output(self, output: Output, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        store = output.datastore
        if store is not None:
            problem = store_problem(store, self.catalogue.datastores, near(store, self.catalogue.datastores))
            if problem:
                yield Problem((*loc, "datastore"), problem)
        if output.path is not None:
            problem = destination_problem(output.path)
            if problem:
                yield Problem((*loc, "path"), problem)
        if output.file is not None and (problem := file_problem(output.file)):
            yield Problem((*loc, "file"), problem)
        if output.register_as is not None:
            yield from registration_problems(output.register_as, self.tabular, (*loc, "register_as"))

    def _environment(self, step: Step, loc: tuple[str | int, ...]) -> Iterator[Problem]:
        name, version = split_environment(step.environment)
        versions = self.catalogue.environments.get(name)
        if not step.environment:
            yield Problem((*loc, "environment"), "Choose an environment.")
        elif versions is None:
            meant = near(name, self.catalogue.environments)
            yield Problem((*loc, "environment"), f"There is no environment “{name}”.{meant}")
        elif version is not None and (not version.isdecimal() or int(version) not in versions):
            yield Problem((*loc, "environment"), f"Environment “{name}” has no version {version}.")
        elif step.needs and (packages := self.catalogue.packages.get(step.environment)) is not None:
            missing = [package for package in step.needs if package not in packages]
            if missing:
                yield Problem((*loc, "environment"), _lacks(step, " and ".join(missing)))


def split_environment(reference: str) -> tuple[str, str | None]:
    """`NAME` and, where it is given as `NAME:VERSION`, the version as it was written."""
    name, colon, version = reference.partition(":")
    return name, version if colon else None


def _files(step: Step, catalogue: Catalogue) -> SourceFiles | None:
    """None where it has no source, or one that is not there."""
    paths = catalogue.sources.get(step.source) if step.source is not None else None
    if step.source is None or paths is None:
        return None
    return SourceFiles(paths, catalogue.scripts.get((step.source, step.script)))


def _lacks(step: Step, packages: str) -> str:
    usual = type(step).model_fields["environment"].default
    other = f", or choose “{usual}”" if step.environment != usual else ""
    them = "them" if " and " in packages else "it"
    said = f"Environment “{step.environment}” has no {packages}, which this step needs."
    return f"{said} Add {them} to its packages{other}."


def _names(fields: Sequence[Any], example: str, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    """Whether each of these parts of a definition has a fit name, and one of its own."""
    for index, each in enumerate(fields):
        if not FIELD_NAME.match(each.name):
            yield Problem((*loc, index, "name"), _FIELD_NAME_RULE.format(example=example))
    yield from _duplicates(((*loc, index, "name"), each.name) for index, each in enumerate(fields))


def _duplicates(names: Iterable[tuple[tuple[str | int, ...], str]]) -> Iterator[Problem]:
    seen: set[str] = set()
    for loc, name in names:
        if name and name in seen:
            yield Problem(loc, f"There is another “{name}”. Choose a name of its own.")
        seen.add(name)


def _circles(definition: PipelineDefinition) -> Iterator[Problem]:
    """At each field that closes a circle, the way round: whichever of them is changed opens it."""
    edges = [edge for edge in edges_of(definition) if edge.upstream != edge.downstream]
    count = len(definition.steps)
    on_circles = steps_on_circles(count, edges)
    if not on_circles:
        return
    edges = [edge for edge in edges if edge.upstream in on_circles and edge.downstream in on_circles]
    successors = successors_of(count, edges)
    for edge in edges[:_CIRCLES_TOLD]:
        circle = circle_through(edge, successors)
        if circle is None:
            continue
        names = [definition.steps[step].name for step in circle]
        way = " → ".join(names if len(names) <= 12 else [*names[:6], "…", *names[-5:]])
        yield Problem(
            ("steps", edge.downstream, *edge.field),
            f"The steps go round in a circle: {way}. "
            + ("Bind one of them to something else." if edge.input else "Take one of these steps away here."),
        )
