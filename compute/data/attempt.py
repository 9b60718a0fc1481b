"""All data of one attempt: brought before its command, taken away after it, let go of in any case."""

from pathlib import Path
from typing import Self

from compute.data.desk import Desk, LastDesk
from compute.data.inputs import Inputs
from compute.data.mounting import Mounts
from compute.data.outputs import lay_out, upload_outputs
from compute.execution.outputs import Output, record_outputs
from compute.execution.reasons import StepFailure, of_empty_output
from compute.execution.usage.folders import is_larger
from compute.services.leases import Lease
from compute.sizes import size_words
from compute.spec import JobResult, OutputRecord
from datastores.places import Places
from datastores.sources import DataPath
from studio.lib.problems import UserError


class AttemptData:
    """Lies below `root`. A context, for what is mounted has to go whatever happens."""

    def __init__(self, lease: Lease, root: Path, desk: Desk) -> None:
        self.lease, self.root, self.desk = lease, root, desk
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, Output] = {}
        self.in_place: list[Path] = []  # what of the inputs is read where it lies, outside of `root`
        self._mounts = Mounts(root / "mounts", desk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._mounts.close()

    def bring(self) -> None:
        """Raises StepFailure, InterruptedByWish, OSError."""
        spec = self.lease.spec
        if not (spec.inputs or spec.outputs):
            return
        with Places(self.lease.workspace_id) as places:
            wanted = [
                *(path for data in spec.inputs.values() for path in data.paths),
                *(DataPath(datastore_id=output.datastore_id, path="") for output in spec.outputs.values()),
            ]
            self.desk.from_database(lambda: places.load(wanted))
            self.outputs = lay_out(
                spec.outputs,
                attempt=self.lease.attempt,
                aside=self.root / "outputs",
                places=places,
                desk=self.desk,
            )
            inputs = Inputs(self.root, places=places, desk=self.desk, mounts=self._mounts)
            self.inputs = inputs.bring(spec.inputs)
            self.in_place = inputs.in_place

    def take_away(self) -> JobResult:
        """What the command left in its outputs. Raises StepFailure, InterruptedByWish, OSError."""
        result = record_outputs(self.outputs, self.desk.say, self.desk.check)
        for name, record in result.outputs.items():
            if not record.file_count and self.outputs[name].is_required:
                raise StepFailure(of_empty_output(name, self.outputs[name].file))
            if not record.file_count and not self.outputs[name].is_kept:
                self.desk.say(_empty_output(name, self.outputs[name].file))
        upload_outputs(self.outputs, workspace_id=self.lease.workspace_id, desk=self.desk)
        return result

    def keep(self, *, limit_bytes: int | None) -> JobResult | None:
        """What a command that came to nothing left in the outputs that are kept all the same; None where it is nothing.

        What can't be kept is told, and changes nothing about how the attempt ended.
        """
        desk = LastDesk(self.desk.handle, self.desk.log)
        kept: dict[str, OutputRecord] = {}
        for name, output in self.outputs.items():
            if not output.is_kept:
                continue
            try:
                if limit_bytes is not None and is_larger(output.folder, limit_bytes):
                    desk.say(f"Output “{name}” is not kept: it is larger than its limit of {size_words(limit_bytes)}.")
                    continue
                record = record_outputs({name: output}, desk.say, desk.check).outputs[name]
                if record.file_count:
                    upload_outputs({name: output}, workspace_id=self.lease.workspace_id, desk=desk)
                    kept[name] = record
            except (StepFailure, UserError, OSError) as error:
                desk.say(f"Output “{name}” could not be kept: {error}")
        return JobResult(outputs=kept) if kept else None


def _empty_output(name: str, file: str | None) -> str:
    if file is None:
        return f"Warning: the script left no file in output “{name}”: who reads it finds it empty."
    return f"Warning: the script wrote no file “{file}”, its output “{name}”: who reads it finds an empty folder."
