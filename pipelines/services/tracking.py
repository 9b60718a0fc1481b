"""Runs that a client makes somewhere else and only tells of; and what clients log to them, and to steps that run here.

Such a run is one of a pipeline with a single step of the kind `tracked`, so that everything which holds for runs holds
for it: pages, events, metrics, tags, comparison, trash. It goes on until its client, or whoever cancels it, says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compute.metrics.from_clients import ClientPoint, log_points
from compute.models import Attempt
from compute.services import job_of_client
from compute.spec import EnvironmentSpec
from datastores.models import Datastore
from pipelines.definition import PipelineDefinition
from pipelines.kinds.tracked import TrackedStep
from pipelines.kinds.without_job import Over
from pipelines.models import (
    NO_COMPUTE,
    FrozenStep,
    Pipeline,
    PipelineVersion,
    Run,
    StepRun,
    Tag,
)
from pipelines.outline import outline_of
from pipelines.services.advancing import artifacts_of, end_without_job
from pipelines.services.journal import Journal, held_run
from pipelines.services.submitting import Prepared, experiment_for_run, insert_run
from pipelines.services.trashing import refuse_in_trash
from pipelines.states import STEP_TERMINAL, StepStatus
from pipelines.texts import unfit_text
from studio.lib.on_commit import publish_on_commit
from studio.lib.problems import ConflictError, Problem, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import User
from studio.workspaces.permissions import Permission

PIPELINE = "Tracked runs"
STEP = "client"
RUN_NAME = "mlflow.runName"  # the tag that is a run's name
MAX_EXPERIMENT_NAME = 100
MAX_LABEL_NAME = 250
MAX_LABEL_VALUE = 8000
MAX_LABELS = 1000  # tags of a run, and as many properties
ENDS = frozenset({StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED})
_EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.get_default_timezone())


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a client logs at once. A property is said once; saying the same again changes nothing."""

    points: Sequence[ClientPoint] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


class SaidOtherwiseError(UserError):
    """A property of this name has another value."""


def start_tracked_run(
    access: Access,
    *,
    experiment: str,
    name: str = "",
    tags: Mapping[str, str] | None = None,
    began_at: datetime | None = None,
) -> StepRun:
    """A run that goes on until `end_tracked_run`, in an experiment that is made where there is none.

    Raises UserError at `experiment`, `name`, `began_at` and `("tags", NAME)`.
    """
    access.require(Permission.RUN)
    words = dict(tags or {})
    if name:
        words[RUN_NAME] = name
    problems = [*experiment_problems(experiment), *label_problems(words, "tags"), *_moment_problems(began_at)]
    if problems:
        raise UserError(problems)
    datastore = Datastore.objects.filter(workspace=access.workspace, is_default=True).first()
    if datastore is None:
        raise UserError("The workspace has no default datastore to keep files in. Make one the default.")
    with transaction.atomic():
        group = experiment_for_run(access.workspace, experiment.strip())
        version = _version(access)
        frozen = FrozenStep(
            step=version.definition.steps[0],
            snapshot="",
            command=[],
            environment_name="",
            environment=EnvironmentSpec(),
            compute_id=NO_COMPUTE,
            datastore_id=datastore.pk,
        )
        run = insert_run(
            Prepared(version, version.definition, {}, [frozen]),
            workspace=access.workspace,
            experiment=group,
            submitted_by=access.user,
        )
        step = StepRun.objects.select_related("run").get(run=run)
        began_at = began_at or run.created_at
        attempt = job_of_client(
            access.workspace,
            owner=step.job_owner,
            title=f"{step.name} of run {run.pk}",
            requested_by_id=access.user.pk,
            artifacts=artifacts_of(step),
            at=began_at,
        )
        step.job_id, step.attempt, step.started_at = attempt.job_id, attempt.number, began_at
        step.save(update_fields=["job", "attempt", "started_at"])
        Run.objects.filter(pk=run.pk).update(started_at=began_at)
        _label(step, words, access.user, is_property=False)
        audit.record(access.workspace, access.user, "run.track", f"run {run.pk} in {group.name}")
    return step


