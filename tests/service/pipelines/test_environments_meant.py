"""Which environment a step means by what it says."""

import pytest
from pytest_django import DjangoAssertNumQueries

from compute.models import Environment
from compute.services import create_environment, ensure_curated
from compute.spec import EnvironmentSpec
from pipelines.catalogue import environments_meant
from studio.workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    ensure_curated()
    made = Workspace.objects.create(slug="ours", name="Ours")
    for pip in (["numpy"], ["scipy"]):
        create_environment(workspace=made, name="mine", spec=EnvironmentSpec(pip=pip), created_by=None)
    return made


def test_by_name_the_latest_and_by_version_that_one(
    workspace: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        meant = environments_meant(workspace, ["mine", "mine:1", "python"])
    assert {reference: row.version for reference, row in meant.items()} == {"mine": 2, "mine:1": 1, "python": 1}
    assert meant["mine:1"].spec.pip == ["numpy"]


def test_what_is_not_there_is_left_out(workspace: Workspace) -> None:
    wrong = ["mine:3", "mine:x", "mine:", "mine:-1", "", ":1", "mine:99999999999999999999", "other"]
    assert environments_meant(workspace, wrong) == {}
    assert environments_meant(Workspace.objects.create(slug="theirs", name="Theirs"), ["mine"]) == {}


def test_a_workspaces_own_hides_one_that_came_with_a_later_studio(workspace: Workspace) -> None:
    for version in (3, 4):
        Environment.objects.create(name="mine", version=version, spec=EnvironmentSpec(pip=["polars"]))
    assert environments_meant(workspace, ["mine", "mine:4"])["mine"].version == 2
    assert "mine:4" not in environments_meant(workspace, ["mine:4"])
