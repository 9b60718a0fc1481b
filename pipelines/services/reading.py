"""What the steps of one run read, as far as a set of them asks for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from compute.spec import InputMode, JobInput, OutputRecord
from datastores.models import DataPath
from pipelines.models import StepRun
from pipelines.states import StepStatus


def input_of(record: OutputRecord, mode: InputMode) -> JobInput:
    """An output as what a step reads. Of one that is made of others, those without a file are left out."""
    if not record.parts:
        return JobInput(paths=[DataPath(datastore_id=record.datastore_id, path=record.path)], mode=mode)
    places = list(_places(record, ""))
    paths = [DataPath(datastore_id=each.datastore_id, path=each.path) for each, _folder in places]
    return JobInput(paths=paths, folders=[folder for _each, folder in places], mode=mode)


def _places(record: OutputRecord, folder: str) -> Iterator[tuple[OutputRecord, str]]:
    yield record, folder
    for name, part in sorted(record.parts.items()):  # a database keeps no order of keys
        if part.file_count:
            yield from _places(part, f"{folder}/{name}" if folder else name)


@dataclass(frozen=True, slots=True)
class Inputs:
    outputs: Mapping[str, Mapping[str, OutputRecord]] = field(default_factory=dict)  # by step, by output

    @classmethod
    def of(cls, steps: Sequence[StepRun], written: Mapping[str, Mapping[str, OutputRecord]] | None = None) -> Self:
        """`written` has, by step, the outputs of some that were just done: they need not be read again."""
        names = {given.step for step in steps for given in step.frozen.inputs.values() if given.step}
        known = dict(written or {})
        if names - known.keys():
            rows = StepRun.objects.filter(run_id=steps[0].run_id, name__in=names, status=StepStatus.COMPLETED)
            known |= {name: outputs.outputs for name, outputs in rows.values_list("name", "outputs") if outputs}
        return cls(known)

    def missing(self, step: StepRun) -> str | None:
        """A sentence where a step reads an output that its writer did not leave."""
        for name, given in step.frozen.inputs.items():
            if given.step and given.output not in self.outputs.get(given.step, {}):
                return f"Its input “{name}” is missing: “{given.step}” left no output “{given.output}”."
        return None

    def records(self, step: StepRun) -> dict[str, OutputRecord]:
        """By input, what was written there, as far as it is an output of another step."""
        return {
            name: self._record(given.step, given.output) for name, given in step.frozen.inputs.items() if given.step
        }

    def contents(self, step: StepRun) -> dict[str, str]:
        return {
            name: self._record(given.step, given.output).fingerprint if given.step else given.fingerprint
            for name, given in step.frozen.inputs.items()
        }

    def data(self, step: StepRun) -> dict[str, JobInput]:
        data: dict[str, JobInput] = {}
        for name, given in step.frozen.inputs.items():
            if given.data is not None:
                data[name] = given.data
            else:
                data[name] = input_of(self._record(given.step, given.output), given.mode)
        return data

    def _record(self, step: str | None, output: str | None) -> OutputRecord:
        return self.outputs[step or ""][output or ""]
