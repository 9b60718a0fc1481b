"""What Django says about an error that nobody expected: where it happened, and no values.

Variables of a frame may hold a password on its way to a driver, a form's fields one that was just typed.
"""

from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class NoValues(SafeExceptionReporterFilter):
    """For DEFAULT_EXCEPTION_REPORTER_FILTER. Hides them in DEBUG too: such a page is what people send around."""

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return {} if request is None else dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:  # noqa: ARG002
        return []
