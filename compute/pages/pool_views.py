"""The pages of pools: made, changed, their hosts tried."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from compute import queries
from compute.models import ComputeTarget
from compute.pages.forms import status_of
from compute.pages.pool_forms import PoolForm, SshPoolForm
from compute.services.pool_settings import change_pool, create_pool
from compute.services.trying_hosts import try_hosts
from compute.sharing import require_change
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

_FORMS: dict[str, type[PoolForm]] = {"processes": PoolForm, "ssh": SshPoolForm}
_ONLY_ADMINISTRATORS = (
    "Only an administrator of the studio makes a pool of SSH hosts: each of them is given the studio's own keys."
)


@workspace_page(Permission.MANAGE_COMPUTE)
def pool_new(request: WorkspaceRequest, provider: str) -> HttpResponse:
    workspace = request.access.workspace
    form_class = _FORMS.get(provider)
    if form_class is None:
        raise Http404("There is no such kind of pool.")
    if provider == "ssh" and not request.user.is_superuser:
        raise PermissionDenied(_ONLY_ADMINISTRATORS)
    form = form_class(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            target = create_pool(
                workspace=workspace,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                slots=form.cleaned_data["slots"],
                pool=form.pool(),
                credentials=form.credentials(),
                created_by=request.user,
            )
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, f"“{target.name}” is there. Its nodes come when work waits.")
            return redirect("compute:detail", workspace.slug, target.pk)
    return render(request, "compute/pool_form.html", {"form": form}, status=status_of(form))


@workspace_page(Permission.VIEW)
def pool_edit(request: WorkspaceRequest, pool_id: int) -> HttpResponse:
    """An owner changes how many nodes there are; an administrator also where they are."""
    workspace = request.access.workspace
    target = _own_pool(request, pool_id)
    assert target.pool is not None
    form_class = _FORMS[target.pool.provider] if request.user.is_superuser else PoolForm
    form = form_class(request.POST or None, target=target)
    if request.method == "POST" and form.is_valid():
        try:
            settings = form.pool()
            settings["provider"] = target.pool.provider
            follows = change_pool(
                target,
                slots=form.cleaned_data["slots"],
                description=form.cleaned_data["description"],
                pool=settings,
                credentials=form.credentials(),
                changed_by=request.user,
            )
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, f"“{target.name}” is saved. {follows}".strip())
            return redirect("compute:detail", workspace.slug, target.pk)
    return render(request, "compute/pool_form.html", {"form": form, "target": target}, status=status_of(form))


@require_POST
@workspace_page(Permission.MANAGE_COMPUTE)
def pool_try(request: WorkspaceRequest) -> HttpResponse:
    """Sign in to each host of a form, which is not kept, and say what is there. Part of the page."""
    given = request.POST.get("target", "")
    target = _own_pool(request, int(given)) if given.isdecimal() and len(given) < 19 else None
    form = SshPoolForm(request.POST, target=target)
    form.fields.pop("name", None)
    problem, tried = "", []
    if form.is_valid():
        try:
            tried = try_hosts(
                request.access.workspace,
                pool=form.pool(),
                credentials=form.credentials(),
                target=target,
                tried_by=request.user,
            )
        except UserError as error:
            problem = form.in_words(error)
    else:
        problem = "Mend the fields first: " + " ".join(
            f"{form.fields[name].label or name.replace('_', ' ')}: {' '.join(map(str, errors))}"
            for name, errors in form.errors.items()
        )
    return render(request, "compute/pool_tried.html", {"tried": tried, "problem": problem})


def _own_pool(request: WorkspaceRequest, pool_id: int) -> ComputeTarget:
    target = queries.target_of(request.access.workspace, pool_id)
    require_change(request.access, target)
    if target.kind != "pool":
        raise Http404("This target is no pool.")
    return target
