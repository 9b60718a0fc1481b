"""Static files: whole, compressed, kept by the browser until the build changes."""

import gzip
from pathlib import Path

import pytest
from django.conf import settings
from django.templatetags.static import static
from django.test import AsyncClient, Client

DIST = Path(settings.BASE_DIR) / "static" / "dist"


def test_an_address_carries_the_builds_hash() -> None:
    assert static("studio/shell.js") == f"/static/studio/shell.js?v={(DIST / 'build.txt').read_text()}"
    assert static("admin/css/base.css") == "/static/admin/css/base.css"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_a_file_arrives_whole_under_asgi(encoding: str) -> None:
    answer = await AsyncClient().get("/static/studio/shell.js", headers={"Accept-Encoding": encoding})
    assert answer.status_code == 200
    assert not answer.streaming
    assert "javascript" in answer["Content-Type"]
    content = gzip.decompress(answer.content) if answer.get("Content-Encoding") == "gzip" else answer.content
    assert content == (DIST / "shell.js").read_bytes()
    assert (answer.get("Content-Encoding") == "gzip") == (encoding == "gzip")


def test_part_of_a_file_and_one_that_is_known() -> None:
    part = Client().get("/static/studio/shell.js", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, (DIST / "shell.js").read_bytes()[:10])
    whole = Client().get("/static/studio/shell.js")
    known = Client().get("/static/studio/shell.js", headers={"If-Modified-Since": whole["Last-Modified"]})
    assert (known.status_code, known.content) == (304, b"")


def test_chunks_never_change() -> None:
    chunk = next((DIST / "chunks").glob("*.js"))
    assert "immutable" in Client().get(f"/static/studio/chunks/{chunk.name}")["Cache-Control"]


def test_what_is_not_there() -> None:
    assert Client().get("/static/studio/nothing.js").status_code == 404
