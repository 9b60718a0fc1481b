"""The forms of datastores: common fields, and those that a kind's Config and Secrets ask for. Services decide."""

import json
from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict

from datastores.backends import Store
from datastores.kinds import KindField, fields_of
from datastores.models import Datastore
from studio.lib.problems import UserError

PLAIN = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}


class KindForm(forms.Form):
    """What a kind must be told. A secret is taken and never filled in again, whatever the server holds."""

    def __init__(self, data: QueryDict | None, *, store: type[Store], datastore: Datastore | None = None) -> None:
        super().__init__(data)
        self.kind_fields = {f"{field.part}_{field.name}": field for field in _asked(store, datastore)}
        kept = _secrets_of(datastore)
        for name, field in self.kind_fields.items():
            made = _form_field(field, is_kept=field.part == "credentials" and field.name in kept)
            if datastore is not None and field.part == "config":
                made.initial = datastore.config.get(field.name, field.default)
            self.fields[name] = made

    def config(self) -> dict[str, Any]:
        """What the valid form says of the kind's own fields."""
        return {
            field.name: value
            for name, field in self.kind_fields.items()
            if field.part == "config" and (value := self.cleaned_data.get(name)) is not None
        }

    def credentials(self) -> dict[str, str]:
        """The secrets that were entered."""
        return {
            field.name: value
            for name, field in self.kind_fields.items()
            if field.part == "credentials" and (value := self.cleaned_data.get(name))
        }

    def show(self, error: UserError) -> None:
        """Put each problem at the field that it names; one that names none stands above the form."""
        for problem in error.problems:
            part, *rest = (*problem.loc, "")
            name = f"{part}_{rest[0]}" if part in {"config", "credentials"} else str(part)
            self.add_error(name if name in self.fields else None, problem.message)

    @property
    def common(self) -> list[BoundField]:
        return [bound for bound in self if bound.name not in self.kind_fields]

    @property
    def own(self) -> Iterator[tuple[BoundField, KindField, str]]:
        """The kind's fields, each with when it matters, as JSON, by the names that the form has for fields."""
        for name, field in self.kind_fields.items():
            when = {f"config_{other}": values for other, values in field.when.items()}
            yield self[name], field, json.dumps(when) if when else ""


class RegisterForm(KindForm):
    name = forms.CharField(
        max_length=100,
        help_text="Letters, digits, hyphens, dots and underscores, as in “camera-images”. It can't be changed later.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    description = forms.CharField(max_length=500, required=False)


class ChangeForm(KindForm):
    """`same_data` is asked only where it matters: where the datastore would lead elsewhere."""

    description = forms.CharField(max_length=500, required=False)
    same_data = forms.BooleanField(required=False, label="The same data lies there now: it has moved")

    def __init__(self, data: QueryDict | None, *, store: type[Store], datastore: Datastore) -> None:
        super().__init__(data, store=store, datastore=datastore)
        self.fields["description"].initial = datastore.description

    @property
    def common(self) -> list[BoundField]:
        return [bound for bound in super().common if bound.name != "same_data"]

    @property
    def asks_for_same_data(self) -> bool:
        return "same_data" in self.errors or bool(self.data.get("same_data"))


def _asked(store: type[Store], datastore: Datastore | None) -> list[KindField]:
    return [field for field in fields_of(store) if datastore is None or not field.is_fixed]


def _secrets_of(datastore: Datastore | None) -> set[str]:
    """Which secrets there are; none where they can't be opened any more."""
    try:
        return set(datastore.credentials.open()) if datastore and datastore.credentials else set()
    except UserError:
        return set()


def _form_field(field: KindField, *, is_kept: bool) -> forms.Field:
    # Whether a field is needed can hang on the others: the kind says so, in its own words.
    words: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": False, "initial": field.default}
    hint = {"placeholder": "Kept as it is"} if is_kept else {}
    match field.type:
        case "boolean":
            return forms.BooleanField(**words)
        case "number":
            return forms.IntegerField(**words)
        case "decimal":
            return forms.FloatField(**words)
        case "choice":
            return forms.ChoiceField(**words, choices=field.choices)
        case "secret":
            del words["initial"]
            attrs = {**PLAIN, **hint, "autocomplete": "new-password", "class": "mono"}
            long = {"rows": "6", **attrs}
            widget = forms.Textarea(long) if field.is_long else forms.PasswordInput(attrs, render_value=False)
            return SecretField(**words, strip=False, widget=widget)
    attrs = {**PLAIN, "class": "mono"}
    return forms.CharField(
        **words, widget=forms.Textarea({"rows": "6", **attrs}) if field.is_long else forms.TextInput(attrs)
    )


class SecretField(forms.CharField):
    """Never filled in again: a form that comes back with problems shows it empty."""

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> BoundField:
        return _Unshown(form, self, field_name)


class _Unshown(BoundField):
    def value(self) -> str:
        return ""
