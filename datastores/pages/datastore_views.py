"""The pages of datastores and their folders."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from datastores import queries, services
from datastores.backends import Backend, get_backend, get_store, store_class, store_classes
from datastores.folder_zip import zipped_folder
from datastores.icons import icon_of
from datastores.models import Datastore
from datastores.pages import database_views
from datastores.pages.datastore_forms import ChangeForm, RegisterForm
from datastores.paths import clean_path, crumbs
from datastores.tabular import isolated
from datastores.uses import uses_of
from studio.lib.downloads import stream_file
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

PAGE_SIZE = 50
LISTED = 100


@require_safe
@workspace_page(Permission.VIEW)
def datastore_list(request: WorkspaceRequest) -> HttpResponse:
    page = Paginator(queries.datastores_in(request.access.workspace), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [(datastore, store_class(datastore.kind)) for datastore in page.object_list]
    return render(request, "datastores/list.html", {"page_obj": page, "rows": rows})


@workspace_page(Permission.MANAGE_DATASTORES)
def datastore_new(request: WorkspaceRequest) -> HttpResponse:
    """The kinds to choose from; with a kind, its form."""
    kind = (request.POST or request.GET).get("kind", "local" if request.method == "POST" else "")
    if not kind:
        return render(request, "datastores/kinds.html", {"kinds": store_classes()})
    try:
        store = store_class(kind)
    except UserError as error:
        raise Http404(str(error)) from error
    form = RegisterForm(request.POST if request.method == "POST" else None, store=store)
    if request.method == "POST" and form.is_valid():
        try:
            datastore = services.register_datastore(
                request.access.workspace,
                kind=store.kind,
                name=form.cleaned_data["name"],
                description=form.cleaned_data["description"],
                config=form.config(),
                credentials=form.credentials(),
                actor=request.user,
            )
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, f"{datastore.name} is registered.")
            return redirect("datastores:browse", request.access.workspace.slug, datastore.pk)
    return render(request, "datastores/new.html", {"form": form, "store": store}, status=400 if form.errors else 200)


@require_safe
@workspace_page(Permission.VIEW)
def browse(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    """A folder, or the tables of a database. htmx asks for the rows of a further page alone."""
    isolated.warm()  # whoever looks around here is about to look into a file
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    if store_class(datastore.kind).holds == "tables":
        return database_views.browse(request, datastore)
    context: dict[str, Any] = {"datastore": datastore}
    try:
        path = clean_path(request.GET.get("path", ""))
        prefix = request.GET.get("prefix", "")
        backend = get_backend(datastore)
        context |= {"path": path, "prefix": prefix, "crumbs": list(crumbs(path)), "backend": backend}
        if path and not prefix and _is_file(backend, path):
            return redirect(_address("datastores:file", datastore, path))
        listing = backend.list(path, after=request.GET.get("after") or None, limit=LISTED, prefix=prefix)
    except UserError as error:
        return render(request, "datastores/refused.html", {**context, "error": error}, status=error.status_code)
    may_write = request.access.may(Permission.EDIT_DATA) and backend.is_writable
    context |= {
        "rows": [(entry, icon_of(entry)) for entry in listing.entries],
        "after": listing.after,
        "may_write": may_write,
    }
    if request.htmx and "after" in request.GET:  # type: ignore[attr-defined]
        return render(request, "datastores/parts/rows.html", context)
    context["is_continued"] = "after" in request.GET  # without htmx the next part is a page of its own
    return render(request, "datastores/browse.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def folder_zip(request: WorkspaceRequest, datastore_id: int) -> HttpResponseBase:
    """A folder with all that is in it, as one archive."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    try:
        name, pieces = zipped_folder(datastore, request.GET.get("path", ""))
    except UserError as error:
        context = {"datastore": datastore, "error": error}
        return render(request, "datastores/refused.html", context, status=error.status_code)
    return stream_file(pieces, name, content_type="application/zip")


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
    store = store_class(datastore.kind)
    form = ChangeForm(request.POST if request.method == "POST" else None, store=store, datastore=datastore)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_datastore(
                datastore,
                description=form.cleaned_data["description"],
                config=form.config(),
                credentials=form.credentials(),
                same_data=form.cleaned_data["same_data"],
                actor=request.user,
            )
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, "Saved.")
            return redirect("datastores:browse", request.access.workspace.slug, datastore.pk)
    try:
        location = get_store(datastore).location
    except UserError as error:
        location = str(error)
    context = {
        "form": form,
        "datastore": datastore,
        "location": location,
        "store": store,
        "can_be_default": services.can_be_default(datastore.kind),
    }
    return render(request, "datastores/edit.html", context, status=400 if form.errors else 200)


@require_POST
@workspace_page(Permission.MANAGE_DATASTORES)
def datastore_default(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    try:
        services.make_default(datastore, actor=request.user)
    except UserError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{datastore.name} is the default now: outputs of new runs go there.")
    return redirect("datastores:edit", request.access.workspace.slug, datastore.pk)


@workspace_page(Permission.MANAGE_DATASTORES)
def datastore_delete(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    """What stands on it, and what becomes of that; then it goes."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    refused: UserError | None = None
    status = 200
    if request.method == "POST":
        try:
            services.remove_datastore(datastore, dangling="dangling" in request.POST, actor=request.user)
        except UserError as error:
            refused, status = error, error.status_code
        else:
            messages.success(request, f"{datastore.name} is removed. Its data is still where it was.")
            return redirect("datastores:list", request.access.workspace.slug)
    context = {
        "datastore": datastore,
        "uses": uses_of(datastore),
        "store": store_class(datastore.kind),
        "refused": refused,
    }
    return render(request, "datastores/remove.html", context, status=status)


def _address(view: str, datastore: Datastore, path: str) -> str:
    query = QueryDict(mutable=True)
    query["path"] = path
    address = reverse(view, args=[datastore.workspace.slug, datastore.pk])
    return f"{address}?{query.urlencode()}" if path else address


def _is_file(backend: Backend, path: str) -> bool:
    return backend.stat(path).kind == "file"
