"""Compute targets and environments: made, versioned, removed, with sentences for what can't be."""

import pytest

from compute.models import ComputeTarget, Environment, Job
from compute.services import (
    create_environment,
    create_target,
    delete_target,
    ensure_curated,
    request_cancel,
)
from compute.services.leases import claim
from compute.spec import EnvironmentSpec
from studio.lib.problems import UserError
from studio.workspaces.models import Workspace
from tests.support.compute import Compute, completed

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(slug="ours", name="Ours")


def test_what_every_installation_has_is_made_once() -> None:
    for _ in range(2):
        ensure_curated()
    assert [target.name for target in ComputeTarget.objects.all()] == ["local"]
    assert 2 <= ComputeTarget.objects.get().slots <= 4
    assert {str(environment) for environment in Environment.objects.all()} == {
        "lightgbm:1",
        "notebook:1",
        "python:1",
        "pytorch-cpu:1",
        "sklearn:1",
    }


def test_a_name_is_taken_once_and_free_again_after_removal(workspace: Workspace) -> None:
    ensure_curated()
    target = create_target(workspace=workspace, name="big", slots=8, created_by=None)
    for name in ("big", "local", "two words", ""):
        with pytest.raises(UserError) as caught:
            create_target(workspace=workspace, name=name, created_by=None)
        assert caught.value.problems[0].loc == ("name",)
    with pytest.raises(UserError, match="slots"):
        create_target(workspace=workspace, name="none", slots=0, created_by=None)
    delete_target(target, deleted_by=None)
    assert not ComputeTarget.objects.filter(workspace=workspace).exists()
    assert create_target(workspace=workspace, name="big", created_by=None).pk != target.pk


def test_a_target_in_use_stays_and_a_removed_one_is_still_named_by_its_jobs() -> None:
    compute = Compute()
    job = compute.job()
    with pytest.raises(UserError, match="1 job is queued or running"):
        delete_target(compute.target, deleted_by=None)
    request_cancel([job.pk])
    node = compute.node()
    compute.job()
    completed(claim(node))
    # Its node lives, which hinders nobody: the supervisor stops the node of a target that is gone.
    delete_target(compute.target, deleted_by=None)
    assert Job.objects.get(pk=job.pk).target.name == compute.target.name


def test_the_same_specification_is_the_same_version(workspace: Workspace) -> None:
    spec = EnvironmentSpec(pip=["pandas>=2  # frames", "", "numpy"])
    first = create_environment(workspace=workspace, name="mine", spec=spec, created_by=None)
    assert (first.version, first.spec.pip) == (1, ["pandas>=2", "numpy"])
    again = EnvironmentSpec(pip=["numpy", "pandas>=2"])
    assert create_environment(workspace=workspace, name="mine", spec=again, created_by=None) == first
    other = EnvironmentSpec(pip=["numpy"])
    assert create_environment(workspace=workspace, name="mine", spec=other, created_by=None).version == 2
    assert create_environment(workspace=workspace, name="mine", spec=spec, created_by=None).version == 3


def test_names_that_come_with_the_studio_are_not_for_others(workspace: Workspace) -> None:
    ensure_curated()
    with pytest.raises(UserError, match="comes with the studio"):
        create_environment(workspace=workspace, name="sklearn", spec=EnvironmentSpec(), created_by=None)
