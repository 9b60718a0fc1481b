"""Parts of pages about source folders."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.explaining.patches import read_patch
from pipelines.queries import snapshot_of, source_file_json
from pipelines.services.git_facts import DIFF_FILE
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.VIEW)
def changes(request: WorkspaceRequest, digest: str) -> HttpResponse:
    """The uncommitted changes that an upload brought, which are kept as sources of this digest."""
    text = source_file_json(snapshot_of(request.access.workspace, digest), DIFF_FILE)["text"]
    if text is None:
        raise Http404("These changes are no text.")
    return render(request, "pipelines/uncommitted_changes.html", {"code": read_patch(text)})
