"""What a node keeps of itself, taken to the database with its heartbeats: no write of its own, and no lease at risk."""

import logging

from django.db import Error as DatabaseFailure
from django.db import transaction

from compute.models import Node
from compute.node.own_log import OwnLog
from compute.node.sampling import Sampler

logger = logging.getLogger(__name__)


class Records:
    """The figures of a node's machine, and its log."""

    def __init__(self, node: Node, log: OwnLog) -> None:
        self.node = node
        self.log = log
        self.sampler = Sampler(node)
        self._is_written = False

    def write(self) -> None:
        """Within the transaction of a heartbeat, once the leases are renewed. What fails here is tried again."""
        self._is_written = False
        try:
            with transaction.atomic():
                self.log.write(self.node)
                self.sampler.write()
        except DatabaseFailure as error:
            logger.warning("figures and log could not be kept, the next heartbeat tries again: %s", error)
        else:
            self._is_written = True

    def wrote(self) -> None:
        """The heartbeat is done."""
        if self._is_written:
            self.log.wrote()
            self.sampler.wrote()
        self._is_written = False

    def last_words(self) -> None:
        """As the node ends: what it said since its last heartbeat."""
        self.sampler.over.set()
        try:
            with transaction.atomic():
                self.log.write(self.node)
        except DatabaseFailure as error:
            logger.warning("the last lines of the log could not be kept: %s", error)
