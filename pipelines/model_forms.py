"""The forms of models. They take what was typed; services decide."""

from typing import Any

from django import forms

from datastores.pages.dataset_forms import parsed_tags
from pipelines.states import ModelStage
from studio.lib.problems import UserError

_TAGS_HELP = 'As in <code>task=digits, owner=ana</code>; with a comma in it, <code>"seen by=Ana, Bo"</code>.'
_PLAIN = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}


class WordsForm(forms.Form):
    """What is said of a model, or of a version of one."""

    description = forms.CharField(max_length=500, required=False)
    tags = forms.CharField(required=False, help_text=_TAGS_HELP, widget=forms.TextInput(attrs=_PLAIN))

    def clean_tags(self) -> dict[str, str]:
        return parsed_tags(self.cleaned_data["tags"])

    def show(self, error: UserError) -> None:
        """Put each problem at the field that it names, and what names none above all of them."""
        for problem in error.problems:
            name = str((*problem.loc, "")[0])
            self.add_error(name if name in self.fields else None, problem.message)


class RegisterForm(WordsForm):
    """A new version of a model."""

    name = forms.CharField(
        label="Model",
        max_length=100,
        help_text="A new name makes a model, a known one a new version of it. Letters, digits, hyphens, dots, "
        "underscores, as in “digits-classifier”.",
        widget=forms.TextInput(attrs={**_PLAIN, "list": "model-names"}),
    )
    stage = forms.ChoiceField(
        choices=ModelStage.choices,
        initial=ModelStage.NONE,
        required=False,
        help_text="Of a model at most one version is in production: the one that is there now moves to the archive.",
    )

    field_order = ("name", "description", "tags", "stage")

    def clean_stage(self) -> str:
        return self.cleaned_data["stage"] or ModelStage.NONE

    def said(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.field_order}
