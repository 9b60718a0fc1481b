"""How the steps of a node are isolated."""

import time
from dataclasses import dataclass
from typing import Literal

from compute.execution.sandbox.plan import Sight
from compute.execution.sandbox.system import system_sight

IsolationKind = Literal["sandbox", "process"]

_AS_SEEN_FOR_S = 60.0  # an address of a name server may change while the node runs


@dataclass
class Sandbox:
    """bubblewrap, as it works here."""

    bwrap: str
    with_user_namespace: bool  # for root without the right to mount; others need one anyway
    can_be_entered: bool = False  # by a process that runs already
    _sight: Sight | None = None
    _seen_at: float = 0.0

    def sight(self) -> Sight:
        """What all steps see. To be added to."""
        now = time.monotonic()
        if self._sight is None or now - self._seen_at > _AS_SEEN_FOR_S:
            self._sight, self._seen_at = system_sight(), now
        return self._sight.copy()


@dataclass(frozen=True)
class Isolation:
    """`why` says, as the end of a sentence, what stands in the way of a sandbox where there is none."""

    sandbox: Sandbox | None = None
    why: str = ""

    @property
    def kind(self) -> IsolationKind:
        return "sandbox" if self.sandbox else "process"

    @property
    def sentence(self) -> str:
        if self.sandbox:
            return "Each step runs in a sandbox of its own: it sees its own folders, its inputs, and no other files."
        return f"Steps are isolated by process only: {self.why}."
