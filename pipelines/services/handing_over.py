"""What others took from a run stays when the run is deleted: it goes over to one of those who took it.

That step becomes the one that made the result, as far as anybody can ask: it has the files, the log, the metrics and
what was registered, and later steps may take the result from there. The others took it from that one.
"""

from collections.abc import Callable

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from compute.models import Attempt, Job
from pipelines.inner_runs import inner_runs
from pipelines.models import ReuseEnd, Run, StepOutput, StepRun
from pipelines.registered import ModelVersion
from pipelines.services.journal import STEP_FIELDS, Journal, held_run
from pipelines.services.sharing import hold_decisions
from studio.lib.batches import in_turn


def steps_taken_by_others(run_id: int) -> QuerySet[StepRun]:
    """The steps of a run whose results steps of other runs took. Runs that are being deleted need none any more."""
    takers = _takers(run_id).filter(reused_from=OuterRef("pk"))
    return StepRun.objects.filter(Exists(takers), run=run_id).order_by("pk")


def hand_over_results(run_id: int, breathe: Callable[[], None]) -> None:
    """One step after another, each in a transaction of its own; whoever is stopped in between begins anew."""
    after = 0
    while (pk := steps_taken_by_others(run_id).filter(pk__gte=after).values_list("pk", flat=True).first()) is not None:
        with in_turn():
            _hand_over(run_id, pk)
        after = pk  # or this one again: its heir went meanwhile
        breathe()


def takers_of(run_id: int) -> QuerySet[StepRun]:
    """The steps of other runs that took a result of this one, the heirs first: one of a run that stays goes before one
    of a run in the trash, and then the oldest.
    """
    return _takers(run_id).order_by(F("run__trashed_at").desc(nulls_first=True), "pk")


def _takers(run_id: int) -> QuerySet[StepRun]:
    return StepRun.objects.filter(reused_from__run=run_id, run__is_being_purged=False).exclude(run=run_id)


def _hand_over(run_id: int, maker_id: int) -> None:
    takers = takers_of(run_id).filter(reused_from=maker_id)
    found = takers.values_list("pk", "run_id", "run__workspace_id", "fingerprint").first()
    if found is None:
        return
    heir_id, heir_run_id, workspace_id, fingerprint = found
    hold_decisions(workspace_id, {fingerprint})
    heir_run = held_run(heir_run_id)
    if Run.everything.filter(pk=heir_run_id, is_being_purged=True).exists():
        return  # since we looked
    maker = StepRun.objects.defer("frozen").get(pk=maker_id)
    # Whoever moves a step holds its run: nobody else does now.
    heir = StepRun.objects.only(*STEP_FIELDS).get(pk=heir_id)
    if heir.reused_from_id != maker_id:
        return
    numbered_from = _hand_over_jobs(maker, heir)
    note = f"Made by run {run_id}, which was deleted since: its result, log and metrics went over to this step."
    changes = {
        "job_id": maker.job_id,
        "attempt": maker.attempt + numbered_from,
        "exit_code": maker.exit_code,
        "reused_from_id": None,
        "reuse_note": note,
    }
    StepRun.objects.filter(pk=maker_id).update(job=None)
    StepRun.objects.filter(pk=heir_id).update(**changes)
    StepRun.objects.filter(reused_from=maker_id).update(reused_from=heir_id)
    there = StepOutput.objects.filter(step_run=heir_id).values_list("name", flat=True)
    StepOutput.objects.filter(step_run=maker_id).exclude(name__in=list(there)).update(step_run=heir_id)
    ModelVersion.objects.filter(step_run=maker_id).update(step_run=heir_id, run_number=heir_run_id, step_name=heir.name)
    if not ReuseEnd.objects.filter(step_run=heir_id).exists():
        ReuseEnd.objects.filter(step_run=maker_id).update(step_run=heir_id)
    # What it came to lies in the runs that it had made: they are the heir's from now on.
    inner = [pk for child in Run.everything.filter(parent_step=maker_id) for pk in (child.pk, *inner_runs(child.pk))]
    Run.everything.filter(parent_step=maker_id).update(parent_step=heir_id)
    Run.everything.filter(pk__in=inner).update(trashed_at=heir_run.trashed_at)
    Run.everything.filter(pk=heir_run_id).update(output_bytes=None)
    for name, value in changes.items():
        setattr(heir, name, value)
    journal = Journal(heir_run, timezone.now())
    journal.tell_of(heir)
    journal.write()


def _hand_over_jobs(maker: StepRun, heir: StepRun) -> int:
    """Returns how many attempts the heir had of its own: those that it gets are numbered on from there.

    It had some where it was tried, failed, and took the result when its run was continued.
    """
    own = Attempt.objects.filter(job__owner=heir.job_owner).order_by("-number").values_list("number", flat=True).first()
    jobs = Job.objects.filter(owner=maker.job_owner)
    if own:
        # The highest first: no two of a job have one number at any moment.
        for attempt in Attempt.objects.filter(job__in=jobs).order_by("-number").only("pk", "number"):
            Attempt.objects.filter(pk=attempt.pk).update(number=attempt.number + own)
        jobs.update(attempt_number=F("attempt_number") + own)
    jobs.update(owner=heir.job_owner)
    return own or 0
