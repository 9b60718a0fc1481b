"""What a step's list holds. Asks datastores, so never within a transaction."""

from collections.abc import Mapping
from contextlib import closing
from itertools import islice

from django.db import transaction

from datastores.backends import Backend, get_backend
from datastores.models import Datastore
from pipelines.branching import values_of
from pipelines.items import MAX_LIST_BYTES, Item, Items, ListError
from pipelines.kinds.with_runs import NewRun, StepWithRuns
from pipelines.models import PipelineVersion, StepRun
from pipelines.nesting import typed
from pipelines.parameters import value_problem
from pipelines.services.journal import held_run
from pipelines.services.reading import Inputs
from pipelines.states import StepStatus
from studio.lib.problems import UserError


def noted_items(step: StepRun, kind: StepWithRuns) -> Items:
    """Its list as the step's first turn read it. Raises UserError."""
    if step.run_items is None:
        step.run_items = _note(step, _read(step, kind))
    noted: Items = step.run_items
    return noted


def note_unfit(step: StepRun, unfit: Mapping[int, str]) -> None:
    """For these items, by number, no run can be submitted in this attempt of the step: the others are made."""
    with transaction.atomic():
        held_run(step.run_id)
        now = StepRun.objects.only("status", "attempt", "run_items").get(pk=step.pk)
        if now.run_items is None or now.status != StepStatus.RUNNING or now.attempt != step.attempt:
            return
        known = now.run_items.unfit_at(step.attempt)
        items = now.run_items.model_copy(update={"unfit": {**known, **unfit}, "unfit_in": step.attempt})
        StepRun.objects.filter(pk=step.pk).update(run_items=items)


def runs_for(noted: Items) -> list[NewRun]:
    """One for each item."""
    return [
        NewRun(number=number, label=item.label, values=item.values) for number, item in enumerate(noted.items, start=1)
    ]


def _note(step: StepRun, items: Items) -> Items:
    """Write it down, or take what somebody wrote down meanwhile."""
    with transaction.atomic():
        held_run(step.run_id)
        now = StepRun.objects.only("status", "attempt", "run_items").get(pk=step.pk)
        if now.run_items is not None:
            noted: Items = now.run_items
            return noted
        if now.status == StepStatus.RUNNING and now.attempt == step.attempt:
            StepRun.objects.filter(pk=step.pk).update(run_items=items)
    return items


def _read(step: StepRun, kind: StepWithRuns) -> Items:
    read = {name: _text_of(step, name) for name in sorted(kind.read_inputs)}
    try:
        found = kind.list_of(values_of(step.run), read)
    except ListError as error:
        raise UserError(str(error)) from error
    inner = PipelineVersion.objects.get(pk=step.frozen.runs_version_id).definition
    parameters = {parameter.name: parameter for parameter in inner.parameters}
    items: list[Item] = []
    for each in found:
        values = {name: typed(parameters[name], value) for name, value in each.values.items()}
        for name, value in values.items():
            if problem := value_problem(parameters[name], value):
                raise UserError(f"Item {each.number:,} of the list, “{each.label}”, can't be “{name}”: {problem}")
        items.append(Item(label=each.label, values=values))
    return Items(items=items)


def _text_of(step: StepRun, name: str) -> str:
    """What the file holds that an input leads to. Raises UserError."""
    given = step.frozen.inputs.get(name)
    if given is None:
        raise UserError(f"Its input “{name}”, which holds the list, has no data. Give the parameter a value.")
    known = Inputs.of([step])
    if sentence := known.missing(step):
        raise UserError(sentence)
    if given.step:
        record = known.records(step)[name]
        place, path = record.datastore_id, record.path
    else:
        if given.data is None or len(given.data.paths) != 1 or given.data.paths[0].datastore_id is None:
            raise UserError(f"Its input “{name}” holds the list, so it must be one file of a datastore.")
        place, path = given.data.paths[0].datastore_id, given.data.paths[0].path
    datastore = Datastore.objects.filter(pk=place).first()
    if datastore is None:
        raise UserError(f"The datastore that holds its input “{name}” is no longer registered.")
    try:
        with closing(get_backend(datastore)) as backend:
            return _one_file(backend, path)
    except (UserError, OSError, ValueError) as error:
        raise UserError(f"The list in its input “{name}” can't be read: {error}") from error


def _one_file(backend: Backend, path: str) -> str:
    """Raises ValueError, with a sentence, for anything but one file of text."""
    files = list(islice((entry for entry in backend.glob(path) if entry.kind == "file"), 2))
    if len(files) != 1:
        what = "there is no file" if not files else "there are several files"
        raise ValueError(f"{what}. Let the step write one, or say which file the output is.")
    with backend.open_read(files[0].path) as file:
        content = file.read(MAX_LIST_BYTES + 1)
    if len(content) > MAX_LIST_BYTES:
        raise ValueError(f"the file has more than {MAX_LIST_BYTES:,} bytes. Divide the list among several maps.")
    try:
        return str(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError("the file is no text. Write a JSON list, or an item on each line.") from error
