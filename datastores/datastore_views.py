"""The pages of datastores and their files."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from datastores import queries, services
from datastores.backends import get_backend, store_class, store_classes
from datastores.forms import DatastoreForm, DescriptionForm
from datastores.icons import icon_of
from datastores.models import Datastore
from datastores.paths import clean_path, crumbs
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

PAGE_SIZE = 50
LISTED = 200
PREVIEW_BYTES = 64 * 1024
IMAGE_BYTES = 20 * 1024**2


@require_safe
@workspace_page(Permission.VIEW)
def datastore_list(request: WorkspaceRequest) -> HttpResponse:
    page = Paginator(queries.datastores_in(request.access.workspace), PAGE_SIZE).get_page(request.GET.get("page"))
    labels = {backend.kind: backend.label for backend in store_classes()}
    rows = [(datastore, labels.get(datastore.kind, datastore.kind)) for datastore in page.object_list]
    return render(request, "datastores/list.html", {"page_obj": page, "rows": rows})


@workspace_page(Permission.MANAGE_DATASTORES)
def datastore_new(request: WorkspaceRequest) -> HttpResponse:
    try:
        backend = store_class((request.POST or request.GET).get("kind", "local"))
    except UserError as error:
        raise Http404(str(error)) from error
    form = DatastoreForm(request.POST if request.method == "POST" else None, backend=backend)
    if request.method == "POST" and form.is_valid():
        try:
            datastore = services.register_datastore(
                request.access.workspace,
                kind=backend.kind,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                config=form.config(),
                actor=request.user,
            )
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, f"{datastore.name} is registered.")
            return redirect("datastores:browse", request.access.workspace.slug, datastore.pk)
    context = {"form": form, "backend": backend, "backends": store_classes()}
    return render(request, "datastores/new.html", context, status=400 if form.errors else 200)


@require_safe
@workspace_page(Permission.VIEW)
def browse(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    """A folder. htmx asks for the rows of a further page alone."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    context: dict[str, Any] = {"datastore": datastore}
    try:
        path = clean_path(request.GET.get("path", ""))
        backend = get_backend(datastore)
        context |= {"path": path, "crumbs": list(crumbs(path)), "backend": backend}
        if path and backend.stat(path).kind == "file":
            return redirect(_address("datastores:file", datastore, path))
        listing = backend.list(path, after=request.GET.get("after") or None, limit=LISTED)
    except UserError as error:
        return render(request, "datastores/refused.html", {**context, "error": error}, status=error.status_code)
    context |= {"rows": [(entry, icon_of(entry)) for entry in listing.entries], "after": listing.after}
    if request.htmx and "after" in request.GET:  # type: ignore[attr-defined]
        return render(request, "datastores/parts/rows.html", context)
    context["is_continued"] = "after" in request.GET  # without htmx the next part is a page of its own
    context["upload_url"] = reverse("api-datastore-upload", args=[request.access.workspace.slug, datastore.pk])
    return render(request, "datastores/browse.html", context)


@require_POST
@workspace_page(Permission.EDIT_DATA)
def folder_new(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    folder = request.POST.get("folder", "")
    try:
        made = services.make_folder(datastore, folder=folder, name=request.POST.get("name", ""), actor=request.user)
    except UserError as error:
        messages.error(request, str(error))
        return redirect(_address("datastores:browse", datastore, folder))
    return redirect(_address("datastores:browse", datastore, made.path))


@require_POST
@workspace_page(Permission.EDIT_DATA)
def path_delete(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    """Delete each `path` that was sent."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    paths = request.POST.getlist("path")
    deleted = 0
    for path in paths:
        try:
            services.delete_path(datastore, path=path, actor=request.user)
            deleted += 1
        except UserError as error:
            messages.error(request, str(error))
    if deleted:
        messages.success(request, "Deleted." if deleted == 1 else f"{deleted} items deleted.")
    return redirect(_address("datastores:browse", datastore, request.POST.get("folder", "")))


@workspace_page(Permission.MANAGE_DATASTORES)
def datastore_edit(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    form = DescriptionForm(request.POST or None, initial={"description": datastore.description})
    if request.method == "POST" and form.is_valid():
        try:
            services.change_datastore(datastore, actor=request.user, **form.cleaned_data)
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, "Saved.")
            return redirect("datastores:browse", request.access.workspace.slug, datastore.pk)
    try:
        location = get_backend(datastore).location
    except UserError as error:
        location = str(error)
    context = {
        "form": form,
        "datastore": datastore,
        "location": location,
        "label": store_class(datastore.kind).label,
        "users": queries.datasets_using(datastore),
    }
    return render(request, "datastores/edit.html", context, status=400 if form.errors else 200)


@require_POST
@workspace_page(Permission.MANAGE_DATASTORES)
def datastore_default(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    services.make_default(datastore, actor=request.user)
    messages.success(request, f"{datastore.name} is the default now: outputs of new runs go there.")
    return redirect("datastores:edit", request.access.workspace.slug, datastore.pk)


@require_POST
@workspace_page(Permission.MANAGE_DATASTORES)
def datastore_delete(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    try:
        services.remove_datastore(datastore, actor=request.user)
    except UserError as error:
        messages.error(request, str(error))
        return redirect("datastores:edit", request.access.workspace.slug, datastore.pk)
    messages.success(request, f"{datastore.name} is removed. Its files are still where they were.")
    return redirect("datastores:list", request.access.workspace.slug)


def _address(view: str, datastore: Datastore, path: str) -> str:
    query = QueryDict(mutable=True)
    query["path"] = path
    address = reverse(view, args=[datastore.workspace.slug, datastore.pk])
    return f"{address}?{query.urlencode()}" if path else address
