"""The pages of a database: its tables, and the columns and first rows of one."""

from contextlib import closing
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from datastores.backends import Table, get_database
from datastores.models import Datastore
from datastores.sources import QuerySource, TabularDefinition
from datastores.tabular.reading import preview
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest

LISTED = 200
ROWS = 100


def browse(request: WorkspaceRequest, datastore: Datastore) -> HttpResponse:
    """The tables, a page at a time; with `?table=`, that one."""
    if request.GET.get("table"):
        return _table(request, datastore)
    prefix = request.GET.get("prefix", "")
    context: dict[str, Any] = {"datastore": datastore, "prefix": prefix}
    try:
        with closing(get_database(datastore)) as database:
            context["location"] = database.location
            listing = database.tables(after=request.GET.get("after") or None, limit=LISTED, prefix=prefix)
    except UserError as error:
        return render(request, "datastores/refused.html", {**context, "error": error}, status=error.status_code)
    context |= {"tables": listing.tables, "after": listing.after}
    if request.htmx and "after" in request.GET:  # type: ignore[attr-defined]
        return render(request, "datastores/parts/table_list_rows.html", context)
    context["is_continued"] = "after" in request.GET
    return render(request, "datastores/tables.html", context)


def _table(request: WorkspaceRequest, datastore: Datastore) -> HttpResponse:
    table = Table(schema=request.GET.get("schema") or None, name=request.GET["table"])
    context: dict[str, Any] = {"datastore": datastore, "table": table}
    try:
        with closing(get_database(datastore)) as database:
            columns = database.columns_of(table)
            query = database.select_all(table)
    except UserError as error:
        return render(request, "datastores/refused.html", {**context, "error": error}, status=error.status_code)
    context |= {"columns": columns, "query": query}
    try:
        definition = TabularDefinition(source=QuerySource(datastore_id=datastore.pk, query=query), columns=columns)
        context["shown"] = preview(definition, workspace_id=request.access.workspace.pk, rows=ROWS)
    except UserError as error:  # its columns are known, whatever became of its rows
        context["error"] = error
    return render(request, "datastores/table.html", context)
