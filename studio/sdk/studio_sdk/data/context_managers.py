"""Files in a folder for a while."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio_sdk.data.file_dataset import FileDataset

__all__ = ["MountContext"]


class MountContext:
    """`with dataset.mount() as mounted: os.listdir(mounted.mount_point)`.

    Outside of a step nothing is mounted: the files are downloaded when it starts, and the copy goes when it ends.
    """

    def __init__(self, dataset: FileDataset, mount_point: str | None) -> None:
        self._dataset = dataset
        self._is_own = mount_point is None
        self._mount_point = mount_point or tempfile.mkdtemp(prefix="mounted-")
        self._placed: list[str] = []

    @property
    def mount_point(self) -> str:
        return self._mount_point

    def start(self) -> None:
        if not self._placed:
            os.makedirs(self._mount_point, exist_ok=True)
            self._placed = self._dataset.download(self._mount_point)

    def stop(self) -> None:
        """A folder that was given keeps what it had before."""
        if self._is_own:
            shutil.rmtree(self._mount_point, ignore_errors=True)
        else:
            for place in self._placed:
                if os.path.exists(place):
                    os.unlink(place)
        self._placed = []

    def __enter__(self) -> MountContext:
        self.start()
        return self

    def __exit__(self, *_how: object) -> None:
        self.stop()
