"""Submitting: a version of a pipeline becomes a run, frozen, and its first steps are queued."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.db import transaction

from compute.services import admit_run
from compute.spec import EnvironmentSpec, InputMode, JobInput
from datastores.paths import fixed_folder
from datastores.sources import DataPath, Definition, FileDefinition, TabularDefinition
from pipelines.catalogue import Bound, bind, catalogue_for
from pipelines.contents import content_of
from pipelines.data_values import NamedPath, read_data_path, read_dataset
from pipelines.definition import (
    DatasetBinding,
    Input,
    ModelBinding,
    OutputBinding,
    ParameterBinding,
    ParameterValue,
    PipelineDefinition,
    Step,
)
from pipelines.destinations import filled
from pipelines.events import RunChanged
from pipelines.graph import edges_of
from pipelines.kinds.with_runs import StepWithRuns
from pipelines.model_files import content_now
from pipelines.models import (
    NO_COMPUTE,
    Experiment,
    ExperimentTags,
    FrozenInput,
    FrozenModule,
    FrozenOutput,
    FrozenStep,
    Pipeline,
    PipelineVersion,
    Run,
    RunParameters,
    StepEdge,
    StepInput,
    StepRun,
)
from pipelines.modules.resolving import Resolved, Scope, resolved
from pipelines.nesting import reference
from pipelines.parameters import parameter_values
from pipelines.priorities import priority_problems
from pipelines.registered import ModelVersion
from pipelines.services.advancing import release
from pipelines.services.journal import Journal
from pipelines.services.new_steps import NewSteps
from pipelines.services.step_files import files_that_run, hashed, require_script
from pipelines.settling import settled
from pipelines.spreading import part_edges, spread
from pipelines.states import RunStatus
from pipelines.validation import data_problems, problems_of
from pipelines.variables import filled_variables
from pipelines.works import work_of
from studio.lib.collecting import uncollected
from studio.lib.problems import Problem, UserError
from studio.lib.statements import copy_of, insert_alike, insert_rows
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import NAME, Workspace
from studio.workspaces.permissions import Permission


def submit_run(
    access: Access,
    pipeline: Pipeline,
    *,
    version: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    experiment: str = "",
    priority: int = 0,
    continue_on_step_failure: bool | None = None,
    regenerate_outputs: bool = False,
    rerun_of: Run | None = None,
    within: Callable[[Run], None] | None = None,
) -> Run:
    """Freeze a version (the latest unless told otherwise) and everything it names, and queue its first steps.

    Where `continue_on_step_failure` is not given, it is the version's own.
    With `regenerate_outputs` no step takes an earlier result; what they write may be taken by later runs.
    `within` is told of the run in the transaction that makes it.

    Raises UserError with all problems of the definition, the parameters (`("parameters", NAME)`), the experiment and
    the priority, or where a quota does not allow another run.
    """
    access.require(Permission.RUN)
    experiment_name = experiment.strip() or default_experiment(pipeline.name)
    more = _experiment_problems(experiment_name) + priority_problems(access.role, priority)
    with uncollected():
        ready = prepare_run(access.workspace, _version(pipeline, version), parameters or {}, more_problems=more)
    if continue_on_step_failure is None:
        continue_on_step_failure = ready.definition.continue_on_step_failure
    with uncollected(), transaction.atomic():
        admit_run(access.workspace.pk, access.user.pk, steps=len(ready.frozen))
        group = experiment_for_run(access.workspace, experiment_name)
        run = insert_run(
            ready,
            workspace=access.workspace,
            experiment=group,
            submitted_by=access.user,
            priority=priority,
            continue_on_step_failure=continue_on_step_failure,
            rerun_of=rerun_of,
            regenerate_outputs=regenerate_outputs,
        )
        audit.record(access.workspace, access.user, "run.submit", f"run {run.pk} of {pipeline.name}")
        if within is not None:
            within(run)
    return run


def experiment_for_run(workspace: Workspace, name: str) -> Experiment:
    """Made where there is none, and brought back where somebody deleted it."""
    group, _made = Experiment.objects.get_or_create(workspace=workspace, name=name, defaults={"tags": ExperimentTags()})
    if group.deleted_at is not None:
        group.deleted_at = None
        group.save(update_fields=["deleted_at"])
    return group


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version with values, looked through and frozen: all that a run is but its row."""

    version: PipelineVersion
    definition: PipelineDefinition
    values: dict[str, ParameterValue]
    frozen: list[FrozenStep]


