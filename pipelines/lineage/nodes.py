"""What a lineage is made of, and how addresses name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, Q

from datastores.models import DatasetVersion, Datastore
from datastores.paths import clean_path
from pipelines.models import StepRun
from pipelines.registered import ModelVersion
from studio.lib.problems import UserError
from studio.workspaces.models import Workspace

# Of step runs: those of runs in the trash are passed over, unless somebody else took their result.
NOT_IN_TRASH = Q(run__trashed_at=None) | Exists(
    StepRun.objects.filter(reused_from=OuterRef("pk"), run__trashed_at=None)
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that ran itself; `output` where only what came of that output is meant."""

    pk: int
    output: str = ""

    @property
    def id(self) -> str:
        return f"step:{self.pk}"

    @property
    def address(self) -> dict[str, str]:
        return {"output": f"{self.pk}:{self.output}"} if self.output else {"step": str(self.pk)}


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a dataset."""

    pk: int

    @property
    def id(self) -> str:
        return f"version:{self.pk}"

    @property
    def address(self) -> dict[str, str]:
        return {"version": str(self.pk)}


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model."""

    pk: int

    @property
    def id(self) -> str:
        return f"model:{self.pk}"

    @property
    def address(self) -> dict[str, str]:
        return {"model": str(self.pk)}


@dataclass(frozen=True, slots=True)
class Place:
    """A file, folder or pattern in a datastore; a database where the path is empty; a web address without one."""

    datastore_id: int | None
    path: str

    @property
    def id(self) -> str:
        return f"file:{self.datastore_id or ''}:{self.path}"

    @property
    def address(self) -> dict[str, str]:
        return {"file": f"{self.datastore_id}:{self.path}"} if self.datastore_id else {}


@dataclass(frozen=True, slots=True)
class Gone:
    """A version that was deleted: runs remember its name."""

    name: str
    is_model: bool = False  # else it was of a dataset

    @property
    def id(self) -> str:
        return f"gone:{'model:' if self.is_model else ''}{self.name}"

    @property
    def address(self) -> dict[str, str]:
        return {}


Key = Step | Version | Model | Place | Gone


def query_of(key: Key) -> str:
    """How the page's address names `key`; empty where it has no page."""
    return urlencode(key.address)


def key_from(workspace: Workspace, given: Mapping[str, str]) -> Key | None:
    """What `?version=ID`, `?model=VERSION_ID`, `?output=STEP_RUN_ID:NAME`, `?step=STEP_RUN_ID` or
    `?file=DATASTORE_ID:PATH` names.

    None where it is not in the workspace, whether or not another one has it, and where nothing is named.
    """
    if version := _number(given.get("version", "")):
        there = DatasetVersion.objects.filter(pk=version, dataset__workspace=workspace).exists()
        return Version(version) if there else None
    if model := _number(given.get("model", "")):
        there = ModelVersion.objects.filter(pk=model, model__workspace=workspace).exists()
        return Model(model) if there else None
    if given.get("output") or given.get("step"):
        number, _colon, name = (given.get("output") or given.get("step", "")).partition(":")
        step = _step(workspace, _number(number))
        if step is None or (name and name not in {output.name for output in step.frozen.step.all_outputs}):
            return None
        return Step(step_that_made(step), name)
    number, _colon, path = given.get("file", "").partition(":")
    datastore_id = _number(number)
    if not datastore_id or not Datastore.everything.filter(pk=datastore_id, workspace=workspace).exists():
        return None
    try:
        return Place(datastore_id, clean_path(path))
    except UserError:
        return None


def step_that_made(step: StepRun) -> int:
    return step.reused_from_id or step.pk


def _step(workspace: Workspace, pk: int | None) -> StepRun | None:
    return StepRun.objects.filter(NOT_IN_TRASH, pk=pk, run__workspace=workspace).first() if pk else None


def _number(text: str) -> int | None:
    """A row's number; None for a text that can't be one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None
