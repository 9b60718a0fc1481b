"""What the API takes, and the shape of what it gives."""

from typing import Any

from rest_framework import serializers

from pipelines.models import Pipeline, PipelineVersion
from studio.lib.given import Given


class PipelineSerializer(serializers.ModelSerializer[Pipeline]):
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True, allow_null=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Pipeline
        fields = ("id", "name", "description", "latest_version", "created_by", "created_at", "updated_at", "url")

    def get_url(self, pipeline: Pipeline) -> str:
        return f"/w/{self.context['slug']}/pipelines/{pipeline.pk}/"


class NewPipelineSerializer(Given):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=5000, allow_blank=True, default="")


class ChangePipelineSerializer(Given):
    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=5000, allow_blank=True, required=False)


class VersionRowSerializer(serializers.ModelSerializer[PipelineVersion]):
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True, allow_null=True)

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


class NewVersionSerializer(Given):
    definition = serializers.DictField()
    base_version = serializers.IntegerField(
        min_value=0, required=False, help_text="The version that was edited; 0 for none. Without it, send `If-Match`."
    )
    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=5000, allow_blank=True, required=False)


class ValidateSerializer(Given):
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


class SubmitSerializer(Given):
    version = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    parameters = serializers.DictField(required=False, default=dict)
    experiment = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    priority = serializers.IntegerField(
        min_value=-(10**9),
        max_value=10**9,
        default=0,
        help_text="Its steps go before those of lower ones: up to 10 for contributors, 100 for owners.",
    )
    continue_on_step_failure = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Whether what does not depend on a failed step goes on. As the pipeline says, unless given.",
    )
    regenerate_outputs = serializers.BooleanField(
        default=False, help_text="Every step runs, whatever earlier results there are."
    )


class StepAskedSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="Of the step now: a process takes a moment to end.")


class AnswerSerializer(Given):
    approve = serializers.BooleanField(help_text="True for yes.")
    comment = serializers.CharField(max_length=2000, allow_blank=True, default="")


class AnsweredSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="Of the step now.")
    reason = serializers.CharField()


class OpenApprovalSerializer(serializers.Serializer[Any]):
    run = serializers.IntegerField()
    pipeline = serializers.CharField()
    step = serializers.CharField()
    question = serializers.CharField()
    asked = serializers.CharField(help_text="Who can answer, in words.")
    until = serializers.DateTimeField(allow_null=True)
    may_answer = serializers.BooleanField(help_text="Whether the asker can.")


class ResubmitSerializer(Given):
    """What is not given is as it was."""

    parameters = serializers.DictField(required=False, help_text="All of them: they take the place of the run's.")
    experiment = serializers.CharField(max_length=100, required=False, allow_blank=True)
    priority = serializers.IntegerField(min_value=-(10**9), max_value=10**9, required=False)
    continue_on_step_failure = serializers.BooleanField(required=False)
    regenerate_outputs = serializers.BooleanField(required=False)


class EndReuseSerializer(Given):
    ends_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="From when on it is not taken; at once unless given."
    )


class ReuseChangedSerializer(serializers.Serializer[Any]):
    steps = serializers.IntegerField(help_text="How many results it is about.")


class ClonedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField(help_text="Of the builder.")


class SubmittedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    url = serializers.CharField()
    status = serializers.CharField()


class TextFileSerializer(Given):
    path = serializers.CharField(trim_whitespace=False, max_length=5000)
    text = serializers.CharField(trim_whitespace=False, allow_blank=True)


class MoveSerializer(Given):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.CharField(trim_whitespace=False, max_length=5000) for name in ("from", "to")}


class EditSourcesSerializer(Given):
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


class GitFactsSerializer(serializers.Serializer[Any]):
    """Of the checkout that a source folder lay in."""

    repository = serializers.CharField(help_text="Its address, without user, password and query; empty where unknown.")
    branch = serializers.CharField(help_text="Empty where it was on none.")
    commit = serializers.CharField(help_text="40 or 64 hexadecimal digits; empty before the first one.")
    dirty = serializers.BooleanField(
        allow_null=True, help_text="Whether there were uncommitted changes; null: unknown."
    )
    diff = serializers.CharField(help_text="The sources whose `changes.diff` has those changes; empty where none has.")
    diff_note = serializers.CharField(help_text="Why there is no diff, or not all of it.")
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="The digest of the sources that this was said of."
    )


