"""What is answered at an address that there is none of: a page to people, JSON to programs."""

from functools import partial

from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect, JsonResponse
from django.middleware.common import CommonMiddleware
from django.views.defaults import page_not_found


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not request.path_info.startswith("/api/"):
        return page_not_found(request, exception)
    detail = "There is nothing at this address. /api/ lists those that there are."
    about = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": detail}
    problems = [{"loc": [], "message": detail, "pointer": "#"}]
    return JsonResponse({**about, "problems": problems}, status=404, content_type="application/problem+json")


class SlashAppended(CommonMiddleware):
    """Django's, and a request that only lacks the slash at its end is sent on as it is.

    A POST that became a GET on its way would be answered as if something had been done.
    """

    response_redirect_class = partial(HttpResponsePermanentRedirect, preserve_request=True)  # type: ignore[assignment]
