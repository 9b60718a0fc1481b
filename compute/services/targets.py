"""Make and remove compute targets, and those things that every installation has."""

import os
import sys
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from compute.models import ComputeTarget, Environment, Job
from compute.sharing import targets_seen_by
from compute.spec import EnvironmentSpec
from compute.states import TERMINAL
from studio.lib.problems import UserError
from studio.workspaces import audit
from studio.workspaces.models import NAME, User, Workspace

MAX_SLOTS = 256
CURATED_TARGET = "local"


def create_target(
    *,
    workspace: Workspace,
    name: str,
    slots: int = 2,
    description: str = "",
    kind: str = "local",
    created_by: User | None,
) -> ComputeTarget:
    """A new place to run jobs in `workspace`. Raises UserError at `("name",)` or `("slots",)`."""
    check_name(name)
    if not 1 <= slots <= MAX_SLOTS:
        raise UserError(f"Give a number of slots from 1 to {MAX_SLOTS}.", loc=("slots",))
    if targets_seen_by(workspace).filter(name=name).exists():
        raise taken_name(name)
    try:
        with transaction.atomic():
            target = ComputeTarget.objects.create(
                workspace=workspace,
                name=name,
                slots=slots,
                description=description,
                kind=kind,
                created_by=created_by,
            )
            audit.record(workspace, created_by, "compute.create", name)
    except IntegrityError:
        raise taken_name(name) from None
    return target


def change_target(target: ComputeTarget, *, slots: int, description: str, changed_by: User | None) -> None:
    """Change what may be changed of a target in use. With another number of slots the supervisor starts its node anew.

    Raises UserError at `("slots",)`.
    """
    if not 1 <= slots <= MAX_SLOTS:
        raise UserError(f"Give a number of slots from 1 to {MAX_SLOTS}.", loc=("slots",))
    with transaction.atomic():
        target.slots, target.description = slots, description
        target.save(update_fields=["slots", "description"])
        audit.record(target.workspace, changed_by, "compute.change", f"{target.name}: {slots} slots")


def delete_target(target: ComputeTarget, *, deleted_by: User | None) -> None:
    """Remove a target from every list; its finished jobs stay and go on naming it.

    The supervisor stops its node. Raises UserError while jobs wait or run on it.
    """
    with transaction.atomic():
        unfinished = Job.objects.filter(target=target).exclude(status__in=TERMINAL).count()
        if unfinished:
            jobs = "1 job is" if unfinished == 1 else f"{unfinished:,} jobs are"
            raise UserError(f"{jobs} queued or running on “{target.name}”: cancel or wait for them first.")
        ComputeTarget.objects.filter(pk=target.pk).update(deleted_at=timezone.now())
        audit.record(target.workspace, deleted_by, "compute.delete", target.name)


def taken_name(name: str) -> UserError:
    return UserError(f"There is a compute target “{name}” already: choose another name.", loc=("name",))


def check_name(name: str) -> None:
    """Raise UserError at `("name",)` for a name that an address or a definition can't hold."""
    try:
        NAME(name)
    except ValidationError as error:
        raise UserError(str(error.messages[0]), loc=("name",)) from None


def ensure_curated() -> None:
    """Make the shared target `local` and the environments that come with the studio where they are missing."""
    # As many slots as the machine has cores, at least 2 so that two steps run side by side, at most 4 by default.
    slots = max(2, min(4, os.cpu_count() or 2))
    ComputeTarget.objects.get_or_create(
        workspace=None,
        name=CURATED_TARGET,
        defaults={"slots": slots, "description": "This machine.", "kind": "local", "shared_with_all": True},
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for name, (description, spec) in _curated_environments(version).items():
        Environment.objects.get_or_create(
            workspace=None, name=name, version=1, defaults={"description": description, "spec": spec}
        )


def _curated_environments(version: str) -> dict[str, tuple[str, EnvironmentSpec]]:
    def of(*pip: str, indexes: Sequence[str] = ()) -> EnvironmentSpec:
        return EnvironmentSpec(python_version=version, pip=list(pip), indexes=list(indexes))

    return {
        "python": ("Python and its standard library.", of()),
        "sklearn": ("pandas, scikit-learn and matplotlib.", of("matplotlib>=3.9", "pandas>=2.2", "scikit-learn>=1.5")),
        "notebook": (
            "What runs notebooks (papermill, ipykernel), with pandas and matplotlib.",
            of("ipykernel>=6.29", "matplotlib>=3.9", "nbconvert>=7.16", "pandas>=2.2", "papermill>=2.6"),
        ),
        "lightgbm": ("LightGBM, pandas and scikit-learn.", of("lightgbm>=4.5", "pandas>=2.2", "scikit-learn>=1.5")),
        # The package index's own torch is built for CUDA, several gigabytes of it.
        "pytorch-cpu": (
            "PyTorch for machines without a GPU.",
            of("numpy>=1.26", "torch>=2.4", indexes=["pytorch-cpu"]),
        ),
    }
