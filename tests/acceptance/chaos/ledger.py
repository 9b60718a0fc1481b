"""What the attempts themselves say of their lives: each appends to its step's file while it lives.

The clock is the machine's own, the same for all processes, and goes on whatever is killed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

BEATS_EVERY_S = 0.05

WORK = f"""
import os, sys, time, uuid

folder, seconds = sys.argv[1], float(sys.argv[2])
me = uuid.uuid4().hex  # of this attempt; os.urandom's, so two that were forked from one parent differ
ledger = os.open(os.path.join(folder, "ledger.txt"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def write(word):
    os.write(ledger, f"{{me}} {{word}} {{time.clock_gettime(time.CLOCK_BOOTTIME):.6f}}\\n".encode())


print("attempt", me, flush=True)
end = time.monotonic() + seconds
write("begins")
while time.monotonic() < end:
    time.sleep({BEATS_EVERY_S})
    write("lives")
write("ends")
print("done", me, flush=True)
"""


@dataclass(frozen=True)
class Life:
    """One attempt as its own lines tell it."""

    name: str
    first_s: float
    last_s: float
    ended: bool  # it came to its last line


def lives(file: Path) -> list[Life]:
    """The attempts of one step, the earliest first."""
    told: dict[str, list[tuple[str, float]]] = {}
    for line in file.read_text().splitlines():
        name, word, at = line.split()
        told.setdefault(name, []).append((word, float(at)))
    found = [
        Life(name, lines[0][1], lines[-1][1], ended=any(word == "ends" for word, _ in lines))
        for name, lines in told.items()
    ]
    return sorted(found, key=lambda life: life.first_s)


def overlaps(found: list[Life]) -> Iterator[str]:
    """Pairs of attempts of one step that were alive at once."""
    for earlier, later in pairwise(found):
        if later.first_s <= earlier.last_s:
            yield f"{earlier.name} lived until {earlier.last_s:.3f}, {later.name} began at {later.first_s:.3f}"
