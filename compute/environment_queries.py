"""What the environment pages read. A number of queries that does not grow with what they show."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber
from django.http import Http404

from compute.alive import alive_nodes
from compute.models import Environment, EnvironmentBuild, Node, SpecificationLock
from compute.sharing import targets_seen_by
from compute.spec import EnvironmentLock, EnvironmentSpec
from compute.states import BuildStatus
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
    """What `after` says in order, each changed line below what it was; those that are gone come last."""
    if before.interpreter or after.interpreter:
        lines = _changed(_interpreter(before), _interpreter(after))
    else:
        lines = _changed(f"Python {before.python_version}", f"Python {after.python_version}")
    lines += _changed_lines([f"conda: {text}" for text in before.conda], [f"conda: {text}" for text in after.conda])
    lines += _changed_lines(before.pip, after.pip)
    lines += _changed_lines(
        [f"channel: {each}" for each in before.channels], [f"channel: {each}" for each in after.channels]
    )
    lines += _changed_lines(
        [f"package index: {each}" for each in before.indexes], [f"package index: {each}" for each in after.indexes]
    )
    lines += _changed_lines(
        [f"{name}={value}" for name, value in before.variables.items()],
        [f"{name}={value}" for name, value in after.variables.items()],
    )
    if before.setup_script != after.setup_script:
        lines.append(SpecLine("removed" if not after.setup_script else "added", "the setup script"))
    # One that asks for something else has a lock of its own in any case.
    if before.generation != after.generation and all(line.change == "same" for line in lines):
        lines.append(SpecLine("added", "locked anew, with the newest packages"))
    return lines


def _interpreter(spec: EnvironmentSpec) -> str:
    return spec.interpreter or f"Python {spec.python_version}"


def _changed(before: str, after: str) -> list[SpecLine]:
    return [] if before == after else [SpecLine("removed", before), SpecLine("added", after)]


def _changed_lines(before: list[str], after: list[str]) -> list[SpecLine]:
    lines: list[SpecLine] = []
    kept = set(before) & set(after)
    gone = [text for text in before if text not in kept]
    for text in after:
        if text in kept:
            lines.append(SpecLine("same", text))
            continue
        was = [old for old in gone if _package(old) == _package(text)]
        gone = [old for old in gone if old not in was]
        lines += [*(SpecLine("removed", old) for old in was), SpecLine("added", text)]
    return lines + [SpecLine("removed", text) for text in gone]


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package of a lock beside the lock before it."""

    name: str
    before: str  # empty: it was not there
    after: str  # empty: it is gone

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        return "added" if not self.before else "removed" if not self.after else "changed"


def lock_difference(before: EnvironmentLock, after: EnvironmentLock) -> list[PackageChange]:
    """The packages that differ, by name."""
    old, new = _versions(before), _versions(after)
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    changes = [PackageChange(name, old.get(name, ""), new.get(name, "")) for name in names]
    if before.python != after.python:
        changes.insert(0, PackageChange("Python", before.python, after.python))
    return changes


def _versions(lock: EnvironmentLock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages if package.name != "python"}


def locks_of(*digests: str) -> dict[str, SpecificationLock]:
    """The locks of specifications, by digest; of those that were never built there is none."""
    return {row.digest: row for row in SpecificationLock.objects.filter(digest__in=digests)}


def lock_of_environment(environment: Environment) -> SpecificationLock:
    """Raises Http404 where it was never built."""
    lock = locks_of(environment.digest).get(environment.digest)
    if lock is None:
        raise Http404("It is not locked yet: its first build does that.")
    return lock


def builds_seen_by(workspace: Workspace) -> QuerySet[EnvironmentBuild]:
    """Those of environments that the workspace has, on targets that it sees; the newest first."""
    digests = environments_of(workspace).values("digest")
    rows = EnvironmentBuild.objects.filter(digest__in=digests, target__in=targets_seen_by(workspace))
    return rows.select_related("target", "requested_by").order_by("-id")


def build_of(workspace: Workspace, build_id: int) -> EnvironmentBuild:
    """One of `builds_seen_by`. Raises Http404 for any other."""
    row = builds_seen_by(workspace).filter(pk=build_id).first()
    if row is None:
        raise Http404("There is no such build in this workspace.")
    return row


BUILD_STATUSES = [(status.value, status.label) for status in BuildStatus]


def where_to_build(workspace: Workspace) -> QuerySet[Any]:
    """Its targets, those first that have a living node (`lives`): nobody else builds."""
    lives = Exists(alive_nodes(Node.objects.filter(target=OuterRef("pk"))))
    return targets_seen_by(workspace).annotate(lives=lives).order_by("-lives", "name")


def room_taken(workspace: Workspace) -> int:
    """By the environments that are ready, in bytes, each on each machine."""
    rows = builds_seen_by(workspace).filter(status=BuildStatus.READY).order_by()
    return rows.aggregate(total=Sum("size_bytes"))["total"] or 0


@dataclass(frozen=True, slots=True)
class BuildRow:
    """A build with the environments that it serves."""

    build: EnvironmentBuild
    environments: list[Environment]

    @property
    def is_under_way(self) -> bool:
        return self.build.status in {BuildStatus.QUEUED, BuildStatus.BUILDING}


def build_rows(workspace: Workspace, builds: Iterable[EnvironmentBuild]) -> list[BuildRow]:
    """In one query however many there are."""
    builds = list(builds)
    by_digest: dict[str, list[Environment]] = {}
    for environment in environments_of(workspace).filter(digest__in={build.digest for build in builds}):
        by_digest.setdefault(environment.digest, []).append(environment)
    return [BuildRow(build, by_digest.get(build.digest, [])) for build in builds]


def _package(requirement: str) -> str:
    """The package that a requirement is about; how a name is written does not matter (PEP 503)."""
    name = re.match(r"[A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-_.]+", "-", name.group() if name else requirement).lower()
