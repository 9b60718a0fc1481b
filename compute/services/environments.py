"""Name a specification."""

from django.db import IntegrityError, transaction
from django.db.models import Q

from compute.environments.checking import checked
from compute.models import Environment, SpecificationLock
from compute.services.targets import check_name
from compute.spec import EnvironmentSpec
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.models import User, Workspace


def create_environment(
    *,
    workspace: Workspace,
    name: str,
    spec: EnvironmentSpec,
    description: str = "",
    created_by: User | None,
) -> Environment:
    """A new version under `name`; the latest one as it is when its specification is the same.

    Raises UserError at `("name",)` or where `checked` finds something, ConflictError where somebody else made
    a version of that name at the same moment.
    """
    check_name(name)
    spec = checked(spec)
    if Environment.objects.filter(workspace=None, name=name).exists():
        raise UserError(f"“{name}” comes with the studio: choose another name.", loc=("name",))
    latest = Environment.objects.filter(workspace=workspace, name=name).order_by("-version").first()
    # What was locked anew stays so: saying the same again is no wish to go back.
    if latest is not None and _says_the_same(latest.spec, spec):
        return latest
    spec = _of_this_workspace(spec, workspace)
    return _add_version(
        workspace,
        name=name,
        version=1 if latest is None else latest.version + 1,
        description=description,
        spec=spec,
        created_by=created_by,
        verb="environment.create",
    )


def rebuild_environment(environment: Environment, *, rebuilt_by: User) -> Environment:
    """A new version that says the same and is locked anew, by its first build, with the newest packages.

    Raises UserError for one that comes with the studio (an administrator may) and for one without packages of its own,
    ConflictError where somebody else made a version at the same moment.
    """
    if environment.workspace is None and not rebuilt_by.is_superuser:
        raise UserError(
            f"“{environment.name}” comes with the studio: an administrator rebuilds it for everybody. "
            "Copy it to have one of your own."
        )
    if not environment.spec.is_managed:
        raise UserError(f"“{environment}” names an interpreter on the node: there is nothing to rebuild.")
    same = Environment.objects.filter(workspace=environment.workspace, name=environment.name)
    versions = same.values_list("version", "spec")
    newest = max(version for version, _ in versions)
    generations = [spec.generation for _, spec in versions if _says_the_same(spec, environment.spec)]
    spec = environment.spec.model_copy(update={"generation": max(generations) + 1})
    return _add_version(
        environment.workspace,
        name=environment.name,
        version=newest + 1,
        description=environment.description,
        spec=_not_locked(spec),
        created_by=rebuilt_by,
        verb="environment.rebuild",
    )


def _of_this_workspace(spec: EnvironmentSpec, workspace: Workspace) -> EnvironmentSpec:
    """As it is where the workspace has it already; else with a lock to come: that of strangers may be years old."""
    own = Environment.objects.filter(Q(workspace=workspace) | Q(workspace=None), digest=spec.digest)
    return spec if own.exists() else _not_locked(spec)


def _not_locked(spec: EnvironmentSpec) -> EnvironmentSpec:
    """The next generation that nobody has locked."""
    while SpecificationLock.objects.filter(digest=spec.digest).exists():
        spec = spec.model_copy(update={"generation": spec.generation + 1})
    return spec


def _says_the_same(one: EnvironmentSpec, other: EnvironmentSpec) -> bool:
    return one.model_copy(update={"generation": other.generation}).digest == other.digest


def _add_version(
    workspace: Workspace | None,
    *,
    name: str,
    version: int,
    description: str,
    spec: EnvironmentSpec,
    created_by: User | None,
    verb: str,
) -> Environment:
    try:
        with transaction.atomic():
            environment = Environment.objects.create(
                workspace=workspace,
                name=name,
                version=version,
                description=description,
                spec=spec,
                created_by=created_by,
            )
            audit.record(workspace, created_by, verb, str(environment))
    except IntegrityError:
        raise ConflictError(f"Somebody else just saved “{name}”: look at theirs, then save again.") from None
    return environment
