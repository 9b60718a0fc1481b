"""The forms of environments. What they check twice, the services decide."""

from typing import Any

from django import forms

from compute.environments.python_versions import buildable_versions
from compute.environments.requirements import MAX_LINE_LENGTH, MAX_LINES
from compute.pages.forms import NAME_HELP
from compute.spec import EnvironmentSpec

_EXAMPLE = "pandas>=2.2\nscikit-learn==1.7.*\nmatplotlib"


class EnvironmentForm(forms.Form):
    """A new environment, or a new version of one. One requirement a line; comments and blank lines are dropped."""

    name = forms.CharField(max_length=100, help_text=NAME_HELP.format("forecasting"))
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
