"""Datastores: registered, changed, removed."""

from contextlib import closing
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import queries, services
from datastores.api.asked import AFTER, MAX_LISTED, whole_number
from datastores.backends import get_database, store_classes
from datastores.models import Datastore
from datastores.serializers import (
    ChangeDatastore,
    ChangedConnection,
    RegisterDatastore,
    TestConnection,
    datastore_json,
    kind_json,
    table_json,
    tried_json,
    whole_datastore_json,
)
from studio.lib.pagination import Pages
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class DatastoreKindsView(WorkspaceAPIView):
    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        """The kinds of datastore, and what each must be told."""
        return Response({"kinds": [kind_json(store) for store in store_classes()]})


class ConnectionTestView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_DATASTORES

    @extend_schema(request=TestConnection, responses={200: dict, 400: dict}, operation_id="datastores_test_new")
    def post(self, request: Request, **_kwargs: Any) -> Response:
        """Connect as a new datastore would, within 10 seconds, and say what was found. Nothing is kept."""
        given = TestConnection(data=request.data)
        given.is_valid(raise_exception=True)
        tried = services.try_connection(self.access.workspace, actor=self.access.user, **given.validated_data)
        return Response(tried_json(tried))


class DatastoresView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_DATASTORES

    @extend_schema(responses=dict, operation_id="datastores_list")
    def get(self, request: Request, **_kwargs: Any) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(queries.datastores_in(self.access.workspace), request, view=self)
        return pages.get_paginated_response(
            [datastore_json(datastore, self.access.workspace.slug) for datastore in page or []]
        )

    @extend_schema(request=RegisterDatastore, responses={201: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        given = RegisterDatastore(data=request.data)
        given.is_valid(raise_exception=True)
        datastore = services.register_datastore(self.access.workspace, actor=self.access.user, **given.validated_data)
        return Response(datastore_json(datastore, self.access.workspace.slug), status=status.HTTP_201_CREATED)


class DatastoreView(WorkspaceAPIView):
    """One datastore. Views about its files inherit from it."""

    write_permission = Permission.MANAGE_DATASTORES

    def datastore(self) -> Datastore:
        return queries.datastore_in(self.access.workspace, self.kwargs["datastore_id"])


class DatastoreDetailView(DatastoreView):
    def _answer(self, datastore: Datastore) -> Response:
        json = whole_datastore_json if self.access.may(Permission.MANAGE_DATASTORES) else datastore_json
        return Response(json(datastore, self.access.workspace.slug))

    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        """Owners see its config as well, and which credentials there are."""
        return self._answer(self.datastore())

    @extend_schema(request=ChangeDatastore, responses=dict)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        datastore = self.datastore()
        given = ChangeDatastore(data=request.data)
        given.is_valid(raise_exception=True)
        changes = given.validated_data
        if changes.get("is_default") is False and datastore.is_default:
            raise UserError("A workspace needs a default datastore: make another one the default.", loc=("is_default",))
        make_default = changes.pop("is_default", None)
        services.change_datastore(datastore, actor=self.access.user, **changes)
        if make_default:
            services.make_default(datastore, actor=self.access.user)
        return self._answer(datastore)

    @extend_schema(
        parameters=[
            OpenApiParameter("dangling", bool, description="Leave datasets and runs that use it without their data.")
        ],
        responses={204: None, 409: dict},
    )
    def delete(self, request: Request, **_kwargs: Any) -> Response:
        """Forget it and its credentials; its data stays where it is. A 409 says what uses it."""
        dangling = request.query_params.get("dangling", "false").lower() in {"true", "1", "yes"}
        services.remove_datastore(self.datastore(), dangling=dangling, actor=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DatastoreTestView(DatastoreView):
    @extend_schema(request=ChangedConnection, responses={200: dict, 400: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        """Connect from the server, within 10 seconds, with changes that are not kept."""
        given = ChangedConnection(data=request.data)
        given.is_valid(raise_exception=True)
        tried = services.try_datastore(self.datastore(), actor=self.access.user, **given.validated_data)
        return Response(tried_json(tried))


class TablesView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_DATASTORES

    @extend_schema(parameters=[AFTER, OpenApiParameter("prefix", str), OpenApiParameter("limit", int)], responses=dict)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        """The tables and views of a database, a page at a time."""
        datastore = queries.datastore_in(self.access.workspace, self.kwargs["database_id"])
        with closing(get_database(datastore)) as database:
            listing = database.tables(
                after=request.query_params.get("after") or None,
                limit=min(whole_number(request, "limit", 200), MAX_LISTED),
                prefix=request.query_params.get("prefix", ""),
            )
            # The query is what a table becomes a dataset by: only its database knows how names are quoted.
            tables = [{**table_json(table), "query": database.select_all(table)} for table in listing.tables]
        return Response({"tables": tables, "after": listing.after})
