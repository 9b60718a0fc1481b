"""What a run's page draws of a definition: kinds and edges, without the steps themselves, which take long to read."""

from typing import NamedTuple

from pipelines.definition import PipelineDefinition
from pipelines.graph import edges_of
from studio.lib.typed_json import Document


class DrawnEdge(NamedTuple):
    """An edge of `pipelines.graph`, without the field that it comes from. Steps go by their place in the list."""

    upstream: int
    output: str
    downstream: int
    input: str
    branch: bool | None = None


class Outline(Document):
    """The kind of each step, in order, and the edges between them."""

    kinds: list[str]
    edges: list[DrawnEdge]


def outline_of(definition: PipelineDefinition) -> Outline:
    edges = [
        DrawnEdge(edge.upstream, edge.output, edge.downstream, edge.input, edge.branch) for edge in edges_of(definition)
    ]
    return Outline(kinds=[step.kind for step in definition.steps], edges=edges)
