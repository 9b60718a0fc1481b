"""What tests of models begin with: a run that left something, registered."""

from typing import Any

from pipelines import services
from pipelines.models import Run, StepRun
from pipelines.registered import ModelVersion
from pipelines.services import Left
from studio.workspaces.access import Access
from studio.workspaces.models import Role
from tests.service.pipelines.world import World


def trained(world: World, name: str = "train", *, pipeline: str = "digits", **more: Any) -> StepRun:
    """The step of a run that completed, with its output `out`, and artifacts where `artifacts` says so."""
    artifacts = more.pop("artifacts", None)
    run: Run = world.submit(world.pipeline(world.step(name, **more), name=pipeline))
    world.complete(world.claim(), artifacts=artifacts)
    return StepRun.objects.get(run=run, name=name)


def register(world: World, step: StepRun, name: str = "digits", **more: Any) -> ModelVersion:
    left = more.pop("left", Left(output="out"))
    access: Access = more.pop("access", world.access)
    return services.register_model(access, step, left, name=name, **more).version


def contributor(world: World, name: str = "ana") -> Access:
    return Access(world.member(name, Role.CONTRIBUTOR), world.workspace, Role.CONTRIBUTOR)


def reader(world: World, name: str = "rea") -> Access:
    return Access(world.member(name, Role.READER), world.workspace, Role.READER)


def reads_model(world: World, name: str = "use", model: str = "digits", **more: Any) -> dict[str, Any]:
    """A step with an input fed by a model: `version=N` or `stage=STAGE` says by which of it."""
    which = {key: more.pop(key) for key in ("version", "stage") if key in more}
    inputs = [{"name": "model", "binding": {"kind": "model", "model": model, **which}}]
    return {**world.step(name), "inputs": inputs, "arguments": f"${{{{inputs.model}}}} --{name}", **more}
