"""Steps that the studio takes care of itself begin, and what they are is decided by their kind."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from compute.spec import OutputRecord
from datastores.backends import Backend, get_backend
from datastores.models import Datastore
from pipelines.branching import values_of
from pipelines.expressions import read_value
from pipelines.kinds.without_job import Going, Known, Over, StepWithoutJob
from pipelines.models import Decision, StepRun
from pipelines.services.journal import TEND_TASK, Journal
from pipelines.services.measured import last_values
from pipelines.services.reading import Inputs
from pipelines.states import StepStatus
from studio.lib.clock import clock
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import UserError

DUE_TASK = "pipelines.end_due_steps"
RING_AHEAD_S = 30.0  # what is due later is rung for by a later sweep: a message that waits long is held by its worker
_LATE_S = 0.02  # a bell that rings a moment too early rings for nothing
MAX_READ_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class Begun:
    """Steps without a job that were asked to begin."""

    done: list[int] = field(default_factory=list)  # keys
    failed: list[StepRun] = field(default_factory=list)  # what depends on them is still to be skipped
    to_look_into: bool = False  # some wait until somebody has looked into their inputs


Contents = Mapping[str, Any] | str  # by input, what it holds; or a sentence on why that can't be told


def begin_without_job(journal: Journal, steps: Sequence[StepRun], contents: Mapping[int, Contents]) -> Begun:
    """`contents` has, by step, what those that look into their inputs find there: read before the transaction."""
    begun = Begun()
    if not steps:
        return begun
    values = values_of(journal.run)
    metrics = last_values(journal.run, {name for step in steps for _place, name in step.frozen.step.reads_metrics()})
    unread = False
    for step in steps:
        if journal.stops:  # the one before it failed
            break
        kind = step.frozen.step
        assert isinstance(kind, StepWithoutJob), "steps with a job are queued"
        if kind.makes_runs:
            journal.move_step(
                step, StepStatus.RUNNING, started_at=journal.at, attempt=step.attempt + 1, reuse_note=kind.note
            )
            enqueue_on_commit(TEND_TASK, step.pk)
            journal.start_run()
            continue
        if kind.looks and step.frozen.inputs and step.pk not in contents:
            unread = True
            continue
        found = contents.get(step.pk, {})
        if isinstance(found, str):
            what: Over | Going = Over(status=StepStatus.FAILED, reason=found)
        else:
            what = kind.begin(Known(at=journal.at, values=values, read=found, metrics=metrics))
        begins: dict[str, Any] = {"started_at": journal.at, "reuse_note": kind.note}
        if isinstance(what, Going):
            _go_on(journal, step, what, begins)
        elif end(journal, step, what, **begins):
            (begun.done.append(step.pk) if what.status == StepStatus.COMPLETED else begun.failed.append(step))
        journal.start_run()
    return Begun(begun.done, begun.failed, unread)


def _go_on(journal: Journal, step: StepRun, what: Going, begins: dict[str, Any]) -> None:
    journal.move_step(
        step,
        StepStatus.RUNNING,
        reason=what.reason,
        due_at=what.until,
        asks=what.asks,
        asks_others=what.asks_others,
        **begins,
    )
    if what.until is not None:
        ring_when_due(what.until)


def end(journal: Journal, step: StepRun, what: Over, *, by: str = "", comment: str = "", **more: Any) -> bool:
    """Note what a step came to. False: somebody else moved it before."""
    decision = Decision(answer=what.answer, values=dict(what.values), by=by, comment=comment)
    return journal.move_step(step, what.status, finished_at=journal.at, reason=what.reason, decision=decision, **more)


def ring_when_due(moment: datetime) -> None:
    """Ask for a look at the right second, if that is soon."""
    left_s = (moment - clock.now()).total_seconds()
    if left_s <= RING_AHEAD_S:
        enqueue_on_commit(DUE_TASK, countdown_s=max(0.0, left_s) + _LATE_S)


def look_into_inputs(steps: Sequence[StepRun], known: Inputs) -> dict[int, Contents]:
    """For `begin_without_job`, of steps that look. Asks datastores, so never within a transaction."""
    looking = [step for step in steps if isinstance(step.frozen.step, StepWithoutJob) and step.frozen.step.looks]
    missing = {step.pk: sentence for step in looking if (sentence := known.missing(step))}
    wanted = {step.pk: known.records(step) for step in looking if step.pk not in missing}
    places = {record.datastore_id for records in wanted.values() for record in records.values()}
    datastores = Datastore.objects.in_bulk(places)
    return {**missing, **{pk: _contents(records, datastores) for pk, records in wanted.items()}}


def _contents(records: Mapping[str, OutputRecord], datastores: Mapping[int, Datastore]) -> Contents:
    found: dict[str, Any] = {}
    for name, record in records.items():
        if record.datastore_id not in datastores:
            return f"The datastore that holds its input “{name}” is no longer registered."
        try:
            with closing(get_backend(datastores[record.datastore_id])) as backend:
                found[name] = read_value(_text(backend, record))
        except (UserError, OSError, ValueError) as error:
            return f"Its input “{name}” can't be read: {error}"
    return found


def _text(backend: Backend, record: OutputRecord) -> str:
    """Raises ValueError, with a sentence, for anything but a short file of text."""
    path = record.path
    if not record.is_file:
        files = list(islice((entry for entry in backend.glob(record.path) if entry.kind == "file"), 2))
        if len(files) != 1:
            what = "is empty" if not files else "holds several files"
            raise ValueError(f"the folder {what}. Let the step write one file, or say which file the output is.")
        path = files[0].path
    with backend.open_read(path) as file:
        content = file.read(MAX_READ_BYTES + 1)
    if len(content) > MAX_READ_BYTES:
        raise ValueError(f"the file has more than {MAX_READ_BYTES:,} bytes. Write what is to be compared alone.")
    try:
        return str(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError("the file is no text. Write a number, a word or JSON.") from error
