"""The form of a description. What it takes, services decide about."""

from django import forms

from studio.lib.problems import UserError


class DescriptionForm(forms.Form):
    description = forms.CharField(max_length=500, required=False)

    def show(self, error: UserError) -> None:
        for problem in error.problems:
            self.add_error("description", problem.message)
