"""The runs that steps of a run had made, and steps of those: they share its way into the trash and out of it."""

from pipelines.kinds.with_runs import RunMade
from pipelines.models import Run, StepRun
from pipelines.states import RunStatus


def inner_runs(run_id: int) -> list[int]:
    """Their numbers at any depth, the outer ones first, in the trash or not. A query for each level."""
    found: list[int] = []
    level = [run_id]
    while level:
        inner = Run.everything.filter(parent_step__run__in=level).order_by("pk")
        level = list(inner.values_list("pk", flat=True))
        found += level
    return found


def has_inner_runs(run: Run) -> bool:
    """Whether a step of it had runs made."""
    return Run.everything.filter(parent_step__run=run).exists()


def maker_of(step: StepRun) -> int:
    """The key of the step whose runs they are: of one that a rerun kept, the earlier one."""
    return step.reused_from_id or step.pk


def outermost(run: Run) -> Run:
    """The run that somebody submitted, of which this one is a part; itself where that is it."""
    while run.parent_step_id is not None:
        run = Run.everything.select_related("trash__trashed_by").get(steps=run.parent_step_id)
    return run


def made_of(child: Run) -> RunMade:
    """As its step's kind sees it; its values only where they were read."""
    return RunMade(
        number=child.child_number,
        label=child.child_label,
        run_id=child.pk,
        status=RunStatus(child.status),
        reason=child.reason,
        values={} if "parameters" in child.get_deferred_fields() else child.parameters.values,
    )
