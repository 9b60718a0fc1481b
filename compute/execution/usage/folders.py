"""How much lies in a step's folders, while it writes into them: counted slowly, so that nobody notices."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from compute.execution.handle import Breach
from compute.execution.reasons import of_large_output

if TYPE_CHECKING:
    from compute.execution.usage.meter import Meter

_BATCH = 500  # files
_REST = 9  # for each second of counting so many of rest


def files_below(folder: Path) -> Iterator[os.stat_result]:
    """Every plain file below, links not followed. What goes away or can't be read meanwhile is passed over."""
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        elif stat.S_ISREG((found := entry.stat(follow_symlinks=False)).st_mode):
                            yield found
                    except OSError:
                        continue
        except OSError:
            continue


def is_larger(folder: Path, limit_bytes: int) -> int | None:
    """What lies there as soon as it is known to be more than the limit; None where it is not."""
    total = 0
    for file in files_below(folder):
        total += file.st_size
        if total > limit_bytes:
            return total
    return None


class Scales:
    """Weighs the folders of one attempt once."""

    def __init__(self, meter: "Meter") -> None:
        self.meter = meter

    def weigh(self) -> None:
        limit = self.meter.limits.output_bytes
        total = 0
        for name, folder in self.meter.outputs.items():
            size_bytes = 0
            for file in self._slowly(folder):
                size_bytes += file.st_size
                total += file.st_blocks * 512
                if limit is not None and size_bytes > limit:
                    self.meter.handle.breached(Breach("output", of_large_output(name, size_bytes, limit)))
                    return
        for folder in self.meter.folders:
            total += sum(file.st_blocks * 512 for file in self._slowly(folder))
        self.meter.disk_bytes = total

    def _slowly(self, folder: Path) -> Iterator[os.stat_result]:
        began = time.monotonic()
        for count, file in enumerate(files_below(folder), start=1):
            yield file
            if count % _BATCH == 0:
                time.sleep((time.monotonic() - began) * _REST)
                began = time.monotonic()
