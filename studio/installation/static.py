"""Static files: their addresses carry the build's hash, so that a browser keeps a file exactly until it changes."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class BuiltStaticFiles(StaticFilesStorage):
    """Where `build.mjs` left a hash, the front end's addresses carry it. Other packages' files keep their names."""

    def url(self, name: str | None) -> str:
        url = super().url(name)
        build = _build(settings.DEBUG)
        return f"{url}?v={build}" if build and name and name.startswith(("studio/", "img/")) else url


def _build(fresh: bool) -> str:
    return _read_build() if fresh else _build_at_start()


def _read_build() -> str:
    file = Path(settings.BASE_DIR) / "static" / "dist" / "build.txt"
    return file.read_text().strip() if file.exists() else ""


_build_at_start = cache(_read_build)


class WholeFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, without its streamed answers: under ASGI Django reads those to their end first, and warns of it."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        answer = static_file.get_response(request.method, request.META)
        content = b""
        if answer.file is not None:
            with answer.file:
                content = answer.file.read()
        response = HttpResponse(content, status=int(answer.status))
        del response["Content-Type"]  # WhiteNoise's own headers say it
        for name, value in answer.headers:
            response[name] = value
        return response
