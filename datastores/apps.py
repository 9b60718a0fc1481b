from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from studio.workspaces.models import User, Workspace


class DatastoresConfig(AppConfig):
    name = "datastores"

    def ready(self) -> None:
        from studio.workspaces.listener import listen

        listen(_on_new_workspace)


def _on_new_workspace(workspace: "Workspace", creator: "User | None") -> None:
    from datastores.services import create_first_datastores

    create_first_datastores(workspace, creator)
