"""Datastores: registered, changed, removed."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import queries, services
from datastores.models import Datastore
from datastores.serializers import ChangeDatastore, RegisterDatastore, datastore_json
from studio.lib.pagination import Pages
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


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
    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        return Response(datastore_json(self.datastore(), self.access.workspace.slug))

    @extend_schema(request=ChangeDatastore, responses=dict)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        datastore = self.datastore()
        given = ChangeDatastore(data=request.data)
        given.is_valid(raise_exception=True)
        changes = given.validated_data
        if changes.get("is_default") is False and datastore.is_default:
            raise UserError("A workspace needs a default datastore: make another one the default.", loc=("is_default",))
        if "description" in changes:
            services.change_datastore(datastore, description=changes["description"], actor=self.access.user)
        if changes.get("is_default"):
            services.make_default(datastore, actor=self.access.user)
        return Response(datastore_json(datastore, self.access.workspace.slug))

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, **_kwargs: Any) -> Response:
        services.remove_datastore(self.datastore(), actor=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
