"""The pages of environments."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from compute import environment_queries as queries
from compute.models import Environment
from compute.pages.environment_forms import EnvironmentForm
from compute.pages.forms import add_problems, status_of
from compute.services import create_environment
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

_PAGE_SIZE = 50


@require_safe
@workspace_page(Permission.VIEW)
def environment_list(request: WorkspaceRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:100]
    found = queries.latest_environments(request.access.workspace, text=text)
    page = Paginator(found, _PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "environments/list.html", {"page_obj": page, "text": text})


@workspace_page(Permission.EDIT_ENVIRONMENTS)
def environment_new(request: WorkspaceRequest) -> HttpResponse:
    """A new name, or with `?from=ID` a new version of that environment (of a curated one: a copy under a new name)."""
    workspace = request.access.workspace
    base = _base_environment(request)
    is_version = base is not None and base.workspace_id is not None
    form = EnvironmentForm(request.POST or None, initial=_initial(base, is_version=is_version))
    if is_version:
        form.fields["name"].disabled = True
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        latest = queries.latest_own_version(workspace, data["name"])
        try:
            if not is_version:
                _require_new(data["name"], latest)
            environment = create_environment(
                workspace=workspace,
                name=data["name"],
                description=data["description"],
                spec=form.spec(),
                created_by=request.user,
            )
        except UserError as error:
            add_problems(form, error)
        else:
            _tell_saved(request, environment, is_new=environment.version > latest)
            return redirect("environments:detail", workspace.slug, environment.pk)
    context = {"form": form, "base": base, "is_version": is_version}
    return render(request, "environments/new.html", context, status=status_of(form))


@require_safe
@workspace_page(Permission.VIEW)
def environment_detail(request: WorkspaceRequest, environment_id: int) -> HttpResponse:
    environment = queries.environment_of(request.access.workspace, environment_id)
    versions = queries.versions_of(environment)
    before = queries.version_before(environment)
    context = {
        "environment": environment,
        "before": before,
        "difference": queries.spec_difference(before.spec, environment.spec) if before else None,
        "latest": versions.first(),
        "page_obj": Paginator(versions, _PAGE_SIZE).get_page(request.GET.get("page")),
    }
    return render(request, "environments/detail.html", context)


def _base_environment(request: WorkspaceRequest) -> Environment | None:
    given = request.GET.get("from", "")
    is_number = given.isdecimal() and len(given) < 19
    return queries.environment_of(request.access.workspace, int(given)) if is_number else None


def _initial(base: Environment | None, *, is_version: bool) -> dict[str, str]:
    if base is None:
        return {}
    return {
        "name": base.name if is_version else "",
        "description": base.description,
        "python_version": base.spec.python_version,
        "requirements": "\n".join(base.spec.pip),
    }


def _require_new(name: str, latest: int) -> None:
    if latest:
        raise UserError(f"There is an environment “{name}” already: open it to add a version.", loc=("name",))


def _tell_saved(request: WorkspaceRequest, environment: Environment, *, is_new: bool) -> None:
    if is_new:
        messages.success(request, f"“{environment}” is saved. Its first step builds it.")
    else:
        messages.info(request, f"Nothing changed: version {environment.version} says the same.")
