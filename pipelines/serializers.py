"""What the API takes, and the shape of what it gives."""

from typing import Any

from rest_framework import serializers

from pipelines.models import Pipeline, PipelineVersion


class PipelineSerializer(serializers.ModelSerializer[Pipeline]):
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Pipeline
        fields = ("id", "name", "description", "latest_version", "created_by", "created_at", "updated_at", "url")

    def get_url(self, pipeline: Pipeline) -> str:
        return f"/w/{self.context['slug']}/pipelines/{pipeline.pk}/"


class NewPipelineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=5000, allow_blank=True, default="")


class ChangePipelineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=5000, allow_blank=True, required=False)


class VersionRowSerializer(serializers.ModelSerializer[PipelineVersion]):
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = PipelineVersion
        fields = ("number", "created_at", "created_by")


class VersionSerializer(VersionRowSerializer):
    definition = serializers.SerializerMethodField()

    class Meta(VersionRowSerializer.Meta):
        fields = ("number", "created_at", "created_by", "definition")  # type: ignore[assignment]

    def get_definition(self, version: PipelineVersion) -> dict[str, Any]:
        plain: dict[str, Any] = version.definition.model_dump(mode="json")
        return plain


class NewVersionSerializer(serializers.Serializer[Any]):
    definition = serializers.DictField()
    base_version = serializers.IntegerField(min_value=0, help_text="The version that was edited; 0 for none.")
    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=5000, allow_blank=True, required=False)


class ValidateSerializer(serializers.Serializer[Any]):
    definition = serializers.DictField()
    pipeline_id = serializers.IntegerField(required=False, allow_null=True)


class ProblemSerializer(serializers.Serializer[Any]):
    loc = serializers.ListField()
    message = serializers.CharField()


class EdgeSerializer(serializers.Serializer[Any]):
    # `from` is a word of Python's own.
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.CharField() for name in ("from", "output", "to", "input")}


class ValidatedSerializer(serializers.Serializer[Any]):
    problems = ProblemSerializer(many=True)
    warnings = ProblemSerializer(many=True, help_text="What is worth knowing and keeps nobody from submitting.")
    edges = EdgeSerializer(many=True)


class SavedSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    problems = ProblemSerializer(many=True)


class SubmitSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    parameters = serializers.DictField(required=False, default=dict)
    experiment = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    priority = serializers.IntegerField(
        min_value=-(10**9),
        max_value=10**9,
        default=0,
        help_text="Its steps go before those of lower ones: up to 10 for contributors, 100 for owners.",
    )


class SubmittedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    url = serializers.CharField()
    status = serializers.CharField()


class TextFileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(trim_whitespace=False, max_length=5000)
    text = serializers.CharField(trim_whitespace=False, allow_blank=True)


class MoveSerializer(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.CharField(trim_whitespace=False, max_length=5000) for name in ("from", "to")}


class EditSourcesSerializer(serializers.Serializer[Any]):
    base = serializers.CharField(max_length=64, allow_null=True, default=None)
    put = TextFileSerializer(many=True, default=list)
    delete = serializers.ListField(child=serializers.CharField(trim_whitespace=False), default=list)
    move = MoveSerializer(many=True, default=list)


class SourceFileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class SourcesSerializer(serializers.Serializer[Any]):
    digest = serializers.CharField()
    files = SourceFileSerializer(many=True)


class UploadSourcesSerializer(serializers.Serializer[Any]):
    files = serializers.ListField(child=serializers.FileField(), required=False)
    paths = serializers.ListField(child=serializers.CharField(), required=False, help_text="One for each of `files`.")
    zip = serializers.FileField(required=False)
    base = serializers.CharField(required=False)
