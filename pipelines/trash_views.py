"""The pages of the trash, and of the rules that fill it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from pipelines import services, trash_queries
from pipelines.models import Retention
from pipelines.queries import run_of
from pipelines.retention import preview
from pipelines.trash_forms import RetentionForm, as_given
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.VIEW)
def trash(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.access.workspace
    context: dict[str, object] = {
        "page_obj": trash_queries.trash_page(workspace, request.GET.get("page", 1)),
        "pipelines": trash_queries.deleted_pipelines(workspace),
    }
    part = "trash/_list.html" if request.headers.get("HX-Request") else "trash/list.html"
    response = render(request, part, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@workspace_page(Permission.MANAGE_RETENTION)
def delete(request: WorkspaceRequest, run_id: int) -> HttpResponse:
    """Asks, and says what stays; then the run goes for good."""
    workspace = request.access.workspace
    run = run_of(workspace, run_id)
    refused, status = "", 200
    if request.method == "POST":
        try:
            services.purge_now(request.access, run)
        except UserError as error:
            refused, status = str(error), error.status_code
        else:
            messages.success(request, f"Run {run_id} is being deleted: it is gone within minutes.")
            return redirect("trash:list", workspace.slug)
    context = {"run": run, "stays": trash_queries.staying(run), "refused": refused}
    return render(request, "trash/delete.html", context, status=status)


@workspace_page(Permission.VIEW, write=Permission.MANAGE_RETENTION)
def retention(request: WorkspaceRequest) -> HttpResponse:
    """Rules that would put runs in the trash are saved once somebody has seen how many."""
    workspace = request.access.workspace
    now = Retention.objects.filter(workspace=workspace).select_related("set_by").first()
    form = RetentionForm(request.POST or None, initial=as_given(now))
    found = None
    if request.method == "POST" and form.is_valid():
        rules = form.rules
        found = preview(workspace, rules) if rules else None
        seen = request.POST.get("seen") == _told(form)
        if request.POST.get("do") == "save" and (seen or not (found and found.runs)):
            try:
                services.set_retention(request.access, trash_days=form.cleaned_data["trash_days"], rules=rules)
            except UserError as error:
                form.add_problems(error)
            else:
                messages.success(request, "The rules are saved.")
                return redirect("trash:retention", workspace.slug)
    context = {
        "form": form,
        "retention": now,
        "preview": found,
        "is_previewed": request.method == "POST" and form.is_valid(),
        "told": _told(form) if form.is_bound and form.is_valid() else "",
    }
    return render(request, "trash/retention.html", context, status=422 if form.errors else 200)


def _told(form: RetentionForm) -> str:
    """What a preview was of: a changed rule is shown again before it is saved."""
    return repr(form.rules)
