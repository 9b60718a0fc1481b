"""A pipeline with its code as an archive, from which any studio makes an equal one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datastores.content import CHUNK_BYTES, ContentStore
from datastores.models import Snapshot
from pipelines.definition import PipelineDefinition
from pipelines.models import PipelineVersion
from pipelines.yaml.writing import written
from studio.lib.zip_stream import Member, zip_pieces

FILE = "pipeline.yml"
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Exported:
    """What goes to the browser, and the name for it."""

    name: str
    pieces: Iterator[bytes]


def text_of(version: PipelineVersion) -> str:
    """The file alone: the code stays where it is, and the file says which it is."""
    pipeline = version.pipeline
    return written(pipeline.name, pipeline.description, version.definition)


def archive_of(version: PipelineVersion) -> Exported:
    """The file, and beside it a folder of code for each of the sources that its steps have."""
    workspace_id = version.pipeline.workspace_id
    names = _folders(version.definition)
    rows = Snapshot.objects.filter(workspace_id=workspace_id, digest__in=names)
    # What was lost can't go with it: its step keeps the digest, and whoever imports it is told.
    there = {row.digest: row for row in rows}
    folders = {digest: name for digest, name in names.items() if digest in there}
    return Exported(f"{file_name(version)}.zip", zip_pieces(_members(version, folders, there)))


def file_name(version: PipelineVersion) -> str:
    """Without an ending."""
    return f"{_UNFIT.sub('-', version.pipeline.name).strip('-.') or 'pipeline'}-v{version.number}"


def _folders(definition: PipelineDefinition) -> dict[str, str]:
    """By digest, where each of the sources lies: named after the first step that has it."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for index, step in enumerate(definition.steps, start=1):
        diff = step.git.diff if step.git else ""
        for top, digest in (("code", step.source), ("git", diff)):
            if not digest or digest in found:
                continue
            name = f"./{top}/{_UNFIT.sub('-', step.name).strip('-.') or index}"
            if name.lower() in taken:  # or two would be one where letters have no case
                name = f"{name}-{index}"
            taken.add(name.lower())
            found[digest] = name
    return found


def _members(
    version: PipelineVersion, folders: Mapping[str, str], snapshots: Mapping[str, Snapshot]
) -> Iterator[Member]:
    pipeline = version.pipeline
    yield Member.of_text(FILE, written(pipeline.name, pipeline.description, version.definition, folders=folders))
    store = ContentStore(pipeline.workspace_id)
    for digest, folder in folders.items():
        for file in snapshots[digest].manifest.files:
            yield Member(
                f"{folder.removeprefix('./')}/{file.path}",
                _content(store, file.sha256),
                file.size_bytes,
                is_executable=bool(file.executable),
            )


def _content(store: ContentStore, sha256: str) -> Iterator[bytes]:
    with store.open(sha256) as stream:
        while piece := stream.read(CHUNK_BYTES):
            yield piece
