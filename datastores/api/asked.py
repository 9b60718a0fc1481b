"""What the addresses of several views ask for."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from studio.lib.problems import UserError

MAX_LISTED = 1000

PATH = OpenApiParameter("path", str, description="Below the datastore's root, with “/” between names.")
AFTER = OpenApiParameter("after", str, description="What the last page gave as `after`.")
PREFIX = OpenApiParameter("prefix", str, description="Only names that begin so.")
PAGE = OpenApiParameter("page", int)


def whole_number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise UserError(f"`{name}` must be a whole number from 1.", loc=(name,))
    return int(text)