def prepare_run(
    workspace: Workspace,
    version: PipelineVersion,
    parameters: Mapping[str, Any],
    *,
    more_problems: Sequence[Problem] = (),
    contents: Mapping[str, str] = MappingProxyType({}),
) -> Prepared:
    """Read sources and data, never within a transaction: nobody should wait for a disk while holding the database.

    `contents` has the fingerprints of data paths, by how they are written, where somebody knows them already. Raises
    UserError with all problems.
    """
    definition = version.definition
    values, wrong_values = parameter_values(definition.parameters, parameters)
    catalogue = catalogue_for(workspace, definition, values, pipeline=version.pipeline)
    unfit = {str(problem.loc[-1]) for problem in wrong_values}
    problems = problems_of(definition, catalogue, values, unfit=unfit)
    given = resolved(settled(definition, values).definition, catalogue.modules, values)
    problems += wrong_values + data_problems(given.definition, values, catalogue) + list(more_problems)
    problems = problems or list(given.lacking())
    if problems:
        raise UserError(problems)
    frozen = spread(_Freezer(workspace, given, values, contents).steps(), values)
    return Prepared(version, definition, values, frozen)


def insert_run(ready: Prepared, **about: Any) -> Run:
    """Insert a run with its steps and queue the first of them, within a transaction. `about` are columns of its row.

    Raises UserError where a version of a model that it was to read has just been deleted.
    """
    _require_models(ready.frozen)
    run = Run.objects.create(
        pipeline=ready.version.pipeline,
        version=ready.version,
        parameters=RunParameters(values=ready.values),
        steps_total=len(ready.frozen),
        has_branches=any(each.step.only_if for each in ready.frozen),
        **about,
    )
    new = insert_steps(run, ready.definition, ready.frozen)
    journal = Journal(run, run.created_at)
    journal.tell(RunChanged(status=RunStatus.QUEUED))
    release(journal, new.roots, new=new)
    journal.write()
    return run


def _version(pipeline: Pipeline, number: int | None) -> PipelineVersion:
    if pipeline.deleted_at is not None:
        raise UserError(f"The pipeline “{pipeline.name}” was deleted.")
    wanted = pipeline.latest_version if number is None else number
    version = pipeline.versions.filter(number=wanted).first()
    if version is None:
        sentence = f"This pipeline has no version {wanted}." if wanted else "Save the pipeline before you submit it."
        raise UserError(sentence, loc=("version",))
    return version


def default_experiment(pipeline_name: str) -> str:
    """The pipeline's name as far as an experiment can have it."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", pipeline_name).strip("-_")[:100].rstrip("-") or "default"


def _experiment_problems(name: str) -> list[Problem]:
    return [] if re.match(NAME.regex, name) else [Problem(("experiment",), str(NAME.message))]


# In all else the steps of a new run are alike.
_OF_A_STEP = ("name", "position", "frozen", "waiting_for", "registers", "makes_runs")


def insert_steps(run: Run, definition: PipelineDefinition, frozen: list[FrozenStep]) -> NewSteps:
    """Insert steps and edges."""
    edges = {(edge.upstream, edge.downstream) for edge in edges_of(definition)}
    edges |= part_edges(frozen, edges)
    waiting_for = [0] * len(frozen)
    for _upstream, downstream in edges:
        waiting_for[downstream] += 1
    about = {"experiment": run.experiment.name}
    frozen = [_of_this_run(each, run.pk).model_copy(update=about) for each in frozen]
    like = StepRun(run=run, runs_anew=run.regenerate_outputs)
    steps = [
        copy_of(
            like,
            name=each.step.name,
            position=position,
            frozen=each,
            waiting_for=waiting_for[position],
            registers=any(output.register_as for output in each.step.outputs),
            makes_runs=each.step.makes_runs,
        )
        for position, each in enumerate(frozen)
    ]
    own = len(definition.steps)
    insert_alike(steps[:own], _OF_A_STEP)
    insert_alike(_with_wholes(steps[own:], steps[:own]), (*_OF_A_STEP, "part_of"))
    _note_inputs(steps)
    insert_rows(
        StepEdge,
        ("run_id", "upstream_id", "downstream_id"),
        [(run.pk, steps[upstream].pk, steps[downstream].pk) for upstream, downstream in sorted(edges)],
    )
    return NewSteps(steps, edges)


def _with_wholes(parts: list[StepRun], wholes: list[StepRun]) -> list[StepRun]:
    """Steps for single nodes, with the step that each is a part of."""
    keys = {step.name: step.pk for step in wholes} if parts else {}
    for each in parts:
        each.part_of_id = keys[each.frozen.part.step]
    return parts


def _of_this_run(frozen: FrozenStep, run_id: int) -> FrozenStep:
    """With the run's number in its destinations, which is known only now."""
    if not any(output.path for output in frozen.outputs.values()):
        return frozen
    outputs = {
        name: FrozenOutput(
            datastore_id=each.datastore_id, path=each.path and filled(each.path, run_id=run_id, output=name)
        )
        for name, each in frozen.outputs.items()
    }
    return frozen.model_copy(update={"outputs": outputs})


