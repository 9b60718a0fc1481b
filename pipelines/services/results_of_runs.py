"""What a step that had runs made leaves for the steps behind it: what these runs wrote, or files of its own."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import closing

from compute.execution.outputs import fingerprint_part
from compute.spec import OutputRecord
from datastores.backends import get_backend
from datastores.models import Datastore
from pipelines.destinations import RUNS_FOLDER
from pipelines.items import MANIFEST, Item, folder_names
from pipelines.kinds.with_runs import Ended, NewRun, StepWithRuns
from pipelines.models import PipelineVersion, Run, StepOutputs, StepRun
from pipelines.nesting import taken_from
from pipelines.services.lists import noted_items, runs_for
from pipelines.states import StepStatus
from studio.lib.problems import UserError


def outputs_of_runs(step: StepRun, ended: Ended, children: list[Run]) -> tuple[StepOutputs | None, str]:
    """What its runs wrote, by the step's own outputs; and a sentence where one of these is not there.

    Raises UserError, OSError where a file of its own can't be written.
    """
    if ended.status != StepStatus.COMPLETED or not step.frozen.step.outputs:
        return None, ""
    chosen = [child for child in children if ended.is_of_all or child.child_number == ended.outputs_of]
    inner = PipelineVersion.objects.get(pk=step.frozen.runs_version_id).definition
    wanted = step.frozen.step.outputs
    own = {output.name: output.taken_from for output in wanted if output.taken_from in ended.files}
    sources = {
        output.name: taken_from(step.frozen.step, output.name, inner) or ("", "")
        for output in wanted
        if output.name not in own
    }
    written = _written_by(chosen, {name for name, _output in sources.values()})
    found: dict[int, dict[str, OutputRecord]] = {}
    for run in chosen:
        found[run.pk] = {}
        for name, (writer, output) in sources.items():
            record = written.get((run.pk, writer), {}).get(output)
            if record is None:
                return None, f"Run {run.pk} left no output “{name}”."
            found[run.pk][name] = record
    if not ended.is_of_all:
        outputs = {name: _written_file(step, name, file, ended.files[file]) for name, file in own.items()}
        return StepOutputs(outputs={**outputs, **(found[chosen[0].pk] if chosen else {})}), ""
    kind = step.frozen.step
    assert isinstance(kind, StepWithRuns), "no other step makes runs"
    return StepOutputs(outputs=_by_item(step, runs_for(noted_items(step, kind)), chosen, found)), ""


def _written_by(runs: Sequence[Run], names: set[str]) -> dict[tuple[int, str], Mapping[str, OutputRecord]]:
    """By run and step, what steps with these names wrote in these runs."""
    rows = StepRun.objects.filter(
        run__in=[run.pk for run in runs], name__in=names, status=StepStatus.COMPLETED, outputs__isnull=False
    )
    found = rows.values_list("run_id", "name", "outputs")
    return {(run, name): outputs.outputs for run, name, outputs in found if outputs}


def _by_item(
    step: StepRun, items: Sequence[NewRun], children: Sequence[Run], by_run: Mapping[int, Mapping[str, OutputRecord]]
) -> dict[str, OutputRecord]:
    """For each output one that is made of what the runs left: a folder for each item.

    `by_run` has, by the key of each run, the records of the step's own outputs. Beside the folders lies a file that
    says which is which.
    """
    names = folder_names([Item(label=each.label, values=dict(each.values)) for each in items])
    runs = {child.child_number: child.pk for child in children}
    about = [
        {"item": item.label, "values": item.values, "folder": name, "run": runs[item.number]}
        for name, item in zip(names, items, strict=True)
    ]
    content = json.dumps(about, ensure_ascii=False, indent=1).encode()
    found: dict[str, OutputRecord] = {}
    for output in step.frozen.step.outputs:
        parts = {name: by_run[runs[item.number]][output.name] for name, item in zip(names, items, strict=True)}
        found[output.name] = OutputRecord(
            datastore_id=step.frozen.datastore_id,
            path=_write(step, output.name, MANIFEST, content),
            fingerprint=_of_parts(parts),
            file_count=1 + sum(part.file_count for part in parts.values()),
            size_bytes=len(content) + sum(part.size_bytes for part in parts.values()),
            parts=parts,
        )
    return found


def _of_parts(parts: Mapping[str, OutputRecord]) -> str:
    """Of what the runs left, whichever runs that were; empty where that of one is not known."""
    if not all(part.fingerprint for part in parts.values()):
        return ""
    digest = hashlib.sha256(b"parts\n")
    for name in sorted(parts):
        digest.update(fingerprint_part(name.encode(), parts[name].fingerprint.encode()))
    return digest.hexdigest()


def _written_file(step: StepRun, output: str, file: str, content: object) -> OutputRecord:
    """A file of the step's own, as JSON."""
    data = json.dumps(content, indent=2, ensure_ascii=False).encode()
    folder = _write(step, output, file, data)
    digest = hashlib.sha256(fingerprint_part(file.encode(), hashlib.sha256(data).hexdigest().encode()))
    return OutputRecord(
        datastore_id=step.frozen.datastore_id,
        path=f"{folder}/{file}",
        is_file=True,
        fingerprint=digest.hexdigest(),
        file_count=1,
        size_bytes=len(data),
    )


def _write(step: StepRun, output: str, file: str, data: bytes) -> str:
    """A file where the step's outputs go, and the folder that it lies in. Twice is harmless: it says the same."""
    datastore = Datastore.objects.filter(pk=step.frozen.datastore_id).first()
    if datastore is None:
        raise UserError("the datastore that its outputs go to is no longer registered.")
    folder = f"{RUNS_FOLDER}/{step.run_id}/{step.name}/{step.attempt}/{output}"
    with closing(get_backend(datastore)) as backend:
        backend.write(f"{folder}/{file}", io.BytesIO(data))
    return folder
