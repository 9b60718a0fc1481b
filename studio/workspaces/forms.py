"""Forms of the pages about people and workspaces. They take what was typed; services decide."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from studio.lib.problems import UserError
from studio.workspaces.models import SLUG, Role


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


def show_problems(form: forms.Form, error: UserError) -> None:
    """Put each problem at the field it names; one that names none stands above the form."""
    for problem in error.problems:
        field: Any = problem.loc[0] if problem.loc and problem.loc[0] in form.fields else None
        form.add_error(field, problem.message)
