"""Forms of the pages about people and workspaces. They take what was typed; services decide."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from studio.lib.problems import UserError
from studio.workspaces.models import SLUG, Role, Workspace


class SignInForm(AuthenticationForm):
    error_messages = {  # noqa: RUF012 (Django's own attribute, annotated there)
        "invalid_login": "Username and password do not fit. Mind upper and lower case.",
        "inactive": "This account is switched off. Ask an administrator.",
    }


class WorkspaceForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="What people read, as in “Fraud detection”.")
    slug = forms.CharField(
        label="Address",
        max_length=40,
        validators=[SLUG],
        help_text="Part of every link into the workspace: lower-case letters, digits and hyphens. It can't be changed.",
        widget=forms.TextInput(attrs={"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}),
    )


class AddMemberForm(forms.Form):
    who = forms.CharField(
        label="Username or e-mail",
        max_length=254,
        widget=forms.TextInput(attrs={"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}),
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.CONTRIBUTOR)


_STAYS = ""
_LIFETIMES = [
    ("7", "7 days"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("365", "A year"),
    (_STAYS, "Until it is taken away"),
]


class TokenForm(forms.Form):
    name = forms.CharField(max_length=100, label="What it is for", help_text="As in “nightly job on build-3”.")
    workspace = forms.ChoiceField(required=False, help_text="It opens nothing else.")
    role = forms.ChoiceField(
        required=False,
        label="May do",
        choices=[
            ("", "What I may"),
            *((value, f"At most what a {label.lower()} may") for value, label in Role.choices[1:]),
        ],
        help_text="A token in a program that only reads needs no more than a reader may.",
    )
    days = forms.ChoiceField(required=False, label="Works for", choices=_LIFETIMES, initial="90")

    def __init__(self, *args: Any, workspaces: Iterable[Workspace], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "All of mine"), *((each.slug, each.name) for each in workspaces)]
        self.fields["workspace"].choices = choices  # type: ignore[attr-defined]

    def clean_days(self) -> int | None:
        return int(self.cleaned_data["days"]) if self.cleaned_data["days"] else None


def show_problems(form: forms.Form, error: UserError) -> None:
    """Put each problem at the field it names; one that names none stands above the form."""
    for problem in error.problems:
        field: Any = problem.loc[0] if problem.loc and problem.loc[0] in form.fields else None
        form.add_error(field, problem.message)