def _note_inputs(steps: list[StepRun]) -> None:
    """For the lineage: what each step reads, in one INSERT for all of them."""
    keys = {step.name: step.pk for step in steps}
    models = set(_held_models([step.frozen for step in steps]))
    names = ("step_run_id", "name", "dataset_version_id", "dataset", "model_version_id", "model")
    insert_rows(
        StepInput,
        (*names, "upstream_id", "upstream_output", "datastore_id", "path", "folder"),
        [
            (
                step.pk,
                name,
                given.version_id,
                given.dataset or "",
                given.registered_id if given.registered_id in models else None,
                given.model or "",
                keys[given.step] if given.step else None,
                given.output or "",
                *_place(given),
            )
            for step in steps
            for name, given in step.frozen.inputs.items()
        ],
    )


def _held_models(steps: Sequence[FrozenStep]) -> list[int]:
    """The versions of models that are read and still there: until the transaction ends nobody deletes them, and then
    they see who reads them.
    """
    named = {given.registered_id for step in steps for given in step.inputs.values() if given.registered_id}
    if not named:
        return []
    rows = ModelVersion.objects.filter(pk__in=named).select_for_update().order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _require_models(steps: Sequence[FrozenStep]) -> None:
    """Raises UserError where somebody deleted a version since it was looked up."""
    there = set(_held_models(steps))
    read = (given for step in steps for given in step.inputs.values() if given.registered_id)
    gone = next((given.model or "" for given in read if given.registered_id not in there), None)
    if gone is not None:
        raise UserError(f"Version {gone.rpartition(':')[2]} of model “{gone.rpartition(':')[0]}” was just deleted.")


def _place(given: FrozenInput) -> tuple[int | None, str, str]:
    """Datastore, path and folder of an input that is a path of its own."""
    if not given.is_path or given.data is None:
        return None, "", ""
    (path,) = given.data.paths
    return path.datastore_id, path.path, "" if path.is_web else fixed_folder(path.path)


