"""Stages of versions, what is said of them, and their end: who may, and who comes too late."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from pipelines import services
from pipelines.registered import ModelVersion, RegisteredModel
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.models import AuditEvent
from tests.service.pipelines.models import contributor, reader, reads_model, register, trained
from tests.service.pipelines.world import World


def stages() -> dict[int, str]:
    return dict(ModelVersion.objects.values_list("number", "stage"))


def test_at_most_one_version_is_in_production(world: World) -> None:
    step = trained(world)
    one, two = register(world, step, stage="production"), register(world, step)
    left = services.set_stage(world.access, two, "production", replaces=1, is_told=True)
    assert left == one
    assert stages() == {1: "archived", 2: "production"}
    done = services.register_model(world.access, step, services.Left(output="out"), name="digits", stage="production")
    assert done.words == "digits:3 is registered; version 2 left production and is archived."
    assert stages() == {1: "archived", 2: "archived", 3: "production"}
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(number=1).update(stage="production")
    targets = AuditEvent.objects.filter(verb="model.stage").order_by("pk").values_list("target", flat=True)
    assert list(targets) == ["digits:1 to archived", "digits:2 to production", "digits:2 to archived"]


def test_whoever_was_told_otherwise_is_told_so(world: World) -> None:
    step = trained(world)
    _one, two, three = (register(world, step) for _ in range(3))
    services.set_stage(world.access, two, "production")
    with pytest.raises(ConflictError, match="Version 2 went into production meanwhile"):
        services.set_stage(world.access, three, "production", replaces=None, is_told=True)
    services.set_stage(world.access, two, "none")
    with pytest.raises(ConflictError, match="No version is in production any more"):
        services.set_stage(world.access, three, "production", replaces=2, is_told=True)
    assert stages() == {1: "none", 2: "none", 3: "none"}


def test_a_stage_that_is_none_and_one_that_it_has(world: World) -> None:
    version = register(world, trained(world), stage="staging")
    with pytest.raises(UserError, match="A stage is one of these"):
        services.set_stage(world.access, version, "gold")
    set_at = version.stage_set_at
    assert services.set_stage(world.access, version, "staging") is None
    version.refresh_from_db()
    assert version.stage_set_at == set_at


def test_whoever_may_not(world: World) -> None:
    version = register(world, trained(world))
    rea = reader(world)
    for attempt in (
        lambda: services.set_stage(rea, version, "production"),
        lambda: services.change_model(rea, version.model, description="x"),
        lambda: services.change_model_version(rea, version, tags={"a": "b"}),
        lambda: services.delete_model_version(rea, version),
        lambda: services.delete_model(rea, version.model),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert stages() == {1: "none"}


def test_what_is_said(world: World) -> None:
    version = register(world, trained(world), description="was", tags={"a": "1"})
    ana = contributor(world)
    services.change_model_version(ana, version, tags={"b": "2"})
    services.change_model(ana, version.model, description="Digits by hand.", tags={"task": "images"})
    version.refresh_from_db()
    assert (version.description, version.tags.tags) == ("was", {"b": "2"})
    model = RegisteredModel.objects.get()
    assert (model.description, model.tags.tags) == ("Digits by hand.", {"task": "images"})
    with pytest.raises(UserError) as error:
        services.change_model(ana, model, description="x" * 501, tags={"": "x"})
    assert [problem.loc for problem in error.value.problems] == [("description",), ("tags", "")]


def test_one_deletes_ones_own_and_an_owner_all(world: World) -> None:
    step, ana, bo = trained(world), contributor(world, "ana"), contributor(world, "bo")
    one, two = register(world, step, access=ana), register(world, step, access=bo)
    with pytest.raises(PermissionDenied, match="Somebody else registered this"):
        services.delete_model_version(ana, two)
    with pytest.raises(PermissionDenied, match="Somebody else"):
        services.delete_model(ana, one.model)
    services.delete_model_version(ana, one)
    services.delete_model_version(world.access, two)
    assert str(register(world, step, access=ana)) == "digits:3", "a number is given once"
    services.delete_model(ana, RegisteredModel.objects.get())
    assert not RegisteredModel.objects.exists()
    with pytest.raises(ConflictError, match="just deleted"):
        services.change_model_version(world.access, two, description="late")
    with pytest.raises(ConflictError, match="just deleted"):
        services.set_stage(world.access, two, "staging")


def test_while_a_run_under_way_reads_it_it_stays(world: World) -> None:
    version = register(world, trained(world))
    run = world.submit(world.pipeline(reads_model(world), name="user"))
    for delete in (
        lambda: services.delete_model_version(world.access, version),
        lambda: services.delete_model(world.access, version.model),
    ):
        with pytest.raises(ConflictError, match=f"Run {run.pk}, under way, reads it"):
            delete()
    world.drain()
    services.delete_model_version(world.access, version)
    assert not ModelVersion.objects.exists()
