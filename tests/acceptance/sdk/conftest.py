"""The SDK in this process, against a server that listens."""

import sys
from pathlib import Path

import pytest
from django.conf import LazySettings
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from compute.execution.sdk import SDK
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

sys.path.append(str(SDK))

from studio_sdk.core import Workspace
from studio_sdk.core.authentication import TokenAuthentication


@pytest.fixture
def world(transactional_db: None, settings: LazySettings, tmp_path: Path) -> World:
    settings.STUDIO_HOME = tmp_path / "home"
    return World.make()


@pytest.fixture
def workspace(world: World, live_server: LiveServer) -> Workspace:
    """As an owner sees it."""
    return of(world, live_server, world.owner)


@pytest.fixture
def read_only(world: World, live_server: LiveServer) -> Workspace:
    return of(world, live_server, world.member("reader", Role.READER))


def of(world: World, live_server: LiveServer, user: object) -> Workspace:
    token: str = AuthToken.objects.create(user)[1]
    return Workspace(
        workspace_name=world.workspace.slug, url=live_server.url, auth=TokenAuthentication(lambda _audience: token)
    )
