"""Addresses of static files: `?v=` and the build's hash, so that a browser keeps a file exactly until it changes."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import StaticFilesStorage


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
