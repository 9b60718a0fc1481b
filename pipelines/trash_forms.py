"""The form of the rules about how long runs are kept. What it checks twice, the service decides."""

from decimal import Decimal
from typing import Any

from django import forms

from pipelines.models import Retention
from pipelines.retention import Rules
from pipelines.services.retaining import MOST_DAYS, MOST_RUNS, MOST_TRASH_DAYS
from studio.lib.problems import UserError

GB = 10**9
_MOST_GB = 10**6


class RetentionForm(forms.Form):
    keep_days = forms.IntegerField(
        label="Keep runs for at most so many days",
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        help_text="Counted from a run's end. Empty: however old they are.",
    )
    keep_runs = forms.IntegerField(
        label="Keep at most the newest runs of each pipeline",
        required=False,
        min_value=1,
        max_value=MOST_RUNS,
        help_text="As many as you write here. Empty: all of them.",
    )
    keep_gb = forms.DecimalField(
        label="Keep at most so many GB of outputs",
        required=False,
        min_value=Decimal("0.001"),
        max_value=_MOST_GB,
        decimal_places=3,
        help_text="Of all runs together: beyond that the oldest go. What went to destinations of its own is not "
        "counted, and never deleted. Empty: whatever they hold.",
    )
    trash_days = forms.IntegerField(
        label="Days in the trash",
        min_value=1,
        max_value=MOST_TRASH_DAYS,
        help_text="For so long a run can be restored; then it is deleted for good. A change holds for those that are "
        "there already, too.",
    )

    @property
    def rules(self) -> Rules:
        """Of a valid form."""
        given = self.cleaned_data
        gb = given["keep_gb"]
        keep_bytes = None if gb is None else int(gb * GB)
        return Rules(keep_days=given["keep_days"], keep_runs=given["keep_runs"], keep_bytes=keep_bytes)

    def add_problems(self, error: UserError) -> None:
        """Put a service's problems at the fields they belong to."""
        for problem in error.problems:
            name = "keep_gb" if problem.loc[:1] == ("keep_bytes",) else problem.loc[0] if problem.loc else None
            self.add_error(str(name) if name in self.fields else None, problem.message)


def as_given(retention: Retention | None) -> dict[str, Any]:
    """What the form begins with."""
    retention = retention or Retention()
    keep_bytes = retention.keep_bytes
    return {
        "trash_days": retention.trash_days,
        "keep_days": retention.keep_days,
        "keep_runs": retention.keep_runs,
        "keep_gb": None if keep_bytes is None else (Decimal(keep_bytes) / GB).normalize(),
    }
