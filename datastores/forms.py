"""The forms of the data pages. They take what was typed; services decide."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import QueryDict
from pydantic.fields import FieldInfo

from datastores.backends import Store
from datastores.models import DataPath, Datastore
from studio.lib.problems import Problem, UserError

_PLAIN = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}
_CONFIG = "config_"


class DatastoreForm(forms.Form):
    """A new datastore; below the common fields are those of its kind's config class."""

    name = forms.CharField(
        max_length=100,
        help_text="Letters, digits, hyphens, dots and underscores, as in “camera-images”. It can't be changed later.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    description = forms.CharField(max_length=500, required=False)

    def __init__(self, data: QueryDict | None, *, backend: type[Store]) -> None:
        super().__init__(data)
        for name, info in backend.Config.model_fields.items():
            self.fields[_CONFIG + name] = _field_of(info)

    def config(self) -> dict[str, Any]:
        """What the valid form says of the kind's own fields."""
        return {
            name.removeprefix(_CONFIG): value for name, value in self.cleaned_data.items() if name.startswith(_CONFIG)
        }

    def show(self, error: UserError) -> None:
        """Put each problem at the field that it names; one that names none stands above the form."""
        for problem in error.problems:
            name = _CONFIG + str(problem.loc[1]) if problem.loc[:1] == ("config",) else str((*problem.loc, "")[0])
            self.add_error(name if name in self.fields else None, problem.message)


class DescriptionForm(forms.Form):
    description = forms.CharField(max_length=500, required=False)

    def show(self, error: UserError) -> None:
        for problem in error.problems:
            self.add_error("description", problem.message)


class DatasetForm(forms.Form):
    """A new dataset: its name, and rows of datastore and path (not Django's fields: there are any number of them)."""

    name = forms.CharField(
        max_length=100,
        help_text="Steps ask for it by this name. Letters, digits, hyphens, dots, underscores, as in “train-images”.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    description = forms.CharField(max_length=500, required=False)


class PathRows:
    """The rows of a dataset's form, with what is wrong at each."""

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
        return cls([(str(path.datastore_id), path.path) for path in paths])

    def with_problems(self, problems: Sequence[Problem]) -> "PathRows":
        return PathRows(self.given, [problem for problem in problems if problem.loc[:1] == ("paths",)])

    def data_paths(self) -> list[DataPath]:
        """Raises UserError at the row of a datastore that is no number."""
        problems = [
            Problem(("paths", number, "datastore_id"), "Choose a datastore.")
            for number, (datastore, _path) in enumerate(self.given)
            if not datastore.isdecimal() or len(datastore) > 18
        ]
        if problems:
            raise UserError(problems)
        return [DataPath(datastore_id=int(datastore), path=path) for datastore, path in self.given]

    def shown(self, datastores: Sequence[Datastore]) -> list[dict[str, Any]]:
        """Rows for the template: at least one, and a datastore is chosen in each."""
        first = str(datastores[0].pk) if datastores else ""
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


def _field_of(info: FieldInfo) -> forms.Field:
    words: dict[str, Any] = {
        "label": info.title,
        "help_text": info.description or "",
        "required": info.is_required(),
        "initial": None if info.is_required() else info.default,
    }
    if info.annotation is bool:
        return forms.BooleanField(**{**words, "required": False})
    if info.annotation is int:
        return forms.IntegerField(**words)
    return forms.CharField(max_length=1000, widget=forms.TextInput(attrs={**_PLAIN, "class": "mono"}), **words)