class UploadedSourcesSerializer(SourcesSerializer):
    git = GitFactsSerializer(required=False, help_text="Where the upload said something of git.")


class EditFilesSerializer(Given):
    """Files of the step's source folder: renamed, deleted, then written."""

    put = TextFileSerializer(many=True, default=list)
    delete = serializers.ListField(child=serializers.CharField(trim_whitespace=False), default=list)
    move = MoveSerializer(many=True, default=list)


class EditStepSerializer(Given):
    base_edit = serializers.IntegerField(
        min_value=0, help_text="The number of the edit that was on the screen: of the last of the step's `edits`, or 0."
    )
    files = EditFilesSerializer(required=False)
    settings = serializers.DictField(
        default=dict,
        help_text="Fields of the step's kind, as `entry`, `arguments` or `command`, and its `environment_variables`, "
        "`compute`, `timeout_s`, `retry`, `limits`, `resources` and `allow_reuse`. What is not given stays. A number "
        "or a target can be `${{parameters.NAME}}`: it takes the run's value.",
    )
    continue_run = serializers.BooleanField(default=True, help_text="Try again at once, with all that is left undone.")
    save_to_pipeline = serializers.BooleanField(
        default=False, help_text="Make the same change in the pipeline, as its next version. Where that can't be, 409."
    )


class EditableSerializer(serializers.Serializer[Any]):
    base_edit = serializers.IntegerField(help_text="To be sent with the edit.")
    source_digest = serializers.CharField(allow_null=True, help_text="Of the step's source folder.")
    kind = serializers.DictField(help_text="With the fields of its own.")
    settings = serializers.DictField(help_text="What can be changed; what a parameter feeds is `${{parameters.NAME}}`.")
    inputs = serializers.ListField(child=serializers.DictField())
    outputs = serializers.ListField(child=serializers.DictField())
    parameters = serializers.ListField(child=serializers.DictField(), help_text="Of the run's version.")
    computes = serializers.ListField(child=serializers.DictField(), help_text="Targets that it could run on.")
    databases = serializers.ListField(child=serializers.DictField(), help_text="Those that it could open.")


class StepEditSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    last_attempt = serializers.IntegerField(help_text="The last attempt before the edit; 0 where none had begun.")
    changes = serializers.ListField(child=serializers.CharField(), help_text="Fields and files that were changed.")
    edited_by = serializers.CharField(allow_null=True)
    edited_at = serializers.DateTimeField()
    settings_before = serializers.DictField()
    command_before = serializers.ListField(child=serializers.CharField())
    snapshot_before = serializers.CharField()


class EditedSerializer(serializers.Serializer[Any]):
    edit = StepEditSerializer(allow_null=True, help_text="Null where what was sent is what was there.")
    steps = serializers.IntegerField(help_text="How many steps are tried again.")
    version = serializers.IntegerField(allow_null=True, help_text="Of the pipeline, where it was saved there.")
    status = serializers.CharField(help_text="Of the run.")


class PausedSerializer(serializers.Serializer[Any]):
    changed = serializers.BooleanField(help_text="False where it was so already.")
    status = serializers.CharField(help_text="Of the run.")
    paused_at = serializers.DateTimeField(allow_null=True)
    paused_by = serializers.CharField(allow_null=True)


class ContinuedSerializer(serializers.Serializer[Any]):
    steps = serializers.IntegerField(help_text="How many steps are tried again.")
    status = serializers.CharField(help_text="Of the run.")


class TagsSerializer(Given):
    """Tags by name; null takes one away."""

    tags = serializers.DictField(child=serializers.CharField(allow_null=True, allow_blank=True, max_length=1000))


class UploadSourcesSerializer(serializers.Serializer[Any]):
    files = serializers.ListField(child=serializers.FileField(), required=False)
    paths = serializers.ListField(child=serializers.CharField(), required=False, help_text="One for each of `files`.")
    zip = serializers.FileField(required=False)
    base = serializers.CharField(required=False)
    git = serializers.CharField(
        required=False,
        help_text="JSON with `repository`, `branch`, `commit`, `dirty` and `diff_note` of the checkout, each optional.",
    )
    diff = serializers.FileField(
        required=False, help_text="The uncommitted changes, as `git diff` writes them: at most 1 MB. Only with `git`."
    )
