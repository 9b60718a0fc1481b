"""What was stored by something that is not installed any more, and what a page answers there."""

import logging
import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from pydantic import ValidationError

from studio.lib import database_away

logger = logging.getLogger(__name__)


class UnreadableDocumentError(Exception):
    """A JSON column holds what this installation does not know. Its text is a sentence for people."""

    @classmethod
    def of(cls, error: ValidationError) -> "UnreadableDocumentError":
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:200]
        if first["type"] == "kind":
            kind = str(first["input"].get("kind"))[:100]
            return cls(
                f"This holds a step of the kind “{kind}”, which is not installed here. Install the package that "
                "brought it, on every machine of the studio, and start the studio again; until then it stays as it is."
            )
        return cls(
            f"This was stored by another version of the studio, and can't be read by this one (at {place}). Go back to "
            "the newer version, or tell your administrator."
        )


def failed(request: HttpRequest) -> HttpResponse:
    """Called while what a page raised is handled; the rest is `database_away`'s."""
    error = sys.exc_info()[1]
    if not isinstance(error, UnreadableDocumentError):
        return database_away.failed(request)
    logger.error("%s was asked for: %s", request.path, error)
    return HttpResponse(render_to_string("409.html", {"sentence": str(error)}), status=409)
