"""What starts and stops the nodes of a pool.

Not in charge of how many there should be, nor of what a row's status is: it is asked about one row at a time, as often
as whoever asks likes, and makes the machine as the row says.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from compute.models import ComputeTarget, PoolNode


class Provider(ABC):
    """One of `compute.providers.registry.PROVIDERS`. Everything that it is asked may be asked twice, or by two."""

    name: ClassVar[str]
    start_s: ClassVar[float]  # so long a node may take until it registers

    @property
    def source(self) -> str:
        """The digest of the studio that it would start a node from; empty where it starts this very one."""
        return ""

    @abstractmethod
    def places(self, target: ComputeTarget, live: Sequence[PoolNode], count: int) -> tuple[list[str], str]:
        """The hosts of up to `count` further nodes, each once per node; and why there are fewer, in words."""

    @abstractmethod
    def start(self, row: PoolNode) -> str:
        """Have a process for this row. Returns how far it is, in words.

        Raises UserError where it can't be started: its host is at fault, and another one may do.
        """

    @abstractmethod
    def stop(self, row: PoolNode) -> bool:
        """End whatever runs for this row, by SIGTERM first. Returns whether nothing is left of it.

        Raises UserError where that can't be told now.
        """
