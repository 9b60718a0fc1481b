"""The forms of the compute and environment pages. What they check twice, the services decide."""

from collections.abc import Iterable
from typing import Any

from django import forms

from compute.python_versions import buildable_versions
from compute.requirements import MAX_LINE_LENGTH, MAX_LINES
from compute.services.targets import MAX_SLOTS
from compute.spec import EnvironmentSpec
from studio.lib.problems import Problem, UserError

_NAME_HELP = "Letters, digits, hyphens, dots and underscores, as in “{}”."
_EXAMPLE = "pandas>=2.2\nscikit-learn==1.7.*\nmatplotlib"


class TargetForm(forms.Form):
    """A new compute target."""

    name = forms.CharField(max_length=100, help_text=_NAME_HELP.format("training"))
    description = forms.CharField(max_length=500, required=False)
    slots = forms.IntegerField(
        min_value=1, max_value=MAX_SLOTS, initial=2, help_text="How many steps run at once. A slot costs a thread."
    )


class ChangeTargetForm(forms.Form):
    """What may be changed of a target in use."""

    description = forms.CharField(max_length=500, required=False)
    slots = forms.IntegerField(
        min_value=1,
        max_value=MAX_SLOTS,
        help_text="How many steps run at once. A change starts the node anew, and steps that run there with it.",
    )


class EnvironmentForm(forms.Form):
    """A new environment, or a new version of one. One requirement a line; comments and blank lines are dropped."""

    name = forms.CharField(max_length=100, help_text=_NAME_HELP.format("forecasting"))
    description = forms.CharField(max_length=500, required=False)
    python_version = forms.ChoiceField(label="Python", help_text="The versions that this machine can build with.")
    requirements = forms.CharField(
        label="pip requirements",
        required=False,
        max_length=MAX_LINES * MAX_LINE_LENGTH,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "class": "mono", "placeholder": _EXAMPLE}),
        help_text="One a line, as in a requirements.txt. They are resolved and built when a step first needs them.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = buildable_versions()
        chosen = self.initial.get("python_version")
        if chosen and chosen not in versions:
            versions.append(chosen)
        field = self.fields["python_version"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(version, f"Python {version}") for version in versions]

    def spec(self) -> EnvironmentSpec:
        """What the valid form says. Line i of the text is element i of `pip`, so that a problem finds its line."""
        return EnvironmentSpec(
            python_version=self.cleaned_data["python_version"],
            pip=self.cleaned_data["requirements"].splitlines(),
        )


def add_problems(form: forms.Form, error: UserError) -> None:
    """Put a service's problems at the fields they belong to."""
    for problem in error.problems:
        form.add_error(*_placed(problem, form.fields))


def _placed(problem: Problem, fields: Iterable[str]) -> tuple[str | None, str]:
    match problem.loc:
        case ("pip", int(index)):
            return "requirements", f"Line {index + 1}: {problem.message}"
        case ("pip", *_):
            return "requirements", problem.message
        case (str(field), *_) if field in fields:
            return field, problem.message
    return None, problem.message
