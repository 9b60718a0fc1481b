"""The page that shows where data came from and what was made of it."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from datastores.models import DatasetVersion
from pipelines.lineage import Version, key_from, walk
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

RECENT = 12
_NAMED = ("version", "model", "output", "step", "file")


@require_safe
@workspace_page(Permission.VIEW)
def page(request: WorkspaceRequest) -> HttpResponse:
    """`?version=ID`, `?model=VERSION_ID`, `?output=STEP_RUN_ID:NAME`, `?step=STEP_RUN_ID` or
    `?file=DATASTORE_ID:PATH` is the centre.
    """
    workspace = request.access.workspace
    asked = {name: request.GET[name].replace("\0", "") for name in _NAMED if request.GET.get(name)}
    if not asked:
        versions = DatasetVersion.objects.filter(dataset__workspace=workspace).select_related("dataset")
        recent = versions.defer("definition").order_by("-pk")[:RECENT]
        return render(request, "lineage/start.html", {"recent": recent})
    key = key_from(workspace, asked)
    if key is None:
        raise Http404("There is nothing of this kind in the workspace.")
    graph = walk(workspace, key).as_json()
    centre = next(node for node in graph["nodes"] if node["id"] == graph["centre"])
    context: dict[str, Any] = {
        "graph": graph,
        "centre": centre,
        "groups": _groups(graph["nodes"]),
        "query": urlencode(asked),
        "chosen_output": asked.get("output", "").partition(":")[2],
    }
    return render(request, "lineage/page.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def of_version(request: WorkspaceRequest, version_id: int) -> HttpResponse:
    """What made a version and what reads it, one hop each way: a part of the dataset's page."""
    key = key_from(request.access.workspace, {"version": str(version_id)})
    if not isinstance(key, Version):
        raise Http404("There is no such version in this workspace.")
    graph = walk(request.access.workspace, key, hops=1).as_json()
    made_from = [node for node in graph["nodes"] if node["hops"] < 0]
    made_of_it = [node for node in graph["nodes"] if node["hops"] > 0]
    context = {"version_id": version_id, "made_from": made_from, "made_of_it": made_of_it}
    return render(request, "lineage/of_version.html", context)


def _groups(nodes: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The nodes as a list says them: where it came from, the thing itself, what was made of it; the nearest first."""
    nearest_first = sorted(nodes, key=lambda node: (abs(node["hops"]), node["kind"] == "more"))
    groups = [
        ("Made from", [node for node in nearest_first if node["hops"] < 0]),
        ("This", [node for node in nearest_first if node["hops"] == 0]),
        ("Made of it", [node for node in nearest_first if node["hops"] > 0]),
    ]
    return [(title, members) for title, members in groups if members]
