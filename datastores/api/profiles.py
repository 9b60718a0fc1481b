"""Profiles of tabular versions, and two versions side by side."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import profile_queries, queries
from datastores.comparing import Overlaid
from datastores.models import DatasetVersion, Profile
from datastores.profile_queries import ColumnRow, ComparedColumn
from datastores.services import profiles
from datastores.sources import Column
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

LARGEST_ID = 2**63 - 1


class ProfileView(WorkspaceAPIView):
    """A version's latest profile; a POST begins one, or finds the one that is under way."""

    write_permission = Permission.EDIT_DATA

    @extend_schema(responses=dict)
    def get(self, _request: Request, table_id: int, number: int, **_kwargs: Any) -> Response:
        return Response(profile_json(profile_queries.profile_of(_version(self, table_id, number))))

    @extend_schema(request=None, responses={201: dict, 200: dict})
    def post(self, _request: Request, table_id: int, number: int, **_kwargs: Any) -> Response:
        profile, is_new = profiles.request_profile(_version(self, table_id, number), actor=self.access.user)
        return Response(profile_json(profile), status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)


class ProfileCancelView(WorkspaceAPIView):
    write_permission = Permission.EDIT_DATA

    @extend_schema(request=None, responses={202: dict})
    def post(self, _request: Request, table_id: int, number: int, **_kwargs: Any) -> Response:
        profile = profile_queries.profile_of(_version(self, table_id, number))
        profiles.cancel_profile(profile, actor=self.access.user)
        profile.refresh_from_db()
        return Response(profile_json(profile), status=status.HTTP_202_ACCEPTED)


class CompareView(WorkspaceAPIView):
    """Two tabular versions, by their ids: columns that came, went or changed their type, and both distributions.

    Columns come in pages, changes first.
    """

    @extend_schema(
        parameters=[
            OpenApiParameter("a", int, description="The id of the version before."),
            OpenApiParameter("b", int, description="The id of the version after."),
            OpenApiParameter("q", str, description="Only columns whose name holds this."),
            OpenApiParameter("page", int),
        ],
        responses=dict,
    )
    def get(self, request: Request, **_kwargs: Any) -> Response:
        before, after = _chosen(self, request, "a"), _chosen(self, request, "b")
        query = request.query_params
        found = profile_queries.comparison(before, after, text=query.get("q", ""), page=query.get("page", 1))
        names = {
            change: [pair.name for pair in found.pairs if pair.change == change]
            for change in ("added", "removed", "retyped")
        }
        return Response(
            {
                "a": {**version_json(before), "is_profiled": found.before.result is not None},
                "b": {**version_json(after), "is_profiled": found.after.result is not None},
                **names,
                "columns": [_compared_json(column) for column in found.rows],
                "page": found.page.number,
                "pages": found.page.paginator.num_pages,
            }
        )


def version_json(version: DatasetVersion) -> dict[str, Any]:
    dataset = version.dataset
    return {"id": version.pk, "dataset_id": dataset.pk, "dataset": dataset.name, "number": version.number}


def profile_json(profile: Profile) -> dict[str, Any]:
    result = profile.result
    return {
        "id": profile.pk,
        "status": profile.status,
        "reason": profile.reason,
        "progress": profile.progress,
        "stage": profile.stage,
        "attempts": profile.attempts,
        "created_at": profile.created_at,
        "started_at": profile.started_at,
        "finished_at": profile.finished_at,
        "cancel_requested_at": profile.cancel_requested_at,
        "requested_by": profile.requested_by and profile.requested_by.username,
        "row_count": result.row_count if result else None,
        "columns": result.columns if result else None,
    }


def _compared_json(column: ComparedColumn) -> dict[str, Any]:
    pair = column.pair
    return {
        "name": pair.name,
        "change": pair.change,
        "a": _side(pair.before, column.before),
        "b": _side(pair.after, column.after),
        "distribution": _laid_json(column.laid),
    }


def _side(column: Column | None, row: ColumnRow | None) -> dict[str, Any] | None:
    if column is None:
        return None
    return {"type": column.type, "profile": row.column.model_dump(mode="json") if row else None}


def _laid_json(laid: Overlaid | None) -> dict[str, Any] | None:
    if laid is None:
        return None
    of = {"edges": laid.edges} if laid.edges is not None else {"values": laid.values}
    return {**of, "a": laid.before, "b": laid.after}


def _version(view: WorkspaceAPIView, table_id: int, number: int) -> DatasetVersion:
    return queries.version_of(queries.dataset_in(view.access.workspace, table_id), number)


def _chosen(view: WorkspaceAPIView, request: Request, name: str) -> DatasetVersion:
    text = request.query_params.get(name, "")
    if not text.isdecimal() or int(text) > LARGEST_ID:
        raise UserError("Give the id of a version.", loc=(name,))
    try:
        return profile_queries.version_in(view.access.workspace, int(text))
    except Http404 as error:
        raise UserError(str(error), loc=(name,)) from error
