"""Why a job waits, in words. Pure: decides from what it is given, and says the first thing that stands in its way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from compute.quotas import AtLimit
from compute.resources import Capacity, bytes_in_words, cpus_in_words, fits, gpus_in_words, in_words, lacking
from compute.spec import Resources
from compute.states import Intake

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class NodeNow:
    """A node of the target that lives."""

    name: str
    is_open: bool
    whole: Capacity
    free: Capacity
    slots_free: int


@dataclass(frozen=True, slots=True)
class TargetNow:
    name: str
    intake: Intake
    nodes: Sequence[NodeNow]  # those that live
    is_pool: bool = False
    is_starting: bool = False  # a node of the pool is on its way
    is_in_trouble: bool = False  # the last that the pool tells of itself is what it could not do
    had: Sequence[Capacity] = ()  # what nodes of the pool have or had, where none lives

    @property
    def taking(self) -> list[NodeNow]:
        return [node for node in self.nodes if node.is_open]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue. `ahead` says whose jobs stand before it, where that is known."""

    request: Resources
    position: int | None  # from 1; None: so far back that nobody counted
    ahead: Mapping[str, int] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()  # the nodes that run one which it is to be apart from
    due_in_s: float = 0  # another attempt has to wait for so long
    at_limit: AtLimit | None = None
    whose_limit: str = "Your workspace"


def why(job: Waiting, target: TargetNow) -> str:
    """A sentence without its full stop, beginning with a capital."""
    if job.due_in_s > 0:
        return f"It is tried again in {max(1, round(job.due_in_s))} s"
    if target.intake == Intake.PAUSED:
        return f"“{target.name}” is paused"
    if target.intake == Intake.DRAINING:
        return f"“{target.name}” is draining: nothing new starts there"
    if not target.nodes:
        return _without_nodes(job, target)
    if not target.taking:
        return "Every node that lives is paused or draining"
    able = [node for node in target.taking if fits(job.request, node.whole)]
    if not able:
        return _too_large(job.request, [node.whole for node in target.taking])
    if job.at_limit is not None:
        return _for_a_quota(job.at_limit, job.whose_limit)
    apart = [node for node in able if node.name not in job.beside]
    if not apart:
        return "Waits for a node of its own: every node works on another part of the same"
    able = apart
    if not any(fits(job.request, node.free) for node in able):
        return _for_room(job.request, able)
    return _in_line(job, able)


def too_large_in_words(request: Resources, nodes: Sequence[Capacity], *, largest: str) -> dict[str, str]:
    """Of `cpus`, `memory_bytes` and `gpus`, what no node has so much of, and what the largest has. `largest` names it.

    Where each of them is there, but not together, that is said at `""`.
    """
    if any(fits(request, node) for node in nodes):
        return {}
    told = {}
    for name in lacking(request, _most_of(nodes)):
        told[name] = f"{largest} has {_amount(name, getattr(_most_of(nodes), name))}"
    return told or {"": f"No node has {in_words(request)} together"}


def _without_nodes(job: Waiting, target: TargetNow) -> str:
    """A pool starts nodes for what can run on them, and for no more than quotas let run."""
    if target.had and not any(fits(job.request, each) for each in target.had):
        return _too_large(job.request, target.had, whose="of this pool")
    if job.at_limit is not None:
        return _for_a_quota(job.at_limit, job.whose_limit)
    if target.is_starting:
        return "Waits for a node: its pool is starting one"
    if target.is_in_trouble:
        return "Its pool could not start a node: the pool's page says why"
    return "Its pool starts a node in a moment" if target.is_pool else "No node of this target lives"


def _for_a_quota(reached: AtLimit, whose: str) -> str:
    runs = "1 step" if reached.used == 1 else f"{reached.used:.0f} steps"
    return f"{whose} runs {runs}: a quota allows {reached.limit} at once"


def _too_large(request: Resources, nodes: Sequence[Capacity], *, whose: str = "that lives") -> str:
    told = too_large_in_words(request, nodes, largest="the largest")
    if "" in told:
        return f"{told['']} now"
    name, sentence = next(iter(told.items()))
    return f"No node {whose} has {_amount(name, getattr(request, name))}: {sentence}"


def _for_room(request: Resources, able: Sequence[NodeNow]) -> str:
    """Of the node that comes closest: the one that lacks the fewest things, and of the first of them the least."""

    def distance(node: NodeNow) -> tuple[int, float]:
        missing = lacking(request, node.free)
        return len(missing), -(getattr(node.free, missing[0]) or 0) / getattr(request, missing[0])

    node = min(able, key=distance)
    name = lacking(request, node.free)[0]
    return (
        f"Waits for {_amount(name, getattr(request, name))}: node {node.name} has "
        f"{_number(name, getattr(node.free, name))} free of {_number(name, getattr(node.whole, name))}"
    )


def _in_line(job: Waiting, able: Sequence[NodeNow]) -> str:
    if job.position is None:
        return "Many steps go before it"
    if job.position == 1:
        busy = not any(node.slots_free > 0 and fits(job.request, node.free) for node in able)
        return "Next in line: every slot is busy" if busy else "Starts in a moment"
    place = f"{_ordinal(job.position)} in line"
    if not job.ahead or len(job.ahead) > _MOST_NAMED or sum(job.ahead.values()) != job.position - 1:
        return place
    parts = [f"{count} of {whose}" for whose, count in job.ahead.items()]
    listed = " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
    return f"{place}: {listed} steps before it"


def _most_of(nodes: Sequence[Capacity]) -> Capacity:
    """The most that any of them has, of each thing by itself."""
    return Capacity(
        cpus=max((node.cpus for node in nodes if node.cpus is not None), default=None),
        memory_bytes=max((node.memory_bytes for node in nodes if node.memory_bytes is not None), default=None),
        gpus=max((node.gpus for node in nodes), default=0),
    )


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return "an unknown amount"
    match name:
        case "cpus":
            return cpus_in_words(value)
        case "memory_bytes":
            return f"{bytes_in_words(value)} of memory"
        case _:
            return gpus_in_words(int(value)) if value else "no GPU"


def _number(name: str, value: float | None) -> str:
    return bytes_in_words(value) if name == "memory_bytes" and value else f"{round(value or 0, 2):g}"


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