class _Freezer:
    """Looks up what a good definition names, each thing once."""

    def __init__(
        self,
        workspace: Workspace,
        given: Resolved,
        values: Mapping[str, ParameterValue],
        known: Mapping[str, str],
    ) -> None:
        self.workspace = workspace
        self.scopes = given.scopes
        self.definition = definition = given.definition
        self.values = values
        self.bound: Bound = bind(workspace, definition, values)
        self.snapshots: dict[str, str] = {}  # what really runs, by the source it comes from
        self.known = known  # fingerprint by data path as it is written
        self.contents: dict[str, str] = {}  # fingerprint by what is read
        self.types = {parameter.name: parameter.type for parameter in definition.parameters}

    def steps(self) -> list[FrozenStep]:
        datastore = self.bound.datastores.get(None)
        if datastore is None:
            raise UserError("The workspace has no default datastore to keep outputs in. Make one the default.")
        return [self._step(index, step, datastore.pk) for index, step in enumerate(self.definition.steps)]

    def _step(self, index: int, step: Step, datastore_id: int) -> FrozenStep:
        if not step.has_job:
            return self._without_job(step, datastore_id)
        environment = None if step.works else self.bound.environments[step.environment]
        absent = {given.name for given in step.inputs if self._is_absent(given)}
        scope = self.scopes.get(index)
        values = scope.values if scope else self.values
        at = ("steps", index, "module") if scope else ("steps", index)
        snapshot = self._snapshot(step, at)
        return FrozenStep(
            step=step,
            snapshot=snapshot,
            hashed=hashed(self.workspace, step, snapshot, at=at),
            command=step.argv(values, absent),
            environment_variables=filled_variables(step.environment_variables, values, absent),
            work=work_of(step, values, {name: row.pk for name, row in self.bound.datastores.items() if name}),
            environment_name=f"{environment.name}:{environment.version}" if environment else "",
            environment=environment.spec if environment else EnvironmentSpec(),
            compute_id=self.bound.computes[step.compute].pk,
            datastore_id=datastore_id,
            inputs={given.name: self._input(step, given) for given in step.inputs if given.name not in absent},
            outputs={
                output.name: FrozenOutput(datastore_id=self.bound.datastores[output.datastore].pk, path=output.path)
                for output in step.outputs
                if output.datastore is not None or output.path is not None
            },
            module=_frozen_module(scope) if scope else None,
        )

    def _without_job(self, step: Step, datastore_id: int) -> FrozenStep:
        """It needs neither an environment nor compute, whatever the definition says of them."""
        return FrozenStep(
            step=step,
            snapshot="",
            command=[],
            environment_name="",
            environment=EnvironmentSpec(),
            compute_id=NO_COMPUTE,
            datastore_id=datastore_id,
            inputs={given.name: self._input(step, given) for given in step.inputs if not self._is_absent(given)},
            runs_version_id=self.bound.pipelines[reference(step)].pk if isinstance(step, StepWithRuns) else None,
        )

    def _snapshot(self, step: Step, at: tuple[str | int, ...]) -> str:
        source = step.source
        if source is None:
            return ""
        if source not in self.snapshots:
            self.snapshots[source] = files_that_run(self.workspace, source)
        require_script(self.workspace, step, self.snapshots[source], loc=(*at, step.script_field))
        return self.snapshots[source]

    def _is_absent(self, given: Input) -> bool:
        """Where it must not be, that is a problem of the definition, or of the values."""
        binding = given.binding
        return binding is None or (isinstance(binding, ParameterBinding) and binding.parameter not in self.values)

    def _input(self, step: Step, given: Input) -> FrozenInput:
        binding = self._meant(given)
        if isinstance(binding, OutputBinding):
            return FrozenInput(step=binding.step, output=binding.output, mode=given.mode)
        if isinstance(binding, NamedPath):
            return self._path(step, given, binding, self.known.get(self._written(given)))
        if isinstance(binding, ModelBinding):
            return self._model(step, given, self.bound.models[binding])
        version = self.bound.datasets[binding.dataset, binding.version]
        return FrozenInput(
            dataset=str(version),
            version_id=version.pk,
            data=_data(version.definition, given.mode),
            fingerprint=self._content(str(version.pk), version.definition) if step.allow_reuse else "",
            mode=given.mode,
        )

    def _model(self, step: Step, given: Input, version: ModelVersion) -> FrozenInput:
        if version.datastore is None or version.datastore.removed_at is not None:
            raise UserError(f"The datastore that holds model “{version}” is gone. Choose another version of it.")
        content = ""
        if step.allow_reuse:
            key = f"model {version.pk}"
            if key not in self.contents:
                self.contents[key] = content_now(version, workspace_id=self.workspace.pk)
            content = self.contents[key]
        data = JobInput(paths=[DataPath(datastore_id=version.datastore_id, path=version.path)], mode=given.mode)
        return FrozenInput(
            model=str(version), registered_id=version.pk, data=data, fingerprint=content, mode=given.mode
        )

    def _meant(self, given: Input) -> DatasetBinding | ModelBinding | OutputBinding | NamedPath:
        """What feeds an input that is there, a parameter's value in the place of the parameter."""
        binding = given.binding
        assert binding is not None, "an unbound input is absent, or a problem"
        if not isinstance(binding, ParameterBinding):
            return binding
        value = str(self.values[binding.parameter])
        is_path = self.types[binding.parameter] == "data_path"
        return read_data_path(value) if is_path else read_dataset(value)

    def _written(self, given: Input) -> str:
        binding = given.binding
        return str(self.values[binding.parameter]) if isinstance(binding, ParameterBinding) else ""

    def _path(self, step: Step, given: Input, named: NamedPath, known: str | None) -> FrozenInput:
        store = self.bound.datastores[named.datastore].pk if named.datastore else None
        definition = FileDefinition(paths=[DataPath(datastore_id=store, path=named.path)])
        content = ""
        if step.allow_reuse:
            content = self._content(f"{store} {named.path}", definition) if known is None else known
        return FrozenInput(data=_data(definition, given.mode), fingerprint=content, mode=given.mode)

    def _content(self, key: str, definition: Definition) -> str:
        """What the data is now. Empty, which forbids reuse, where nobody can say."""
        if key not in self.contents:
            self.contents[key] = content_of(definition, workspace_id=self.workspace.pk)
        return self.contents[key]


def _frozen_module(scope: Scope) -> FrozenModule:
    module = scope.module
    return FrozenModule(
        module_id=module.module_id,
        name=module.name,
        version=module.number,
        parameters=module.definition.parameters,
        values=dict(scope.values),
    )


def _data(definition: FileDefinition | TabularDefinition, mode: InputMode) -> JobInput:
    if isinstance(definition, TabularDefinition):
        return JobInput(table=definition, mode=mode)
    return JobInput(paths=definition.paths, mode=mode)
