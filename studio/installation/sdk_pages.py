"""The SDK, for pip to install from the studio that it is to speak to.

`pip install http://HOST/sdk/` gets a source archive, which pip knows by what the answer says of itself, since the
address names no file. It is built without asking any package index. uv wants an address that ends as a file does, so
there are the wheel's own address and a small package index, `--index-url http://HOST/sdk/simple/`.
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from studio.installation.sdk_names import counts, modules_of

_SDK = Path(__file__).parents[1] / "sdk"
_WHEEL, _SOURCES = "application/zip", "application/gzip"


@cache
def archives() -> dict[str, bytes]:
    """By their file names: the wheel, then the source archive. They are made once in a process."""
    made = _building()
    wheel, sources = made.wheel_of(str(_SDK)), made.sdist_of(str(_SDK))
    return {wheel[0]: wheel[1], sources[0]: sources[1]}


@require_safe
@never_cache
def download(request: HttpRequest) -> HttpResponse:
    """A page for people; for everything else, pip above all, the source archive."""
    wheel, sources = archives()
    if "text/html" not in request.headers.get("Accept", ""):
        return _attachment(sources)
    address = request.build_absolute_uri(reverse("sdk"))
    return render(request, "sdk.html", {"address": address, "wheel": wheel, "sources": sources})


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """PEP 503: the one package that there is."""
    return render(request, "sdk-index.html", {"links": [(reverse("sdk-files"), "studio-sdk")]})


@require_safe
@never_cache
def files(request: HttpRequest) -> HttpResponse:
    """PEP 503: its files, with their digests."""
    links = [
        (f"{reverse('sdk-file', args=[name])}#sha256={hashlib.sha256(content).hexdigest()}", name)
        for name, content in archives().items()
    ]
    return render(request, "sdk-index.html", {"links": links})


@require_safe
def names(request: HttpRequest) -> HttpResponse:
    """Every name of the SDK, with what it does or what to use instead."""
    modules = modules_of(_SDK)
    works, refused = counts(modules)
    return render(request, "sdk-names.html", {"modules": modules, "works": works, "refused": refused})


@require_safe
@never_cache
def file(_request: HttpRequest, name: str) -> HttpResponse:
    """One of the two files."""
    if name not in archives():
        raise Http404("There is no such file of the SDK.")
    return _attachment(name)


def _attachment(name: str) -> HttpResponse:
    kind = _WHEEL if name.endswith(".whl") else _SOURCES
    return HttpResponse(
        archives()[name],
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )


def _building() -> ModuleType:
    """The build backend of the SDK, which is no part of the studio's own packages."""
    spec = importlib.util.spec_from_file_location("studio_sdk_building", _SDK / "building" / "studio_sdk_building.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
