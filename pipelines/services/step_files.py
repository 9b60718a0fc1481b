"""What of a step's source folder really runs."""

from datastores import snapshots
from pipelines.definition import Step
from pipelines.hash_paths import counted
from pipelines.kinds.with_files import StepWithFiles
from studio.lib.problems import UserError
from studio.workspaces.models import Workspace


def files_that_run(workspace: Workspace, source: str) -> str:
    """The digest of what its ignore files leave of a source folder."""
    return snapshots.for_run(snapshots.get_snapshot(workspace, source)).digest


def require_script(workspace: Workspace, step: Step, digest: str, *, loc: tuple[str | int, ...]) -> None:
    """Raises UserError at `loc` where the step's script is none of the files that run."""
    if digest != step.source and step.script and step.script not in snapshots.paths_of(workspace.pk, digest):
        raise UserError(
            f"“{step.script}” is left out by the .amlignore or .gitignore of its folder. Change that file.", loc=loc
        )


def hashed(workspace: Workspace, step: Step, digest: str, *, at: tuple[str | int, ...]) -> str:
    """The digest of what counts of the files that run; empty where all of them do.

    Raises UserError below `at`, the way to the step's fields, where a path counts none of them.
    """
    if not isinstance(step, StepWithFiles) or not step.hash_paths or not digest:
        return ""
    files = snapshots.paths_of(workspace.pk, digest)
    for index, path in enumerate(step.hash_paths):
        if not counted([path], files):
            sentence = f"“{path}” is left out by the .amlignore or .gitignore of its folder. Change that file."
            raise UserError(sentence, loc=(*at, "hash_paths", index))
    return snapshots.digest_of(workspace.pk, digest, counted(step.hash_paths, files))
