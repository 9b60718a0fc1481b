"""What the steps of one run read, as far as a set of them asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from compute.spec import JobInput, OutputRecord
from datastores.models import DataPath
from pipelines.models import StepRun
from pipelines.states import StepStatus


@dataclass(frozen=True, slots=True)
class Inputs:
    outputs: Mapping[str, Mapping[str, OutputRecord]] = field(default_factory=dict)  # by step, by output

    @classmethod
    def of(cls, steps: Sequence[StepRun], done: StepRun | None = None) -> Self:
        """`done` is a step that was just done: what it wrote need not be read again."""
        names = {given.step for step in steps for given in step.frozen.inputs.values() if given.step}
        known = {done.name: done.outputs.outputs} if done is not None and done.outputs is not None else {}
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
                record = self._record(given.step, given.output)
                paths = [DataPath(datastore_id=record.datastore_id, path=record.path)]
                data[name] = JobInput(paths=paths, mode=given.mode)
        return data

    def _record(self, step: str | None, output: str | None) -> OutputRecord:
        return self.outputs[step or ""][output or ""]
