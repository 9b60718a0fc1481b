from pathlib import Path

import pytest
from django.conf import LazySettings

from tests.service.pipelines.world import World


@pytest.fixture
def world(transactional_db: None, settings: LazySettings, tmp_path: Path) -> World:
    settings.STUDIO_HOME = tmp_path
    return World.make()
