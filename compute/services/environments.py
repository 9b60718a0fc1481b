"""Name a specification."""

from django.db import IntegrityError, transaction
from django.db.models import Q

from compute.environments.requirements import normalised
from compute.models import Environment
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

    Raises UserError at `("name",)`, `("python_version",)` or `("pip", index)`, ConflictError where somebody else made
    a version of that name at the same moment.
    """
    check_name(name)
    spec = normalised(spec)
    if Environment.objects.filter(workspace=None, name=name).exists():
        raise UserError(f"“{name}” comes with the studio: choose another name.", loc=("name",))
    latest = Environment.objects.filter(workspace=workspace, name=name).order_by("-version").first()
    if latest is not None and latest.spec.digest == spec.digest:
        return latest
    try:
        with transaction.atomic():
            environment = Environment.objects.create(
                workspace=workspace,
                name=name,
                version=1 if latest is None else latest.version + 1,
                description=description,
                spec=spec,
                created_by=created_by,
            )
            audit.record(workspace, created_by, "environment.create", str(environment))
    except IntegrityError:
        raise ConflictError(f"Somebody else just saved “{name}”: look at theirs, then save again.") from None
    return environment


def find_environment(workspace: Workspace, reference: str) -> Environment | None:
    """The environment that `NAME` (its latest version) or `NAME:VERSION` means in a workspace, its own before ours."""
    name, _, version = reference.partition(":")
    rows = Environment.objects.filter(Q(workspace=workspace) | Q(workspace=None), name=name)
    if version:
        if not version.isdecimal() or len(version) > 9:
            return None
        rows = rows.filter(version=int(version))
    return rows.order_by("-version").first()
