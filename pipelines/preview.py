"""A pipeline's definition as the graph that the browser draws. Pure."""

from typing import Any

from pipelines.definition import Binding, DatasetBinding, ModelBinding, ParameterBinding, PipelineDefinition
from pipelines.graph import edges_of


def graph_of(definition: PipelineDefinition) -> dict[str, Any]:
    """`{nodes, edges}` in the shape of `static/src/graph/model.js`: the steps, and the data they read."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: list[dict[str, str]] = []
    for step in definition.steps:
        for given in step.inputs:
            if named := _data_node(given.binding):
                kind, name = named
                node_id = f"{kind}:{name}"
                node = {"id": node_id, "title": name, "kind": kind, "inputs": [], "outputs": ["data"]}
                nodes.setdefault(node_id, node)
                edges.append({"from": node_id, "output": "data", "to": step.name, "input": given.name})
        nodes[step.name] = {
            "id": step.name,
            "title": step.name,
            "subtitle": step.subtitle,
            "kind": "step",
            "icon": step.icon,
            "inputs": [given.name for given in step.inputs],
            "outputs": [output.name for output in step.outputs],
        }
    for edge in edges_of(definition):
        upstream, downstream = definition.steps[edge.upstream], definition.steps[edge.downstream]
        ends = {"from": upstream.name, "output": edge.output, "to": downstream.name, "input": edge.input}
        edges.append(ends if edge.branch is None else {**ends, "label": branch_word(edge.branch)})
    return {"nodes": list(nodes.values()), "edges": edges}


def branch_word(answer: bool) -> str:
    """How an edge from a condition is labelled."""
    return "true" if answer else "false"


def _data_node(binding: Binding | None) -> tuple[str, str] | None:
    """Kind and title of the node that stands for data which no step writes."""
    if isinstance(binding, DatasetBinding):
        return "dataset", f"{binding.dataset}:{binding.version}" if binding.version else binding.dataset
    if isinstance(binding, ModelBinding):
        return "model", binding.name
    return ("parameter", binding.parameter) if isinstance(binding, ParameterBinding) else None
