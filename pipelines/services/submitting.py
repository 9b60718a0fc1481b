"""Submitting: a version of a pipeline becomes a run, frozen, and its first steps are queued."""

import re
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from compute.services import admit_run
from compute.spec import InputMode, JobInput
from datastores import snapshots
from datastores.paths import fixed_folder
from datastores.sources import DataPath, Definition, FileDefinition, TabularDefinition
from pipelines.catalogue import Bound, bind, catalogue_for
from pipelines.contents import content_of
from pipelines.data_values import NamedPath, read_data_path, read_dataset
from pipelines.definition import (
    DatasetBinding,
    Input,
    OutputBinding,
    ParameterBinding,
    ParameterValue,
    PipelineDefinition,
    Step,
)
from pipelines.destinations import filled
from pipelines.events import RunChanged
from pipelines.graph import edges_of
from pipelines.models import (
    Experiment,
    FrozenInput,
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
from pipelines.parameters import parameter_values
from pipelines.priorities import priority_problems
from pipelines.services.advancing import release
from pipelines.services.journal import Journal
from pipelines.states import RunStatus
from pipelines.validation import data_problems, problems_of
from studio.lib.problems import Problem, UserError
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
) -> Run:
    """Freeze a version (the latest unless told otherwise) and everything it names, and queue its first steps.

    Raises UserError with all problems of the definition, the parameters (`("parameters", NAME)`), the experiment and
    the priority, or where a quota does not allow another run.
    """
    access.require(Permission.RUN)
    row = _version(pipeline, version)
    definition = row.definition
    values, wrong_values = parameter_values(definition.parameters, parameters or {})
    catalogue = catalogue_for(access.workspace, definition, values)
    problems = problems_of(definition, catalogue)
    experiment_name = experiment.strip() or _default_experiment(pipeline.name)
    problems += wrong_values + data_problems(definition, values, catalogue)
    problems += _experiment_problems(experiment_name) + priority_problems(access.role, priority)
    if problems:
        raise UserError(problems)
    # Sources and data are read before the transaction: nobody should wait for a disk.
    frozen = _Freezer(access.workspace, definition, values).steps()
    with transaction.atomic():
        admit_run(access.workspace.pk, access.user.pk, steps=len(frozen))
        group, _created = Experiment.objects.get_or_create(workspace=access.workspace, name=experiment_name)
        run = Run.objects.create(
            workspace=access.workspace,
            pipeline=pipeline,
            version=row,
            experiment=group,
            parameters=RunParameters(values=values),
            submitted_by=access.user,
            priority=priority,
            steps_total=len(frozen),
        )
        roots = _insert_steps(run, definition, frozen)
        journal = Journal(run, run.created_at)
        journal.tell(RunChanged(status=RunStatus.QUEUED))
        release(journal, roots)
        journal.write()
        audit.record(access.workspace, access.user, "run.submit", f"run {run.pk} of {pipeline.name}")
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


