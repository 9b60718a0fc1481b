"""Modules and their versions over REST."""

from typing import Any

from django.db import transaction
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import module_queries, queries
from pipelines.api.runs import whole_number
from pipelines.modules.definition import ModuleDefinition
from pipelines.modules.publishing import InputWords, PortWords
from pipelines.serializers import ProblemSerializer
from pipelines.services.modules import (
    delete_module,
    describe_module,
    disable_version,
    enable_version,
    set_default_version,
)
from pipelines.services.publishing import draft_module, module_from_step, publish_module, read_module
from studio.lib.given import Given
from studio.lib.pagination import Pages
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.models import Workspace

_TYPES = ("any", "folder", "file", "table")


class InputWordsSerializer(Given):
    type = serializers.ChoiceField(choices=_TYPES, default="any")
    optional = serializers.BooleanField(required=False, allow_null=True, default=None, help_text="As the step has it.")
    description = serializers.CharField(allow_blank=True, default="")


class PortsSerializer(Given):
    inputs = serializers.DictField(child=InputWordsSerializer(), default=dict, help_text="By name.")
    outputs = serializers.DictField(child=serializers.CharField(allow_blank=True), default=dict, help_text="Words.")
    parameters = serializers.DictField(child=serializers.CharField(allow_blank=True), default=dict, help_text="Words.")


class ModuleDraftSerializer(Given):
    """Either a whole `definition`, or a step of a saved pipeline with what is to be said of its ports."""

    name = serializers.CharField(max_length=100)
    definition = serializers.DictField(required=False)
    pipeline = serializers.IntegerField(required=False, min_value=1, max_value=2**62)
    pipeline_version = serializers.IntegerField(required=False, allow_null=True, default=None)
    step = serializers.CharField(required=False, max_length=100)
    ports = PortsSerializer(required=False)


class PublishSerializer(ModuleDraftSerializer):
    base_version = serializers.IntegerField(min_value=0, help_text="The module's latest version; 0 for a new name.")
    description = serializers.CharField(allow_blank=True, required=False)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    note = serializers.CharField(allow_blank=True, default="", help_text="What is new in this version.")
    accept_breaking = serializers.BooleanField(default=False, help_text="Publish although ports change.")


class ChangeModuleSerializer(Given):
    description = serializers.CharField(allow_blank=True, required=False)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    default_version = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, help_text="0 or null: the newest that is not disabled."
    )


class ChangeModuleVersionSerializer(Given):
    disabled = serializers.BooleanField()


class DraftedSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    latest_version = serializers.IntegerField(help_text="0 where there is no module of that name.")
    definition = serializers.DictField()
    problems = ProblemSerializer(many=True)
    changes = serializers.ListField(child=serializers.DictField(), help_text="`words` and `breaks`, for each.")


class PublishedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    number = serializers.IntegerField()
    url = serializers.CharField()


