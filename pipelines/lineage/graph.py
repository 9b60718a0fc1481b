"""A walk along the lineage, as the graph that the page draws."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from pipelines.lineage.details import described
from pipelines.lineage.links import Link, Links, Reader
from pipelines.lineage.nodes import Key, Step, Version
from studio.workspaces.models import Workspace

HOPS = 2
MAX_NODES = 60
FAN = 8  # links of one node in one direction, before the rest stands behind “more”
MAX_AFTER = 2000

Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class More:
    """That a node has further links: those after the first `after` of them."""

    key: Key
    direction: Direction
    after: int


@dataclass
class Graph:
    """Nodes in the order in which the walk came to them, each with its hops from the centre: negative is backward."""

    workspace: Workspace
    centre: Key | None = None
    hops: dict[Key, int] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    more: list[More] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """`{centre, nodes, edges}` in the shape of `static/src/graph/model.js`; nodes carry what the panel says."""
        nodes = described(self.workspace, list(self.hops))
        for key, node in nodes.items():
            node["hops"] = self.hops[key]
        ids = {key: node["id"] for key, node in nodes.items()}
        edges = [
            {"from": ids[link.source], "output": link.output, "to": ids[link.made], "input": link.input}
            for link in self.links
            if link.source in ids and link.made in ids
        ]
        drawn = list(nodes.values())
        for more in self.more:
            beside = ids.get(_plain(more.key))
            if beside is None:
                continue
            node = _more_node(beside, more, self.hops[_plain(more.key)])
            drawn.append(node)
            ends = (node["id"], beside) if more.direction == "up" else (beside, node["id"])
            edges.append({"from": ends[0], "output": "", "to": ends[1], "input": ""})
        return {
            "centre": ids.get(self.centre) if self.centre else None,
            "nodes": drawn,
            "edges": edges,
        }


def walk(workspace: Workspace, centre: Key, *, hops: int = HOPS, max_nodes: int = MAX_NODES) -> Graph:
    """From `centre` so many hops backward and forward, nodes that are left out standing behind “more”."""
    reader = Reader(workspace)
    graph = Graph(workspace, _plain(centre), {_plain(centre): 0})
    directions: tuple[tuple[Direction, Callable[[Collection[Key], int], Links]], ...] = (
        ("up", reader.sources_of),
        ("down", reader.results_of),
    )
    for direction, links_of in directions:
        # Only the first hop forward asks for one output: what lies beyond came of it anyhow.
        frontier: list[Key] = [centre]
        if direction == "down":
            frontier += _outputs_registered_as(graph)
        for hop in range(1, hops + 1):
            found = links_of(frontier, FAN + 1)
            frontier = _take(graph, found, frontier=frontier, direction=direction, hop=hop, max_nodes=max_nodes)
        _mark_what_lies_beyond(graph, frontier, links_of(frontier, FAN), direction)
    return graph


def more_of(workspace: Workspace, key: Key, direction: Direction, after: int) -> Graph:
    """The next links of one node in one direction, after the first `after`; `key` itself is the centre."""
    reader = Reader(workspace)
    links_of = reader.sources_of if direction == "up" else reader.results_of
    after = min(after, MAX_AFTER)
    graph = Graph(workspace, _plain(key), {_plain(key): 0})
    found = {key: links_of([key], after + FAN + 1).get(key, [])[after:]}
    frontier = _take(graph, found, frontier=[key], direction=direction, hop=1, offset=after)
    _mark_what_lies_beyond(graph, frontier, links_of(frontier, FAN), direction)
    return graph


def _take(
    graph: Graph,
    found: Links,
    *,
    frontier: list[Key],
    direction: Direction,
    hop: int,
    max_nodes: int = MAX_NODES,
    offset: int = 0,
) -> list[Key]:
    """Add the links of a hop. Returns the nodes that are new."""
    new: list[Key] = []
    for key in frontier:
        links = found.get(key, [])
        for count, link in enumerate(links):
            end = _plain(link.source if direction == "up" else link.made)
            if count >= FAN or (end not in graph.hops and len(graph.hops) >= max_nodes):
                graph.more.append(More(key, direction, offset + count))
                break
            graph.links.append(_between_plain(link))
            if end not in graph.hops:
                graph.hops[end] = -hop if direction == "up" else hop
                new.append(end)
    return new


def _outputs_registered_as(graph: Graph) -> list[Key]:
    """Where the centre is a version that a step wrote: who reads the output itself reads the same data."""
    if not isinstance(graph.centre, Version):
        return []
    made_it = (link for link in graph.links if link.made == graph.centre)
    return [Step(link.source.pk, link.output) for link in made_it if isinstance(link.source, Step)]


def _mark_what_lies_beyond(graph: Graph, frontier: list[Key], found: Links, direction: Direction) -> None:
    for key in frontier:
        ends = [_plain(link.source if direction == "up" else link.made) for link in found.get(key, [])]
        known = [end in graph.hops for end in ends]
        graph.links += [
            _between_plain(link) for link, is_known in zip(found.get(key, []), known, strict=True) if is_known
        ]
        if not all(known):
            graph.more.append(More(key, direction, 0))


def _plain(key: Key) -> Key:
    """The node that stands for `key`: a step, whichever of its outputs was meant."""
    return Step(key.pk) if isinstance(key, Step) else key


def _between_plain(link: Link) -> Link:
    return Link(_plain(link.source), _plain(link.made), link.output, link.input)


def _more_node(node_id: str, more: More, hops: int) -> dict[str, Any]:
    further = -1 if more.direction == "up" else 1
    return {
        "id": f"more:{more.direction}:{node_id}",
        "kind": "more",
        "title": "More",
        "subtitle": "it was made from" if more.direction == "up" else "made from it",
        "hops": hops + further,
        "expand": urlencode({**more.key.address, "direction": more.direction, "after": more.after}),
    }