def end_tracked_run(
    access: Access, step: StepRun, status: StepStatus, *, reason: str = "", ended_at: datetime | None = None
) -> bool:
    """Say how it ended. False: it is over already, and nothing was changed.

    Raises UserError at `status` for one that is no end, and for a run that a client did not begin; ConflictError where
    it is in the trash.
    """
    access.require(Permission.RUN)
    problems = _moment_problems(ended_at, "ended_at")
    if status not in ENDS:
        problems.append(Problem(("status",), f"A run ends as one of {', '.join(sorted(ENDS))}."))
    if next(unfit_text(reason, ()), None) is not None or len(reason) > MAX_LABEL_VALUE:
        problems.append(Problem(("reason",), f"A reason is a text of at most {MAX_LABEL_VALUE:,} characters."))
    if problems:
        raise UserError(problems)
    refuse_unless_tracked(step)
    with transaction.atomic():
        run = held_run(step.run_id)
        refuse_in_trash(run)
        journal = Journal(run, ended_at or timezone.now())
        held = StepRun.objects.get(pk=step.pk)
        if held.status in STEP_TERMINAL:
            return False
        if status == StepStatus.CANCELLED:
            ended = journal.move_step(held, status, finished_at=journal.at, reason=reason or "Ended by its client.")
        else:
            ended = end_without_job(journal, held, Over(status=status, reason=reason))
        journal.write()
        step.refresh_from_db()
    return ended


def refuse_unless_tracked(step: StepRun) -> None:
    """Raises ConflictError for a step that the studio runs itself."""
    if not isinstance(step.frozen.step, TrackedStep):
        raise ConflictError(
            f"“{step.name}” of run {step.run_id} is run by the studio, and ends when its program does.",
            status=step.status,
        )


def attempt_to_log_to(step: StepRun, *, as_its_program: bool) -> Attempt:
    """What a client may log to: a run that a client began, and a step that runs here only to its own program.

    Raises ConflictError.
    """
    if not isinstance(step.frozen.step, TrackedStep):
        if not as_its_program:
            raise ConflictError(
                f"“{step.name}” of run {step.run_id} is run by the studio: only its own program logs to it. "
                "Begin a run of your own.",
                status=step.status,
            )
        if step.status in STEP_TERMINAL:
            raise ConflictError(f"“{step.name}” of run {step.run_id} is over.", status=step.status)
    found = Attempt.objects.filter(job=step.job_id, number=step.attempt).first()
    if found is None:
        raise ConflictError(f"“{step.name}” of run {step.run_id} has not begun.", status=step.status)
    return found


def log_records(
    access: Access, step: StepRun, attempt: Attempt | None, records: Records, *, by_program: bool = False
) -> None:
    """Log all of it or nothing; `attempt` takes the points, of `attempt_to_log_to`.

    Tags that the step's own program sets are set by nobody else, as those that it sets by the SDK.

    Raises UserError at `points`, `("tags", NAME)`, `("properties", NAME)`, SaidOtherwiseError at the latter, and
    ConflictError where the run is in the trash.
    """
    access.require(Permission.RUN)
    problems = [*label_problems(records.tags, "tags"), *label_problems(records.properties, "properties")]
    if problems:
        raise UserError(problems)
    with transaction.atomic():
        if records.points and attempt is not None:  # the attempt before the run: a node that finishes does the same
            log_points(attempt.pk, records.points)
        if not records.tags and not records.properties:
            return
        refuse_in_trash(held_run(step.run_id))
        by = None if by_program else access.user
        _label(step, records.properties, by, is_property=True)
        _label(step, records.tags, by, is_property=False)


