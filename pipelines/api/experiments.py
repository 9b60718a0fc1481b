"""Experiments over REST: the names that group runs."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.models import Experiment
from studio.lib.pagination import Pages
from studio.workspaces.api_access import WorkspaceAPIView


class ExperimentSerializer(serializers.ModelSerializer[Experiment]):
    class Meta:
        model = Experiment
        fields = ("id", "name", "created_at")


class ExperimentsView(WorkspaceAPIView):
    pagination_class = Pages  # for the schema

    @extend_schema(
        parameters=[OpenApiParameter("q", str, description="Part of the name.")],
        responses=ExperimentSerializer(many=True),
        operation_id="experiments_list",
    )
    def get(self, request: Request, **_kwargs: Any) -> Response:
        """The workspace's experiments by name, a page at a time. One is made when a run is submitted to it."""
        text = request.query_params.get("q", "").replace("\0", "")[:100]
        found = Experiment.objects.filter(workspace=self.access.workspace, name__icontains=text).order_by("name")
        pages = Pages()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(ExperimentSerializer(page or [], many=True).data)
