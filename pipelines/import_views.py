"""The page that imports pipelines from YAML. Importing itself goes through the API."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from compute.queries import targets_of
from pipelines.catalogue import environment_versions
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.EDIT_PIPELINES)
def page(request: WorkspaceRequest) -> HttpResponse:
    """With what there is to choose from where a name of the file means nothing here."""
    workspace = request.access.workspace
    environments = sorted(environment_versions(workspace))
    choices = {
        "compute": sorted({target.name for target in targets_of(workspace)}),
        "environment": environments,
        "image": environments,
    }
    return render(request, "pipelines/import.html", {"choices": choices, "names": workspace.foreign_names.all()})
