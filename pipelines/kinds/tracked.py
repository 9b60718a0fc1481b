"""What a client does itself, and only tells: its metrics, parameters, tags and files."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pipelines.kinds.interface import Example, Place
from pipelines.kinds.without_job import Going, Known, Over, StepWithoutJob
from pipelines.placeholders import HasPlaceholders


class TrackedStep(StepWithoutJob):
    """Goes on until the client that began its run says how it ended. Only a client can begin one."""

    label: ClassVar[str] = "Tracked by a client"
    icon: ClassVar[str] = "world"
    summary: ClassVar[str] = "A program runs somewhere else, and logs here what it does."
    card_field: ClassVar[str] = "client"
    offered: ClassVar[bool] = False
    note: ClassVar[str] = "What a client does itself is never reused."

    kind: Literal["tracked"] = "tracked"
    client: str = "A program logs it from elsewhere"

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (it never does)
        return Example({})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {}

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        yield "name", "Only a program can begin such a run: by the tracking API, as MLflow's client does, or the SDK."

    def begin(self, known: Known) -> Over | Going:  # noqa: ARG002 (whatever that is)
        return Going(reason="A client logs it, and says when it is over.")
