"""The forms of compute targets. What they check twice, the services decide."""

from django import forms

from compute.pages.forms import NAME_HELP
from compute.services.targets import MAX_SLOTS


class TargetForm(forms.Form):
    """A new compute target."""

    name = forms.CharField(max_length=100, help_text=NAME_HELP.format("training"))
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