def _default_experiment(pipeline_name: str) -> str:
    """The pipeline's name as far as an experiment can have it."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", pipeline_name).strip("-_")[:100].rstrip("-") or "default"


def _experiment_problems(name: str) -> list[Problem]:
    return [] if re.match(NAME.regex, name) else [Problem(("experiment",), str(NAME.message))]


def _insert_steps(run: Run, definition: PipelineDefinition, frozen: list[FrozenStep]) -> list[StepRun]:
    """Insert steps and edges. Returns those that wait for nothing."""
    edges = {(edge.upstream, edge.downstream) for edge in edges_of(definition)}
    waiting_for = [0] * len(frozen)
    for _upstream, downstream in edges:
        waiting_for[downstream] += 1
    frozen = [_of_this_run(each, run.pk) for each in frozen]
    steps = StepRun.objects.bulk_create(
        StepRun(
            run=run,
            name=each.step.name,
            position=position,
            frozen=each,
            waiting_for=waiting_for[position],
            registers=any(output.register_as for output in each.step.outputs),
        )
        for position, each in enumerate(frozen)
    )
    _note_inputs(steps)
    StepEdge.objects.bulk_create(
        StepEdge(run=run, upstream=steps[upstream], downstream=steps[downstream])
        for upstream, downstream in sorted(edges)
    )
    return [step for step in steps if not step.waiting_for]


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
    by_name = {step.name: step for step in steps}
    StepInput.objects.bulk_create(
        StepInput(
            step_run=step,
            name=name,
            dataset_version_id=given.version_id,
            dataset=given.dataset or "",
            upstream=by_name[given.step] if given.step else None,
            upstream_output=given.output or "",
            **_place(given),
        )
        for step in steps
        for name, given in step.frozen.inputs.items()
    )


def _place(given: FrozenInput) -> dict[str, Any]:
    """Of an input that is a path of its own."""
    if given.dataset or given.step or given.data is None:
        return {}
    (path,) = given.data.paths
    folder = "" if path.is_web else fixed_folder(path.path)
    return {"datastore_id": path.datastore_id, "path": path.path, "folder": folder}


class _Freezer:
    """Looks up what a good definition names, each thing once."""

    def __init__(
        self, workspace: Workspace, definition: PipelineDefinition, values: Mapping[str, ParameterValue]
    ) -> None:
        self.workspace = workspace
        self.definition = definition
        self.values = values
        self.bound: Bound = bind(workspace, definition, values)
        self.snapshots: dict[str, str] = {}  # what really runs, by the source it comes from
        self.contents: dict[str, str] = {}  # fingerprint by what is read
        self.types = {parameter.name: parameter.type for parameter in definition.parameters}

    def steps(self) -> list[FrozenStep]:
        datastore = self.bound.datastores.get(None)
        if datastore is None:
            raise UserError("The workspace has no default datastore to keep outputs in. Make one the default.")
        return [self._step(index, step, datastore.pk) for index, step in enumerate(self.definition.steps)]

    def _step(self, index: int, step: Step, datastore_id: int) -> FrozenStep:
        environment = self.bound.environments[step.environment]
        absent = {given.name for given in step.inputs if self._is_absent(given)}
        return FrozenStep(
            step=step,
            snapshot=self._snapshot(index, step),
            command=step.argv(self.values, absent),
            environment_name=f"{environment.name}:{environment.version}",
            environment=environment.spec,
            compute_id=self.bound.computes[step.compute].pk,
            datastore_id=datastore_id,
            inputs={given.name: self._input(step, given) for given in step.inputs if given.name not in absent},
            outputs={
                output.name: FrozenOutput(datastore_id=self.bound.datastores[output.datastore].pk, path=output.path)
                for output in step.outputs
                if output.datastore is not None or output.path is not None
            },
        )

    def _snapshot(self, index: int, step: Step) -> str:
        source = step.source
        if source is None:
            return ""
        if source not in self.snapshots:
            self.snapshots[source] = snapshots.for_run(snapshots.get_snapshot(self.workspace, source)).digest
        digest = self.snapshots[source]
        if digest != source and step.script and step.script not in snapshots.paths_of(self.workspace.pk, digest):
            raise UserError(
                f"“{step.script}” is left out by the .amlignore or .gitignore of its folder. Change that file.",
                loc=("steps", index, "entry"),
            )
        return digest

    def _is_absent(self, given: Input) -> bool:
        """Where it must not be, that is a problem of the definition, or of the values."""
        binding = given.binding
        return binding is None or (isinstance(binding, ParameterBinding) and binding.parameter not in self.values)

    def _input(self, step: Step, given: Input) -> FrozenInput:
        binding = self._meant(given)
        if isinstance(binding, OutputBinding):
            return FrozenInput(step=binding.step, output=binding.output, mode=given.mode)
        if isinstance(binding, NamedPath):
            return self._path(step, given, binding)
        version = self.bound.datasets[binding.dataset, binding.version]
        return FrozenInput(
            dataset=str(version),
            version_id=version.pk,
            data=_data(version.definition, given.mode),
            fingerprint=self._content(str(version.pk), version.definition) if step.allow_reuse else "",
            mode=given.mode,
        )

    def _meant(self, given: Input) -> DatasetBinding | OutputBinding | NamedPath:
        """What feeds an input that is there, a parameter's value in the place of the parameter."""
        binding = given.binding
        assert binding is not None, "an unbound input is absent, or a problem"
        if not isinstance(binding, ParameterBinding):
            return binding
        value = str(self.values[binding.parameter])
        is_path = self.types[binding.parameter] == "data_path"
        return read_data_path(value) if is_path else read_dataset(value)

    def _path(self, step: Step, given: Input, named: NamedPath) -> FrozenInput:
        store = self.bound.datastores[named.datastore].pk if named.datastore else None
        definition = FileDefinition(paths=[DataPath(datastore_id=store, path=named.path)])
        return FrozenInput(
            data=_data(definition, given.mode),
            fingerprint=self._content(f"{store} {named.path}", definition) if step.allow_reuse else "",
            mode=given.mode,
        )

    def _content(self, key: str, definition: Definition) -> str:
        """What the data is now. Empty, which forbids reuse, where nobody can say."""
        if key not in self.contents:
            self.contents[key] = content_of(definition, workspace_id=self.workspace.pk)
        return self.contents[key]


def _data(definition: FileDefinition | TabularDefinition, mode: InputMode) -> JobInput:
    if isinstance(definition, TabularDefinition):
        return JobInput(table=definition, mode=mode)
    return JobInput(paths=definition.paths, mode=mode)