class ModulesView(WorkspaceAPIView):
    @extend_schema(
        operation_id="modules_list",
        parameters=[OpenApiParameter("q", str, description="Part of the name or description.")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str) -> Response:
        """The workspace's modules by name, a page at a time."""
        pages = Pages()
        found = module_queries.modules_of(self.access.workspace, text=request.query_params.get("q", "")[:100])
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response([module_queries.module_json(slug, module) for module in page or []])

    @extend_schema(request=PublishSerializer, responses={201: PublishedSerializer, 200: PublishedSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Publish a new module, or the next version of one. 409 where somebody published since `base_version`."""
        wanted = PublishSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        published = publish_module(
            self.access,
            name=given["name"],
            definition=_definition(self.access.workspace, given),
            base_version=given["base_version"],
            description=given.get("description"),
            tags=given.get("tags"),
            note=given["note"],
            accept_breaking=given["accept_breaking"],
        )
        found = module_queries.module_of(self.access.workspace, published.module.pk)
        body = {**module_queries.module_json(slug, found), "number": published.version.number}
        return Response(body, status=status.HTTP_201_CREATED if published.created else status.HTTP_200_OK)


class ModuleDraftView(WorkspaceAPIView):
    @extend_schema(request=ModuleDraftSerializer, responses=DraftedSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """What would be published: its ports, what keeps it from that, and what it changes. Publishes nothing."""
        wanted = ModuleDraftSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        workspace = self.access.workspace
        draft = draft_module(workspace, name=given["name"].strip(), definition=_definition(workspace, given))
        return Response(
            {
                "name": draft.name,
                "latest_version": draft.latest,
                "definition": draft.definition.model_dump(mode="json"),
                "problems": [problem.as_json() for problem in draft.problems],
                "changes": [{"words": change.words, "breaks": change.breaks} for change in draft.changes],
            }
        )


class ModuleView(WorkspaceAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, module_id: int) -> Response:
        """A module with the definition of its latest version."""
        module = module_queries.module_of(self.access.workspace, module_id)
        latest = module_queries.version_of(module)
        definition = latest.definition.model_dump(mode="json")
        return Response({**module_queries.module_json(slug, module), "definition": definition})

    @extend_schema(request=ChangeModuleSerializer, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, slug: str, module_id: int) -> Response:
        """Change the description or the tags; whoever published it and owners may say its default version."""
        module = module_queries.module_of(self.access.workspace, module_id)
        wanted = ChangeModuleSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        with transaction.atomic():  # all of it, or nothing
            if "default_version" in given:
                set_default_version(self.access, module, given["default_version"] or None)
            describe_module(self.access, module, description=given.get("description"), tags=given.get("tags"))
        found = module_queries.module_of(self.access.workspace, module_id)
        return Response(module_queries.module_json(slug, found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, module_id: int) -> Response:
        """Take a module off the lists. 400 where pipelines use it: the answer names them."""
        delete_module(self.access, module_queries.module_of(self.access.workspace, module_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModuleVersionsView(WorkspaceAPIView):
    @extend_schema(operation_id="module_versions_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, module_id: int) -> Response:
        """A module's versions, the newest first, a page at a time."""
        rows = module_queries.versions_of(module_queries.module_of(self.access.workspace, module_id))
        pages = Pages()
        page = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response([module_queries.version_json(version) for version in page or []])


class ModuleVersionView(WorkspaceAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, module_id: int, number: int) -> Response:
        """One version with its definition."""
        version = self._version(module_id, number)
        definition = version.definition.model_dump(mode="json")
        return Response({**module_queries.version_json(version), "definition": definition})

    @extend_schema(request=ChangeModuleVersionSerializer, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, slug: str, module_id: int, number: int) -> Response:
        """Disable or enable a version: pipelines that used a disabled one before go on."""
        version = self._version(module_id, number)
        wanted = ChangeModuleVersionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        act = disable_version if wanted.validated_data["disabled"] else enable_version
        return Response(module_queries.version_json(act(self.access, version)))

    def _version(self, module_id: int, number: int) -> Any:
        return module_queries.version_of(module_queries.module_of(self.access.workspace, module_id), number)


class ModuleUsesView(WorkspaceAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, module_id: int) -> Response:
        """The pipelines whose latest version uses the module, a page at a time."""
        module = module_queries.module_of(self.access.workspace, module_id)
        page = module_queries.uses_of(module, request.query_params.get("page", "1"))
        return Response(
            {
                "count": page.paginator.count,
                "results": [
                    {
                        "pipeline": {"id": use.pipeline_id, "name": use.pipeline},
                        "pipeline_version": use.in_version,
                        "module_version": use.number,
                        "steps": use.steps,
                    }
                    for use in page.object_list
                ],
            }
        )


class ModuleInterfaceView(WorkspaceAPIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("name", str, required=True),
            OpenApiParameter("version", int, description="The default one unless given."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str) -> Response:
        """A module by its name: its ports, which a step that uses it has, and its versions."""
        workspace = self.access.workspace
        module = module_queries.module_named(workspace, request.query_params.get("name", "")[:200])
        if module is None:
            raise Http404("There is no such module in this workspace.")
        number = whole_number(request, "version", default=0) or module_queries.default_number(module)
        version = module_queries.version_of(module, number)
        return Response(module_queries.interface_json(slug, module, version))


def _definition(workspace: Workspace, given: dict[str, Any]) -> ModuleDefinition:
    """Of a whole definition, or of a step of a pipeline. Raises UserError, Http404 for another workspace's pipeline."""
    if "definition" in given:
        return read_module(given["definition"])
    if "pipeline" not in given:
        raise UserError("Say which pipeline's step to publish, or send a definition.", loc=("pipeline",))
    pipeline = queries.pipeline_of(workspace, given["pipeline"])
    ports = given.get("ports") or {}
    words = PortWords(
        inputs={name: InputWords(**said) for name, said in ports.get("inputs", {}).items()},
        outputs=ports.get("outputs", {}),
        parameters=ports.get("parameters", {}),
    )
    return module_from_step(pipeline, given.get("step", ""), version=given["pipeline_version"], words=words)
