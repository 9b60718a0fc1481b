"""The graph of a definition: edges, circles, and an order in which every step follows what it waits for."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.definition import OutputBinding, PipelineDefinition
from pipelines.kinds.interface import way


@dataclass(frozen=True, slots=True)
class Edge:
    """Step `downstream`'s input `input` reads step `upstream`'s output `output`; both empty where it just runs after.

    Steps go by their place in the list. `field` is what of the downstream step says so, as in `("run_after", 0)`.
    `branch` is the answer of a condition by which the downstream step runs; None where it does not depend on one.
    """

    upstream: int
    output: str
    downstream: int
    input: str
    field: tuple[str | int, ...]
    branch: bool | None = None


def edges_of(definition: PipelineDefinition) -> list[Edge]:
    """One edge for each input that is bound to an output of a step that is there, each such step to run after or whose
    metrics are read, and each such condition."""
    places = places_of(definition)
    edges: list[Edge] = []
    field: tuple[str | int, ...]
    for downstream, step in enumerate(definition.steps):
        for index, given in enumerate(step.inputs):
            binding = given.binding
            if isinstance(binding, OutputBinding) and binding.step in places:
                field = ("inputs", index, "binding")
                edges.append(Edge(places[binding.step], binding.output, downstream, given.name, field))
        if step.only_if is not None and step.only_if.step in places:
            field = ("only_if",)
            edges.append(Edge(places[step.only_if.step], "", downstream, "", field, step.only_if.answer))
        for place, name in step.reads_metrics():
            if name in places:
                edges.append(Edge(places[name], "", downstream, "", way(place)))
        for index, name in enumerate(step.run_after):
            if name in places:
                edges.append(Edge(places[name], "", downstream, "", ("run_after", index)))
    return edges


def places_of(definition: PipelineDefinition) -> dict[str, int]:
    """Where each step stands; of two with one name the first counts."""
    places: dict[str, int] = {}
    for index, step in enumerate(definition.steps):
        places.setdefault(step.name, index)
    return places


def successors_of(count: int, edges: Iterable[Edge]) -> list[list[int]]:
    """For each step the distinct steps that wait for it."""
    successors: list[dict[int, None]] = [{} for _ in range(count)]
    for edge in edges:
        successors[edge.upstream][edge.downstream] = None
    return [list(found) for found in successors]


def circle_through(edge: Edge, successors: Sequence[Sequence[int]]) -> list[int] | None:
    """The shortest way round that ends with `edge`, its first step again at the end; None where there is none."""
    came_from: dict[int, int] = {edge.downstream: edge.downstream}
    waiting = deque([edge.downstream])
    while waiting:
        step = waiting.popleft()
        if step == edge.upstream:
            return [*_way_back(step, came_from), edge.downstream]
        for following in successors[step]:
            if following not in came_from:
                came_from[following] = step
                waiting.append(following)
    return None


def _way_back(step: int, came_from: Mapping[int, int]) -> list[int]:
    way = [step]
    while came_from[way[-1]] != way[-1]:
        way.append(came_from[way[-1]])
    return way[::-1]


def topological_order(count: int, edges: Iterable[Edge]) -> list[int]:
    """Every step after those it waits for, otherwise as given. Steps of a circle, and those after it, are missing."""
    distinct = {(edge.upstream, edge.downstream) for edge in edges}
    waiting_for = [0] * count
    successors: list[list[int]] = [[] for _ in range(count)]
    for upstream, downstream in sorted(distinct):
        waiting_for[downstream] += 1
        successors[upstream].append(downstream)
    ready = deque(step for step in range(count) if not waiting_for[step])
    order: list[int] = []
    while ready:
        step = ready.popleft()
        order.append(step)
        for following in successors[step]:
            waiting_for[following] -= 1
            if not waiting_for[following]:
                ready.append(following)
    return order


def steps_on_circles(count: int, edges: Sequence[Edge]) -> set[int]:
    """The steps that lie on a circle, or between two circles."""
    forwards = set(topological_order(count, edges))
    reversed_edges = [Edge(edge.downstream, edge.output, edge.upstream, edge.input, edge.field) for edge in edges]
    backwards = set(topological_order(count, reversed_edges))
    return set(range(count)) - forwards - backwards