def remove_tag(access: Access, step: StepRun, name: str) -> bool:
    """False: there is none of that name."""
    access.require(Permission.RUN)
    with transaction.atomic():
        refuse_in_trash(held_run(step.run_id))
        gone, _each = Tag.objects.filter(step_run=step, is_property=False, name=name).delete()
        _tell(step)
    return bool(gone)


def experiment_problems(name: str) -> list[Problem]:
    name = name.strip()
    if not name or len(name) > MAX_EXPERIMENT_NAME or not name.isprintable():
        return [
            Problem(("experiment",), f"An experiment's name is a line of at most {MAX_EXPERIMENT_NAME} characters.")
        ]
    return []


def label_problems(labels: Mapping[str, str], field_name: str) -> list[Problem]:
    found = []
    for name, value in labels.items():
        loc = (field_name, name[:80])
        if not name.strip() or len(name) > MAX_LABEL_NAME or not name.isprintable():
            found.append(Problem(loc, f"A name is a line of at most {MAX_LABEL_NAME} characters."))
        elif len(value) > MAX_LABEL_VALUE or next(unfit_text(value, ()), None) is not None:
            found.append(Problem(loc, f"The value of “{name}” is a text of at most {MAX_LABEL_VALUE:,} characters."))
    return found


def _label(step: StepRun, labels: Mapping[str, str], by: User | None, *, is_property: bool) -> None:
    """Within a transaction that holds the run."""
    if not labels:
        return
    there = {tag.name: tag for tag in Tag.objects.filter(step_run=step, is_property=is_property)}
    if len({*there, *labels}) > MAX_LABELS:
        what = "properties" if is_property else "tags"
        raise UserError(f"A run may have at most {MAX_LABELS:,} {what}.", loc=(what,))
    changed = {name: value for name, value in labels.items() if name in there and there[name].value != value}
    if is_property and changed:
        name, value = next(iter(changed.items()))
        raise SaidOtherwiseError(
            f"“{name}” is “{there[name].value[:200]}” already and stays so: it can't become “{value[:200]}”.",
            loc=("properties", name),
        )
    now = timezone.now()
    Tag.objects.bulk_create(
        Tag(
            run_id=step.run_id,
            step_run=step,
            is_property=is_property,
            name=name,
            value=value,
            set_by=by,
            set_at=now,
        )
        for name, value in labels.items()
        if name not in there
    )
    for name, value in changed.items():
        Tag.objects.filter(pk=there[name].pk).update(value=value, set_by=by, set_at=now)
    _tell(step)


def _tell(step: StepRun) -> None:
    publish_on_commit(f"run.{step.run_id}", {"type": "run.measured", "step": step.name})


def _moment_problems(moment: datetime | None, name: str = "began_at") -> list[Problem]:
    if moment is None or _EARLIEST <= moment <= timezone.now() + timedelta(days=1):
        return []
    return [Problem((name,), "Give a time between the year 2000 and now.")]


def _version(access: Access) -> PipelineVersion:
    """The pipeline that such runs are of, made by the first of them. Whatever somebody makes of it, there is one."""
    pipeline, _made = Pipeline.objects.get_or_create(
        workspace=access.workspace,
        name=PIPELINE,
        deleted_at=None,
        defaults={
            "description": "Runs that programs make somewhere else, and log here: by MLflow's client, or by the SDK.",
            "created_by": access.user,
        },
    )
    newest = pipeline.versions.order_by("-number").first()
    if newest is not None and [type(step) for step in newest.definition.steps] == [TrackedStep]:
        return newest
    definition = PipelineDefinition(steps=[TrackedStep(name=STEP)])
    Pipeline.objects.filter(pk=pipeline.pk).update(latest_version=F("latest_version") + 1, updated_at=timezone.now())
    pipeline.refresh_from_db(fields=["latest_version"])
    return PipelineVersion.objects.create(
        pipeline=pipeline,
        number=pipeline.latest_version,
        definition=definition,
        outline=outline_of(definition),
        created_by=access.user,
    )
