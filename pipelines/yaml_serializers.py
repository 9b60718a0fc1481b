"""What the API takes and gives where pipelines are imported from YAML files."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from pipelines.models import ForeignName
from pipelines.services.importing import Imported
from pipelines.texts import unfit_text
from studio.lib.given import Given
from studio.lib.problems import Problem

MOST_OF_A_NAME = 300
UNFIT = "There is a character in this name that can't be kept (NUL, or half of one). Remove it."


class ImportSerializer(Given):
    text = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, default="", help_text="The file, as a text."
    )
    file = serializers.FileField(required=False, help_text="A YAML file, or a zip with one and its code.")
    files = serializers.ListField(child=serializers.FileField(), required=False)
    paths = serializers.ListField(
        child=serializers.CharField(trim_whitespace=False), required=False, default=list, help_text="Of the `files`."
    )
    main = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=1000,
        help_text="The path of the file to begin with, where there are several.",
    )
    name = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=100,
        help_text="Of the pipeline, else as the file says.",
    )
    into = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="A pipeline that gets it as its next version."
    )
    means = serializers.DictField(
        child=serializers.DictField(child=serializers.CharField(max_length=200)),
        required=False,
        default=dict,
        help_text="What names of the file are here: `image`, `environment` and `compute`, each with names by names.",
    )
    remember = serializers.BooleanField(
        required=False, default=False, help_text="Keep what `means` says for the workspace's next imports."
    )
    dry_run = serializers.BooleanField(required=False, default=False)

    def validate_means(self, means: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for sort, names in means.items():
            if sort not in ForeignName.Sort.values:
                raise serializers.ValidationError({sort: [f"Names are of {', '.join(ForeignName.Sort.values)}."]})
            if any(len(name) > MOST_OF_A_NAME for name in names):
                raise serializers.ValidationError({sort: [f"A name has at most {MOST_OF_A_NAME} characters."]})
            if next(unfit_text(names, ()), None) is not None:
                raise serializers.ValidationError({sort: [UNFIT]})
        return means


class ForeignNameSerializer(Given):
    sort = serializers.ChoiceField(choices=ForeignName.Sort.choices, help_text="Of what the name is.")
    theirs = serializers.CharField(max_length=MOST_OF_A_NAME, help_text="As files have it; “*” stands for anything.")
    ours = serializers.CharField(
        max_length=200, allow_blank=True, help_text="An environment or a compute target; empty takes the name away."
    )


class PlaceSerializer(serializers.Serializer[Any]):
    loc = serializers.ListField(help_text="File, line and column.")
    message = serializers.CharField()


class MadeSerializer(serializers.Serializer[Any]):
    sort = serializers.CharField(help_text="`environment`, `dataset` or `pipeline`.")
    name = serializers.CharField()
    id = serializers.IntegerField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)
    steps = serializers.IntegerField()


class ImportedSerializer(serializers.Serializer[Any]):
    file = serializers.CharField(help_text="The one that it began with.")
    made = MadeSerializer(many=True)
    to_do = PlaceSerializer(many=True, help_text="What keeps the pipelines from being submitted.")
    notes = PlaceSerializer(many=True, help_text="What has no meaning here, or another one.")
    id = serializers.IntegerField(allow_null=True, help_text="Of the pipeline that was meant.")
    url = serializers.CharField(allow_null=True)


def imported_json(imported: Imported, slug: str) -> dict[str, Any]:
    pipeline = imported.pipeline
    return {
        "file": imported.main,
        "made": [
            {"sort": each.sort, "name": each.name, "id": each.id, "version": each.version, "steps": each.steps}
            for each in imported.made
        ],
        "to_do": _places(imported.to_do),
        "notes": _places(imported.notes),
        "id": pipeline.pk if pipeline else None,
        "url": reverse("pipelines:detail", args=[slug, pipeline.pk]) if pipeline else None,
    }


def _places(problems: list[Problem]) -> list[dict[str, Any]]:
    return [problem.as_json() for problem in problems]
