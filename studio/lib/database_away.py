"""What a page answers while the database is busy or away. The API's answer to that is in `api_errors`."""

import logging
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

logger = logging.getLogger(__name__)
RETRY_S = 5


def failed(request: HttpRequest) -> HttpResponse:
    """Called while what a page raised is handled. Whatever is not the database's silence is a failure of ours."""
    error = sys.exc_info()[1]
    if not isinstance(error, (OperationalError, InterfaceError)):
        return server_error(request)
    logger.error("%s was asked for while the database was busy or away: %s", request.path, error)
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_S)})
