"""Tags of runs and of their steps, by people and by the steps themselves; and what watchers hear of metrics."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from compute.listener import JobRecords
from compute.metrics.said import MAX_NAME, MAX_VALUE
from pipelines.models import JOB_OWNER, Run, StepRun, Tag
from pipelines.services.journal import held_run
from pipelines.services.trashing import refuse_in_trash
from studio.lib.clock import clock
from studio.lib.on_commit import publish_on_commit
from studio.lib.problems import Problem, UserError
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

MAX_TAGS = 100


def set_tags(access: Access, run: Run, step: StepRun | None, tags: Mapping[str, str | None]) -> None:
    """Set tags of a run, or of one step of it; None takes one away. The others stay as they are.

    Raises UserError at `("tags", NAME)`.
    """
    access.require(Permission.RUN)
    if problems := [problem for name, value in tags.items() if (problem := _problem(name, value))]:
        raise UserError(problems)
    of = Tag.objects.filter(run=run, step_run=step, is_property=False)
    set_now = {name.strip(): value for name, value in tags.items() if value is not None}
    with transaction.atomic():
        refuse_in_trash(held_run(run.pk))  # held: two who tag at once count each other's
        of.filter(name__in=[name.strip() for name, value in tags.items() if value is None]).delete()
        there = {tag.name: tag for tag in of}
        if len({*there, *set_now}) > MAX_TAGS:
            raise UserError(f"There can be at most {MAX_TAGS} tags. Remove some first.", loc=("tags",))
        now = timezone.now()
        for name, value in set_now.items():
            tag = there.get(name) or Tag(run=run, step_run=step, name=name)
            if tag.pk is None or tag.value != value:
                tag.value, tag.set_by, tag.set_at = value, access.user, now
                tag.save()


def follow_records(records: JobRecords) -> None:
    """Keep what a step says of itself, in the transaction that stores its metrics. Of what is no step's, nothing.

    A property that is there stays as it is; a tag gets the new value.
    """
    if not records.owner.startswith(JOB_OWNER):
        return
    step_id = int(records.owner.removeprefix(JOB_OWNER))
    found = StepRun.objects.filter(pk=step_id, job_id=records.job_id).values_list("run_id", "name").first()
    if found is None:  # its run was deleted, or continued since
        return
    run_id, name = found
    now = clock.now()
    rows = [
        Tag(
            run_id=run_id,
            step_run_id=step_id,
            is_property=label.is_property,
            name=label.name,
            value=label.value,
            set_at=now,
        )
        for label in records.labels
    ]
    there = {(tag.name, tag.is_property): tag for tag in Tag.objects.filter(step_run_id=step_id)} if rows else {}
    new = [row for row in rows if (row.name, row.is_property) not in there]
    # Where a person set the same tag at this moment, theirs stays: the step must not fail for it.
    Tag.objects.bulk_create(new, ignore_conflicts=True)
    for row in rows:
        known = there.get((row.name, row.is_property))
        if known is not None and not row.is_property and known.value != row.value:
            Tag.objects.filter(pk=known.pk).update(value=row.value, set_by=None, set_at=now)
    publish_on_commit(f"run.{run_id}", {"type": "run.measured", "step": name})


def _problem(name: str, value: str | None) -> Problem | None:
    loc = ("tags", name)
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        return Problem(loc, f"A tag's name is a line of at most {MAX_NAME} characters.")
    if value is not None and (len(value) > MAX_VALUE or not value.isprintable()):
        return Problem(loc, f"The value of “{name}” is a line of at most {MAX_VALUE:,} characters.")
    return None
