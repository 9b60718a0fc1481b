"""azureml's data cache. Nodes keep downloaded data by themselves, and share it among the steps that read it."""

from __future__ import annotations

from typing import Any

from studio_sdk.exceptions import NotSupportedException

__all__ = ["DatacacheStore"]

_INSTEAD = "There is no data cache to set up: a node downloads a dataset once and keeps it. Leave as_cache out."


class DatacacheStore:
    """Raises NotSupportedException, which says what to do instead."""

    def __init__(self, *_arguments: Any, **_more: Any) -> None:
        raise NotSupportedException(_INSTEAD)

    @staticmethod
    def get(*_arguments: Any, **_more: Any) -> DatacacheStore:
        raise NotSupportedException(_INSTEAD)

    @staticmethod
    def list(*_arguments: Any, **_more: Any) -> list[DatacacheStore]:
        raise NotSupportedException(_INSTEAD)

    @staticmethod
    def register(*_arguments: Any, **_more: Any) -> DatacacheStore:
        raise NotSupportedException(_INSTEAD)
