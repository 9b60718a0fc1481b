"""The steps of a run that is being submitted: nobody else has seen them yet, so none of them need be read again.

A chain of steps that take earlier results is followed here in memory, step by step, and written down at once at its
end: a statement for each of them would cost more than all that there is to decide.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pipelines.models import StepRun
from pipelines.services.journal import Journal
from pipelines.states import StepStatus
from studio.lib.statements import update_each


class NewSteps:
    """What was inserted, in the order of the definition, and what has come of it that is not written yet.

    Whoever looks into the tables for these steps, or moves one of them in another way, calls `write()` before.
    """

    def __init__(self, steps: Sequence[StepRun], edges: Iterable[tuple[int, int]]) -> None:
        """`edges` by position: a step, and one that waits for it."""
        self._steps = steps
        self._after: dict[int, list[StepRun]] = {}  # by key
        for upstream, downstream in edges:
            self._after.setdefault(steps[upstream].pk, []).append(steps[downstream])
        self._reused: list[tuple[StepRun, dict[str, Any]]] = []
        self._where_they_ran: dict[int, int] = {}
        self._counted: dict[int, StepRun] = {}  # down, and not moved since

    @property
    def roots(self) -> list[StepRun]:
        return [step for step in self._steps if not step.waiting_for]

    def reuse(self, step: StepRun, changes: dict[str, Any], *, ran_in: int) -> None:
        """This one is completed by an earlier result of run `ran_in`."""
        self._counted.pop(step.pk, None)
        self._reused.append((step, {**changes, "waiting_for": 0}))
        self._where_they_ran[step.pk] = ran_in

    def made_ready_by(self, done: Iterable[int]) -> list[StepRun]:
        """Count down what these steps lead to, and return those that wait for nothing more."""
        ready: list[StepRun] = []
        for pk in done:
            for step in self._after.get(pk, ()):
                step.waiting_for -= 1
                self._counted[step.pk] = step
                if not step.waiting_for:
                    ready.append(step)
        return sorted(ready, key=lambda step: step.position)

    def write(self, journal: Journal) -> None:
        """Raises LostRaceError where somebody moved one of them all the same."""
        journal.move_each(self._reused, StepStatus.COMPLETED, reused_from_run=self._where_they_ran)
        update_each(StepRun, [({"waiting_for": step.waiting_for}, {"id": step.pk}) for step in self._counted.values()])
        self._reused, self._where_they_ran, self._counted = [], {}, {}
