"""The forms of datasets. They take what was typed; services decide."""

import csv
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from datastores.models import Datastore
from datastores.sources import DataPath
from datastores.web_addresses import is_web_address
from studio.lib.problems import Problem, UserError

WEB = "web"  # in place of a datastore's id
_TAGS_HELP = 'As in <code>stage=raw, owner=ana</code>; with a comma in it, <code>"seen by=Ana, Bo"</code>.'
_PLAIN = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}


class _Said(forms.Form):
    """What is said about a version, and a place for problems of its fields."""

    def show(self, problems: Sequence[Problem]) -> list[Problem]:
        """Put each problem at the field that it names; those that name none of the form's are given back."""
        left = []
        for problem in problems:
            name = str((*problem.loc, "")[0])
            if name in self.fields:
                self.add_error(name, problem.message)
            else:
                left.append(problem)
        return left

    def clean_tags(self) -> dict[str, str]:
        return parsed_tags(self.cleaned_data["tags"])


class DatasetForm(_Said):
    """A new dataset."""

    name = forms.CharField(
        max_length=100,
        help_text="Steps ask for it by this name. Letters, digits, hyphens, dots, underscores, as in “train-images”.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    description = forms.CharField(max_length=500, required=False)
    tags = forms.CharField(required=False, help_text=_TAGS_HELP, widget=forms.TextInput(attrs=_PLAIN))


class VersionForm(_Said):
    """A new version of a dataset."""

    description = forms.CharField(max_length=500, required=False, label="What is new")
    tags = forms.CharField(required=False, help_text=_TAGS_HELP, widget=forms.TextInput(attrs=_PLAIN))


def parsed_tags(text: str) -> dict[str, str]:
    """`stage=raw, checked` as tags; one without a value has an empty one, and one with a comma stands in quotes.

    Raises ValidationError where quotes never close, or end in the middle of a tag.
    """
    try:
        parts = [part for line in csv.reader([text], skipinitialspace=True, strict=True) for part in line]
    except csv.Error as error:
        raise ValidationError(
            'Quotation marks go around a whole tag, as in "seen by=Ana, Bo", checked. They come in pairs.'
        ) from error
    pairs = (part.partition("=") for part in parts if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def written_tags(tags: Mapping[str, str]) -> str:
    return ", ".join(_written(f"{name}={value}" if value else name) for name, value in tags.items())


def _written(tag: str) -> str:
    if "," not in tag and not tag.startswith('"'):
        return tag
    return '"' + tag.replace('"', '""') + '"'


class PathRows:
    """The rows of a form: each a datastore, or the web, and a path, with what is wrong at each."""

    def __init__(self, rows: Sequence[tuple[str, str]], problems: Sequence[Problem] = ()) -> None:
        self.given = list(rows)
        self._problems = problems

    @classmethod
    def from_query(cls, query: QueryDict) -> "PathRows":
        """`datastore` and `path` come in pairs; one datastore alone is that of every path."""
        datastores, paths = query.getlist("datastore"), query.getlist("path")
        if len(datastores) == 1:
            datastores *= len(paths)
        return cls(list(zip(datastores, paths, strict=False)))

    @classmethod
    def from_paths(cls, paths: Sequence[DataPath]) -> "PathRows":
        return cls([(WEB if path.datastore_id is None else str(path.datastore_id), path.path) for path in paths])

    def with_problems(self, problems: Sequence[Problem]) -> "PathRows":
        return PathRows(self.given, [problem for problem in problems if problem.loc[:1] == ("paths",)])

    def data_paths(self) -> list[DataPath]:
        """Raises UserError at the row of a datastore that is no number. A web address is one whatever was chosen."""
        problems = [
            Problem(("paths", number, "datastore_id"), "Choose a datastore.")
            for number, (datastore, path) in enumerate(self.given)
            if not _is_web(datastore, path) and (not datastore.isdecimal() or len(datastore) > 18)
        ]
        if problems:
            raise UserError(problems)
        return [
            DataPath(datastore_id=None if _is_web(datastore, path) else int(datastore), path=path)
            for datastore, path in self.given
        ]

    def shown(self, datastores: Sequence[Datastore]) -> list[dict[str, Any]]:
        """Rows for the template: at least one, and a datastore is chosen in each."""
        first = str(datastores[0].pk) if datastores else WEB
        return [
            {"datastore": datastore or first, "path": path, "problems": self._at(number)}
            for number, (datastore, path) in enumerate(self.given or [(first, "")])
        ]

    @property
    def general(self) -> list[str]:
        """Problems of the rows as a whole."""
        return [problem.message for problem in self._problems if len(problem.loc) == 1]

    def _at(self, number: int) -> list[str]:
        return [problem.message for problem in self._problems if problem.loc[1:2] == (number,)]


def _is_web(datastore: str, path: str) -> bool:
    return datastore == WEB or is_web_address(path)
