"""Another pipeline as a step: nested as deep as one likes."""

from typing import ClassVar, Literal

from pipelines.kinds.interface import Example
from pipelines.kinds.with_runs import Ended, KnownRuns, NewRun, StepWithRuns, Turn
from pipelines.states import RunStatus, StepStatus


class PipelineStep(StepWithRuns):
    """Runs another pipeline of the workspace as a run of its own, and is done when that is.

    Its inputs feed the parameters of data with their names; its outputs are those of the steps in it.
    """

    label: ClassVar[str] = "Pipeline"
    icon: ClassVar[str] = "sitemap"
    summary: ClassVar[str] = "Runs another pipeline as one step, with values and data from this one."
    card_field: ClassVar[str] = "pipeline"

    kind: Literal["pipeline"] = "pipeline"

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (what it reads, its pipeline says)
        return Example({})

    def turn(self, known: KnownRuns) -> Turn:
        if not known.made:
            return Turn(start=[NewRun(number=1)])
        (made,) = known.made
        match made.status:
            case RunStatus.COMPLETED:
                return Turn(ended=Ended(status=StepStatus.COMPLETED, outputs_of=1))
            case RunStatus.FAILED:
                return Turn(ended=Ended(status=StepStatus.FAILED, reason=f"Run {made.run_id} failed: {made.reason}"))
            case RunStatus.CANCELLED:
                return Turn(ended=Ended(status=StepStatus.FAILED, reason=f"Run {made.run_id} was cancelled."))
        return Turn(reason=f"Run {made.run_id} is under way.")
