"""Where an attempt writes its outputs: in their datastore, where that is a folder of this machine, else aside."""

from collections.abc import Mapping
from pathlib import Path

from compute.data.desk import Desk
from compute.data.retrying import BROKEN, as_failure
from compute.data.uploading import Upload, look_at_destination
from compute.execution.outputs import Output
from compute.execution.reasons import StepFailure
from compute.spec import JobOutput
from datastores.backends import Backend
from datastores.places import Places
from datastores.sources import DataPath
from studio.lib.problems import UserError


def lay_out(
    outputs: Mapping[str, JobOutput], *, attempt: int, aside: Path, places: Places, desk: Desk
) -> dict[str, Output]:
    """The folders, made. Raises StepFailure, InterruptedByWish, OSError."""
    laid: dict[str, Output] = {}
    for name, output in outputs.items():
        path = output.path.replace("{attempt}", str(attempt))
        backend, here, datastores = _opened(name, DataPath(datastore_id=output.datastore_id, path=path), places)
        if here is None:
            look_at_destination(name, backend, desk=desk, datastores=datastores)
            if output.mode == "mount":
                desk.say(f"{name} is uploaded when the step has ended: files written through a mount can get lost.")
        folder = here or aside / name
        folder.mkdir(parents=True, exist_ok=True)
        laid[name] = Output(
            folder,
            output.datastore_id,
            path,
            is_uploaded=here is None,
            is_required=output.required,
            is_kept=output.kept,
            file=output.file,
        )
    return laid


def _opened(name: str, path: DataPath, places: Places) -> tuple[Backend, Path | None, list[str]]:
    """The store, the place on this machine where it has one, and the store's name."""
    label = f"Output “{name}”"
    try:
        place = places.of(path)
        here = place.backend.local_path(path.path)
    except (UserError, *BROKEN) as error:
        raise as_failure(error, label, datastores=_names(path, places)) or error from error
    if here is None and not place.backend.is_writable:
        assert place.datastore is not None
        raise StepFailure(f"{label}: the datastore {place.datastore.name} can only be read. Choose another one.")
    return place.backend, here, _names(path, places)


def _names(path: DataPath, places: Places) -> list[str]:
    return [] if path.datastore_id is None else places.names([path.datastore_id])


def upload_outputs(outputs: Mapping[str, Output], *, workspace_id: int, desk: Desk) -> None:
    """Bring away what was written aside. Credentials are opened anew: the step may have taken days.

    Raises StepFailure, InterruptedByWish, OSError.
    """
    wanted = {name: output for name, output in outputs.items() if output.is_uploaded}
    if not wanted:
        return
    with Places(workspace_id) as places:
        stores = [DataPath(datastore_id=output.datastore_id, path="") for output in wanted.values()]
        desk.from_database(lambda: places.load(stores))
        for name, output in wanted.items():
            backend, _, datastores = _opened(name, DataPath(datastore_id=output.datastore_id, path=output.path), places)
            Upload(name, backend, output.path, desk=desk, datastores=datastores).run(output.files())
