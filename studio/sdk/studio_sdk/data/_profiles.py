"""The studio's profile of a table: asked for, waited for, and given as it has it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from studio_sdk.data._transfer import patiently
from studio_sdk.exceptions import ServiceException

if TYPE_CHECKING:
    from studio_sdk.data.tabular_dataset import TabularDataset

_POLL_S = 0.5
_UNDER_WAY = ("queued", "running")


def profile_of(table: TabularDataset) -> dict[str, Any]:
    """Raises ServiceException where it came to nothing."""
    client = table._home()._client
    address = f"{table._address}profile/"
    found: dict[str, Any] = patiently(partial(client.post, address, {}))
    while found["status"] in _UNDER_WAY:
        time.sleep(_POLL_S)
        found = patiently(partial(client.get, address))
    if found["status"] != "completed":
        raise ServiceException(f"The profile came to nothing: {found.get('reason') or found['status']}")
    return found
