"""What one attempt sees."""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from compute.environments.places import BuiltEnvironment
from compute.execution.folders import AttemptFolders
from compute.execution.sandbox.interpreter import interpreter_places
from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.plan import Kind, SandboxPlan
from compute.execution.sandbox.system import gpu_devices
from compute.execution.sdk import SDK

# What an interpreter that is kept ready runs, and nothing else of the studio's.
_KEPT_READY = (
    "__init__.py",
    "execution/__init__.py",
    "execution/sandbox/__init__.py",
    "execution/sandbox/enter_sandbox.py",
    "execution/sandbox/kernel.py",
    "execution/sandbox/wire.py",
    "execution/warm/__init__.py",
    "execution/warm/inside",
)


def plan_for(
    sandbox: Sandbox,
    *,
    environment: BuiltEnvironment,
    folders: AttemptFolders,
    inputs: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
    has_gpus: bool = False,
) -> SandboxPlan:
    """`inputs` and `outputs` are those that are used where they lie; the others are in the attempt's own folder."""
    sight = sandbox.sight()
    sight.show(*interpreter_places(environment.python))
    if environment.interpreter is None:  # else its folder may be anybody's home
        sight.show(environment.folder)
    sight.show(SDK)
    sight.show(folders.root, kind=Kind.WRITABLE)
    sight.show(folders.inputs, folders.mounts)  # copies are links into the node's cache, which others read too
    sight.show_as("/tmp", folders.tmp, kind=Kind.WRITABLE)  # noqa: S108 (the sandbox's own)
    sight.link("/var/tmp", "/tmp")  # noqa: S108
    if has_gpus:
        sight.show(*gpu_devices(), kind=Kind.DEVICE)
    sight.show(*inputs)
    sight.show(*outputs, kind=Kind.WRITABLE)
    return SandboxPlan(sight.mounts(), working_folder=str(folders.code))


def plan_without_step(sandbox: Sandbox, *, python: Path, environment: Path, folder: Path) -> SandboxPlan:
    """For what imports an environment's packages while there is no step: all that it can write is `folder`."""
    sight = sandbox.sight()
    sight.show(*interpreter_places(python), environment, SDK)
    sight.show(*(Path(settings.BASE_DIR) / "compute" / name for name in _KEPT_READY))
    sight.show(folder, kind=Kind.WRITABLE)
    sight.show_as("/tmp", folder, kind=Kind.WRITABLE)  # noqa: S108 (the sandbox's own)
    sight.link("/var/tmp", "/tmp")  # noqa: S108
    return SandboxPlan(sight.mounts(), working_folder=str(folder))
