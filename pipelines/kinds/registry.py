"""All kinds of steps: those that come with the studio, and those that installed packages add.

A package adds one by an entry point of the group `pipeline_studio.step_kinds`; its object is a subclass of `StepBase`.
"""

import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag

from pipelines.kinds.approval import ApprovalStep
from pipelines.kinds.command import CommandStep
from pipelines.kinds.condition import ConditionStep
from pipelines.kinds.interface import StepBase, kind_name
from pipelines.kinds.map import MapStep
from pipelines.kinds.module import ModuleStep
from pipelines.kinds.notebook import NotebookStep
from pipelines.kinds.parallel_run import ParallelRunStep
from pipelines.kinds.pipeline import PipelineStep
from pipelines.kinds.python_script import PythonScriptStep
from pipelines.kinds.sql import SqlStep
from pipelines.kinds.sweep import SweepStep
from pipelines.kinds.tracked import TrackedStep
from pipelines.kinds.transfer import TransferStep
from pipelines.kinds.wait import WaitStep

logger = logging.getLogger(__name__)

GROUP = "pipeline_studio.step_kinds"
_FIRST = kind_name(PythonScriptStep)  # what a step without a kind is


def _added() -> Iterator[type[StepBase]]:
    for entry_point in entry_points(group=GROUP):
        try:
            kind = entry_point.load()
        except Exception:
            logger.exception("the kind of step “%s” of an installed package can't be loaded", entry_point.name)
            continue
        if isinstance(kind, type) and issubclass(kind, StepBase):
            yield kind
        else:
            logger.error("the kind of step “%s” of an installed package is no StepBase", entry_point.name)


_OURS: tuple[type[StepBase], ...] = (
    PythonScriptStep,
    CommandStep,
    NotebookStep,
    ParallelRunStep,
    SqlStep,
    TransferStep,
    ModuleStep,
    PipelineStep,
    MapStep,
    SweepStep,
    ConditionStep,
    ApprovalStep,
    WaitStep,
    TrackedStep,
)
KINDS: Mapping[str, type[StepBase]] = {kind_name(kind): kind for kind in (*_OURS, *_added())} | {
    kind_name(kind): kind
    for kind in _OURS  # of two with one name the studio's own
}


def _kind_of(data: Any) -> str:
    kind = data.get("kind", _FIRST) if isinstance(data, dict) else getattr(data, "kind", "")
    return kind if isinstance(kind, str) else ""


if TYPE_CHECKING:
    Step = StepBase
else:  # a step of whichever kind its `kind` says
    Step = Annotated[
        Union[tuple(Annotated[kind, Tag(name)] for name, kind in KINDS.items())],  # noqa: UP007 (made from a list)
        Discriminator(
            _kind_of,
            custom_error_type="kind",
            custom_error_message=f"there is no such kind of step; the kinds are {', '.join(sorted(KINDS))}",
        ),
    ]
