"""A pipeline's definition as the graph that the browser draws. Pure."""

from typing import Any

from pipelines.definition import DatasetBinding, PipelineDefinition
from pipelines.graph import edges_of


def graph_of(definition: PipelineDefinition) -> dict[str, Any]:
    """`{nodes, edges}` in the shape of `static/src/graph/model.js`: the steps, and the datasets they read."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: list[dict[str, str]] = []
    for step in definition.steps:
        for given in step.inputs:
            if isinstance(given.binding, DatasetBinding):
                version = f":{given.binding.version}" if given.binding.version else ""
                name = f"{given.binding.dataset}{version}"
                nodes.setdefault(
                    f"dataset:{name}",
                    {"id": f"dataset:{name}", "title": name, "kind": "dataset", "inputs": [], "outputs": ["data"]},
                )
                edges.append({"from": f"dataset:{name}", "output": "data", "to": step.name, "input": given.name})
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
        edges.append({"from": upstream.name, "output": edge.output, "to": downstream.name, "input": edge.input})
    return {"nodes": list(nodes.values()), "edges": edges}
