"""azureml's key vault. A studio has none: it keeps the credentials of datastores itself, and shows them to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio_sdk.exceptions import NotSupportedException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

_INSTEAD = (
    "There is no key vault: register a datastore with its credentials, which the studio encrypts, "
    "or give a step what it needs as an environment variable of its node."
)


class Keyvault:
    """Every call raises NotSupportedException, which says what to do instead."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def set_secret(self, name: str, value: str) -> None:
        raise NotSupportedException(_INSTEAD)

    def set_secrets(self, secrets_batch: dict[str, str]) -> None:
        raise NotSupportedException(_INSTEAD)

    def get_secret(self, name: str) -> str:
        raise NotSupportedException(_INSTEAD)

    def get_secrets(self, secrets: list[str]) -> dict[str, str]:
        raise NotSupportedException(_INSTEAD)

    def get_secret_content_type(self, name: str) -> str:
        raise NotSupportedException(_INSTEAD)

    def delete_secret(self, name: str) -> None:
        raise NotSupportedException(_INSTEAD)

    def delete_secrets(self, secrets: list[str]) -> None:
        raise NotSupportedException(_INSTEAD)

    def list_secrets(self) -> list[dict[str, Any]]:
        raise NotSupportedException(_INSTEAD)
