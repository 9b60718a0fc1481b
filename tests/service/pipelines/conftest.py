import pytest
from django.conf import LazySettings

from tests.service.pipelines.world import World


@pytest.fixture(autouse=True)
def _own_home(settings: LazySettings, tmp_path) -> None:
    settings.STUDIO_HOME = tmp_path


@pytest.fixture
def world(db) -> World:
    return World.make()
