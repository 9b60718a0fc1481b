"""Models in the REST API's words."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from pipelines.model_queries import ModelRow
from pipelines.registered import ModelVersion
from pipelines.states import ModelStage
from studio.lib.given import Given

_LARGEST_ID = 2**63 - 1


class NewModelVersion(Given):
    """What a completed step left: `output`, or else its artifacts, all of them or those at `artifact`."""

    name = serializers.CharField(max_length=100, help_text="Of the model. A new name makes one.")
    run = serializers.IntegerField(min_value=1, max_value=_LARGEST_ID)
    step = serializers.CharField(max_length=100)
    output = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    artifact = serializers.CharField(
        max_length=4000,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="A file or folder of the step's artifacts, as in “outputs/model.pkl”; empty for all of them.",
    )
    attempt = serializers.IntegerField(
        min_value=1, max_value=10**6, required=False, help_text="Of the artifacts; else the latest that left some."
    )
    description = serializers.CharField(max_length=500, default="", allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), default=dict)
    stage = serializers.CharField(max_length=20, default=ModelStage.NONE, help_text=", ".join(ModelStage.values))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if bool(attrs["output"]) == ("artifact" in attrs):
            raise serializers.ValidationError({"output": "Name an output of the step, or an artifact of it."})
        return attrs


class ChangeModel(Given):
    """What is left out stays as it is. Tags are given whole."""

    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)


class ChangeModelVersion(ChangeModel):
    """Where it goes to production, the version that was there moves to the archive."""

    stage = serializers.CharField(max_length=20, required=False, help_text=", ".join(ModelStage.values))


def model_json(row: ModelRow, slug: str) -> dict[str, Any]:
    model, latest = row.model, row.latest
    return {
        "id": model.pk,
        "name": model.name,
        "description": model.description,
        "tags": model.tags.tags,
        "latest_version": latest.number if latest else None,
        "production_version": row.production,
        "version_count": model.version_count,  # type: ignore[attr-defined] # annotated by `models_in`
        "created_at": model.created_at,
        "created_by": model.created_by and model.created_by.username,
        "registered_at": latest.created_at if latest else None,
        "url": reverse("models:detail", args=[slug, model.pk]),
    }


def version_json(version: ModelVersion) -> dict[str, Any]:
    return {
        "id": version.pk,
        "model": version.model.name,
        "number": version.number,
        "stage": version.stage,
        "stage_set_at": version.stage_set_at,
        "stage_set_by": version.stage_set_by and version.stage_set_by.username,
        "description": version.description,
        "tags": version.tags.tags,
        "created_at": version.created_at,
        "created_by": version.created_by and version.created_by.username,
        "run": version.run_number,
        "step": version.step_name,
        "output": version.output_name or None,
        "datastore_id": version.datastore_id,
        "path": version.path,
        "is_file": version.is_file,
        "file_count": version.file_count,
        "size_bytes": version.size_bytes,
        "fingerprint": version.fingerprint,
    }
