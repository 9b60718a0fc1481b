"""What the environment pages read. A number of queries that does not grow with what they show."""

import re
from dataclasses import dataclass
from typing import Literal

from django.db.models import F, Max, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.http import Http404

from compute.models import Environment
from compute.spec import EnvironmentSpec
from studio.workspaces.models import Workspace


def environments_of(workspace: Workspace) -> QuerySet[Environment]:
    """Every version of the workspace's own environments and of those that come with the studio."""
    return Environment.objects.filter(Q(workspace=workspace) | Q(workspace=None))


def latest_environments(workspace: Workspace, *, text: str = "") -> QuerySet[Environment]:
    """The newest version of each, the workspace's own first."""
    newest_first = Window(RowNumber(), partition_by=[F("workspace"), F("name")], order_by=F("version").desc())
    rows = environments_of(workspace).select_related("created_by").annotate(age=newest_first).filter(age=1)
    text = text.replace("\0", "")  # PostgreSQL's texts hold none
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text))
    return rows.order_by(F("workspace").asc(nulls_last=True), "name")


def environment_of(workspace: Workspace, environment_id: int) -> Environment:
    """One version. Raises Http404 for another workspace's."""
    row = environments_of(workspace).select_related("created_by").filter(pk=environment_id).first()
    if row is None:
        raise Http404("There is no such environment in this workspace.")
    return row


def versions_of(environment: Environment) -> QuerySet[Environment]:
    """All versions of the same name in the same workspace, newest first."""
    same = Environment.objects.filter(workspace=environment.workspace_id, name=environment.name)
    return same.select_related("created_by").order_by("-version")


def version_before(environment: Environment) -> Environment | None:
    """The next older version of the same name."""
    return versions_of(environment).filter(version__lt=environment.version).first()


def latest_own_version(workspace: Workspace, name: str) -> int:
    """The number of the workspace's newest version of that name, 0 where there is none."""
    newest = Environment.objects.filter(workspace=workspace, name=name).aggregate(newest=Max("version"))["newest"]
    return newest or 0


@dataclass(frozen=True, slots=True)
class SpecLine:
    """A line of a specification beside the version before it."""

    change: Literal["same", "added", "removed"]
    text: str


def spec_difference(before: EnvironmentSpec, after: EnvironmentSpec) -> list[SpecLine]:
    """The requirements of `after` in order, each changed one below what it was; those that are gone come last."""
    lines: list[SpecLine] = []
    if before.python_version != after.python_version:
        lines += [
            SpecLine("removed", f"Python {before.python_version}"),
            SpecLine("added", f"Python {after.python_version}"),
        ]
    kept = set(before.pip) & set(after.pip)
    gone = [text for text in before.pip if text not in kept]
    for text in after.pip:
        if text in kept:
            lines.append(SpecLine("same", text))
            continue
        was = [old for old in gone if _package(old) == _package(text)]
        gone = [old for old in gone if old not in was]
        lines += [*(SpecLine("removed", old) for old in was), SpecLine("added", text)]
    return lines + [SpecLine("removed", text) for text in gone]


def _package(requirement: str) -> str:
    """The package that a requirement is about; how a name is written does not matter (PEP 503)."""
    name = re.match(r"[A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-_.]+", "-", name.group() if name else requirement).lower()
