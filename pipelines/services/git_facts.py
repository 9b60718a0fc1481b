"""What an upload says of the checkout that it comes from."""

import io
import json
from typing import IO

from pydantic import ValidationError

from datastores import snapshots
from datastores.snapshots import TEXT_MAX_BYTES
from pipelines.git_facts import GitFacts
from pipelines.texts import unfit_text
from studio.lib.misshapen import shape_problems
from studio.lib.problems import UserError
from studio.workspaces.access import Access

DIFF_FILE = "changes.diff"  # the only file of the folder that keeps a diff
MAX_FACTS = 20_000  # characters of their JSON
_SETTLED_HERE = ("diff", "source")


def read_git_facts(text: str) -> GitFacts:
    """From JSON. Raises UserError at `git`, and below it at each field that has the wrong shape."""
    try:
        said = json.loads(text) if len(text) <= MAX_FACTS else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise UserError(f"Give a JSON object of at most {MAX_FACTS:,} characters, or leave it out.", loc=("git",))
    unfit = next(unfit_text(said, ("git",)), None)
    if unfit is not None:
        raise UserError("There is a character in this text that can't be kept. Remove it.", loc=unfit)
    try:
        return GitFacts.model_validate({name: value for name, value in said.items() if name not in _SETTLED_HERE})
    except ValidationError as error:
        raise UserError(shape_problems(error, GitFacts, below=("git",))) from error


def git_facts_of(access: Access, said: GitFacts, *, source: str, diff: IO[bytes] | None) -> GitFacts:
    """Those of the upload that became `source`, with the diff kept as a source folder of one file is.

    A diff that is too long is left out, and the note says so. Raises NoRoom.
    """
    facts = said.model_copy(update={"source": source})
    content = _as_text(diff.read(TEXT_MAX_BYTES + 1)) if diff is not None else b""
    if not content.strip():
        return facts
    if len(content) > TEXT_MAX_BYTES:
        note = f"The diff is larger than {TEXT_MAX_BYTES // 1024**2} MB, so it was not kept."
        return facts.model_copy(update={"dirty": True, "diff_note": note})
    kept = snapshots.add_files(access.workspace, None, [(DIFF_FILE, io.BytesIO(content))], actor=access.user)
    return facts.model_copy(update={"dirty": True, "diff": kept.digest})


def _as_text(content: bytes) -> bytes:
    """UTF-8 without NUL, whatever it was."""
    return content.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}").encode()
