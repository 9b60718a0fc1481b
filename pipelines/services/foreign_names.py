"""What names in files from elsewhere are called in a workspace."""

from collections.abc import Mapping

from django.db import transaction

from compute.queries import targets_of
from pipelines.catalogue import environment_versions
from pipelines.models import ForeignName
from pipelines.texts import near
from pipelines.validation import split_environment
from studio.lib.problems import UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission

MAX_NAMES = 1000  # of a workspace

Meanings = dict[str, dict[str, str]]  # by sort, our names by theirs


def meanings_of(workspace: Workspace) -> Meanings:
    """Those that the workspace has said."""
    found: Meanings = {}
    for sort, theirs, ours in ForeignName.objects.filter(workspace=workspace).values_list("sort", "theirs", "ours"):
        found.setdefault(sort, {})[theirs] = ours
    return found


def set_meaning(access: Access, *, sort: str, theirs: str, ours: str) -> None:
    """Say what `theirs` is called here, in place of what was said before; nothing, where `ours` is empty.

    Raises UserError at `ours` where there is no such thing, and at `theirs` where the table is full.
    """
    access.require(Permission.EDIT_PIPELINES)
    theirs, ours = theirs.strip(), ours.strip()
    rows = ForeignName.objects.filter(workspace=access.workspace, sort=sort)
    if not theirs:
        raise UserError("Write the name as the file has it. “*” in it stands for anything.", loc=("theirs",))
    with transaction.atomic():
        if not ours:
            if rows.filter(theirs=theirs).delete()[0]:
                audit.record(access.workspace, access.user, "import.name", f"{theirs} means nothing")
            return
        _require(access.workspace, sort, ours)
        others = ForeignName.objects.filter(workspace=access.workspace).exclude(sort=sort, theirs=theirs)
        if others.count() >= MAX_NAMES:
            raise UserError(f"There are {MAX_NAMES:,} names already. Take some away.", loc=("theirs",))
        rows.update_or_create(
            workspace=access.workspace, sort=sort, theirs=theirs, defaults={"ours": ours, "set_by": access.user}
        )
        audit.record(access.workspace, access.user, "import.name", f"{theirs} is {ours}")


def remember(access: Access, means: Mapping[str, Mapping[str, str]]) -> None:
    """Keep what was said with an import."""
    known = meanings_of(access.workspace)
    for sort in ForeignName.Sort.values:
        for theirs, ours in means.get(sort, {}).items():
            if ours and known.get(sort, {}).get(theirs) != ours:
                set_meaning(access, sort=sort, theirs=theirs[:300], ours=ours)


def _require(workspace: Workspace, sort: str, ours: str) -> None:
    if sort == ForeignName.Sort.COMPUTE:
        there = {target.name for target in targets_of(workspace)}
        if ours not in there:
            raise UserError(f"There is no compute target “{ours}” here.{near(ours, there)}", loc=("ours",))
        return
    environments = environment_versions(workspace)
    name, version = split_environment(ours)
    if name not in environments:
        raise UserError(f"There is no environment “{name}” here.{near(name, environments)}", loc=("ours",))
    if version is not None and not (version.isdecimal() and int(version) in environments[name]):
        raise UserError(f"Environment “{name}” has no version {version}.", loc=("ours",))
