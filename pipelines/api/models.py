"""Models and their versions over REST."""

from typing import Any

from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import model_queries, services
from pipelines.model_downloads import send_model
from pipelines.model_files import condition_of
from pipelines.model_serializers import ChangeModel, ChangeModelVersion, NewModelVersion, model_json, version_json
from pipelines.queries import listing_json, run_of, step_of
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.states import ModelStage
from studio.lib.downloads import StreamedResponse
from studio.lib.pagination import Pages
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

_PATH = OpenApiParameter("path", str, description="Below the version's files; empty for all of them.")


class ModelsView(WorkspaceAPIView):
    write_permission = Permission.EDIT_MODELS

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, description="Part of the name or the description."),
            OpenApiParameter("stage", str, enum=ModelStage.values, description="Of one of its versions."),
        ],
        responses=OpenApiTypes.OBJECT,
        operation_id="models_list",
    )
    def get(self, request: Request, **_kwargs: Any) -> Response:
        """The workspace's models by name, a page at a time."""
        pages, asked = Pages(), request.query_params
        models = model_queries.models_in(self.access.workspace, text=asked.get("q", ""), stage=asked.get("stage", ""))
        page = pages.paginate_queryset(models, request, view=self)
        rows = model_queries.with_latest(page or [])
        return pages.get_paginated_response([model_json(row, self.access.workspace.slug) for row in rows])

    @extend_schema(request=NewModelVersion, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        """Register what a completed step left as the next version of a model. Nothing is copied."""
        given = NewModelVersion(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        step = step_of(run_of(self.access.workspace, said["run"]), said["step"])
        left = services.Left(said["output"], said.get("artifact", ""), said.get("attempt"))
        words = {name: said[name] for name in ("name", "description", "tags", "stage")}
        done = services.register_model(self.access, step, left, **words)
        body = version_json(done.version)
        body["archived_version"] = done.archived.number if done.archived else None
        return Response({**body, "model_id": done.version.model_id}, status=status.HTTP_201_CREATED)


class ModelAPIView(WorkspaceAPIView):
    """Base of the views of one model."""

    write_permission = Permission.EDIT_MODELS

    def model(self) -> RegisteredModel:
        return model_queries.model_in(self.access.workspace, self.kwargs["model_id"])

    def version(self) -> ModelVersion:
        return model_queries.version_of(self.model(), self.kwargs["number"])

    def model_json(self) -> dict[str, Any]:
        found = model_queries.models_in(self.access.workspace).filter(pk=self.kwargs["model_id"])
        return model_json(model_queries.with_latest(list(found))[0], self.access.workspace.slug)


class ModelView(ModelAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        self.model()
        return Response(self.model_json())

    @extend_schema(request=ChangeModel, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        """Say something else of the model."""
        model = self.model()
        given = ChangeModel(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_model(self.access, model, **given.validated_data)
        return Response(self.model_json())

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, **_kwargs: Any) -> Response:
        """Forget the model and its versions; the files stay. Refused while a run under way reads one."""
        services.delete_model(self.access, self.model())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelVersionsView(ModelAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="model_versions_list")
    def get(self, request: Request, **_kwargs: Any) -> Response:
        """The versions of a model, the newest first, a page at a time."""
        pages, model = Pages(), self.model()
        page = pages.paginate_queryset(model_queries.versions_of(model), request, view=self) or []
        for version in page:
            version.model = model
        return pages.get_paginated_response([version_json(version) for version in page])


class ModelVersionView(ModelAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        return Response(version_json(self.version()))

    @extend_schema(request=ChangeModelVersion, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        """Set the stage, say something else of the version, or both."""
        version = self.version()
        given = ChangeModelVersion(data=request.data)
        given.is_valid(raise_exception=True)
        said = dict(given.validated_data)
        stage, archived = said.pop("stage", None), None
        with transaction.atomic():  # all of it or nothing
            if stage is not None:  # first: it holds the model, and whoever holds both takes that before a version
                archived = services.set_stage(self.access, version, stage)
            services.change_model_version(self.access, version, **said)
        body = version_json(self.version())
        return Response({**body, "archived_version": archived.number if archived else None})

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, **_kwargs: Any) -> Response:
        """Forget the version; its files stay. Refused while a run under way reads it."""
        services.delete_model_version(self.access, self.version())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelFilesView(ModelAPIView):
    @extend_schema(parameters=[_PATH, OpenApiParameter("after", str)], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        """A folder of the files, and their `condition`: there, changed, gone, or unknown where nobody can say."""
        version, path = self.version(), request.query_params.get("path", "")
        condition, words = condition_of(version)
        said = {"condition": condition, "condition_words": words}
        if condition == "gone":
            return Response({**said, "path": path, "entries": [], "truncated": False, "after": None})
        folder = model_queries.ModelFolder(self.access.workspace, version)
        listing = folder.list(path, after=request.query_params.get("after"))
        return Response({**said, **listing_json(path, listing)})


class ModelDownloadView(ModelAPIView):
    @extend_schema(
        parameters=[_PATH],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (200, "application/zip"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, **_kwargs: Any) -> StreamedResponse:
        """One file, or all of them as a ZIP archive that is written while it is read."""
        return send_model(self.version(), request.query_params.get("path", ""))
