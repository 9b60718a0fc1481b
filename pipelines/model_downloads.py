"""The files of a model on their way out: the one file that it is, one of its files, or all as an archive."""

from datastores.paths import clean_path, name_of
from pipelines.model_queries import ModelFolder
from pipelines.registered import ModelVersion
from studio.lib.downloads import StreamedResponse, stream_file


def send_model(version: ModelVersion, path: str = "") -> StreamedResponse:
    """Streamed while it is read. `path` is below the version; empty for all of it.

    Raises Http404, and UserError where nothing is there (any more).
    """
    folder = ModelFolder(version.model.workspace, version)
    wanted = clean_path(path) or (name_of(version.path) if version.is_file else "")
    if wanted:
        entry, stream = folder.open(wanted)
        return stream_file(stream, entry.label, size_bytes=entry.size_bytes)
    name = f"{version.model.name}-{version.number}"
    return stream_file(folder.zipped("", name=name), f"{name}.zip", content_type="application/zip")
