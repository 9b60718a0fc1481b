"""Files of every kind, looked at: each in the way that suits it, and nothing of any of them is ever run."""

import base64
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from datastores.models import Datastore
from studio.workspaces.models import User

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)></svg>"


@pytest.fixture
def look(
    signed_in: Callable[[User], Client], owner: User, datastore: Datastore, put: Callable[..., None]
) -> Callable[..., str]:
    """`look("a.md", b"…")` writes the file and gives what the page shows of it."""
    client = signed_in(owner)

    def shown(path: str, content: bytes | str, **query: str) -> str:
        put(path, content=content.encode() if isinstance(content, str) else content)
        answer = client.get(f"/w/digits/datastores/{datastore.pk}/file/", {"path": path, **query})
        assert answer.status_code == 200, answer.content.decode()[-500:]
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        return answer.content.decode().split('<main id="main"')[1].split("</main>")[0]

    return shown


@pytest.fixture
def thumbnail(signed_in: Callable[[User], Client], owner: User, datastore: Datastore) -> Callable[..., Any]:
    client = signed_in(owner)
    address = f"/w/digits/datastores/{datastore.pk}/thumbnail/"
    return lambda path, edge="", **headers: client.get(address, {"path": path, "edge": edge}, headers=headers)


def picture(kind: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 120).save(out, kind)
    return out.getvalue()


class Elements(HTMLParser):
    """What in a page could act."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "form", "style", "link", "base", "meta", "input"}:
            self.wrong.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style" or "javascript:" in (value or "").lower():
                self.wrong.append(f"{tag} {name}={value}")


def assert_inert(html: str) -> None:
    elements = Elements()
    elements.feed(html.split('class="file-view"')[1])
    assert not elements.wrong


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("grüße".encode(), "UTF-8"),
        ("grüße".encode("utf-8-sig"), "UTF-8"),
        ("grüße".encode("utf-16"), "UTF-16"),
        ("ein langer Satz, grüße".encode("utf-16-le"), "UTF-16"),
        ("grüße".encode("utf-32"), "UTF-32"),
        ("grüße, euro €".encode("cp1252"), "Windows-1252"),
    ],
)
def test_a_text_is_shown_whatever_its_encoding(look: Callable[..., str], content: bytes, encoding: str) -> None:
    html = look("a.txt", content)
    assert "grüße" in html
    assert f">{encoding}." in html.replace("\n", "")


def test_a_long_text_says_that_it_goes_on(look: Callable[..., str]) -> None:
    html = look("long.txt", "é" * 200_000)
    assert "The first 262 KB of 400 KB" in html
    assert "\ufffd" not in html


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil.xml", "evil.txt", "evil.js", "noname"])
def test_what_could_run_is_shown_as_its_text(look: Callable[..., str], name: str) -> None:
    html = look(name, EVIL)
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


def test_bytes_are_shown_as_bytes_page_by_page(look: Callable[..., str]) -> None:
    content = bytes(range(256)) * 40
    html = look("a.bin", content)
    assert "00000000" in html
    assert "00 01 02 03" in html
    assert "Bytes 0 to 4,096 of 10,240" in html
    later = look("a.bin", content, **{"as": "hex", "from": "8192"})
    assert "00002000" in later
    assert "Bytes 8,192 to 10,240 of 10,240" in later
    assert "Next" not in later
    assert look("a.txt", "abc", **{"as": "hex"}).count("61 62 63") == 1
    assert "empty" in look("nothing", "")


def test_pdf_is_no_page_of_ours(look: Callable[..., str]) -> None:
    assert "00000000" in look("a.pdf", b"%PDF-1.7\n\0\1\2binary")


def test_markdown_is_rendered_and_can_do_nothing(look: Callable[..., str]) -> None:
    text = f"""# Title

{EVIL}

[out](https://example.org/a) [js](javascript:alert(1)) [data](data:text/html,x)
[near](other%20file.csv) ![near](img/a.png)

![far](https://example.org/track.png) ![svg](a.svg) ![up](../../../../etc/x.png)

| a | b |
|---|---|
| 1 | 2 |
"""
    html = look("docs/readme.md", text)
    assert "<h1>Title</h1>" in html
    assert "&lt;script&gt;" in html
    assert_inert(html)
    assert 'href="https://example.org/a" rel="noopener noreferrer nofollow"' in html
    assert "/file/?path=docs%2Fother%20file.csv" in html
    assert "/image/?path=docs%2Fimg%2Fa.png" in html
    assert "track.png" not in html
    assert "[far]" in html
    assert "/image/?path=etc%2Fx.png" in html, "stays in the datastore"
    assert "<td>1</td>" in html
    assert 'href="data:' not in html


def test_hostile_markdown_takes_no_longer_than_it_may(look: Callable[..., str]) -> None:
    assert look("deep.md", "[" * 50_000 + "](" * 50_000)
    assert look("quotes.md", ">" * 100_000)


def notebook(*cells: dict, **more: object) -> str:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more})


def code(source: str, *outputs: dict) -> dict:
    return {"cell_type": "code", "source": [source], "execution_count": 7, "outputs": list(outputs), "metadata": {}}


def display(**data: object) -> dict:
    named = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": named}


def test_a_notebook_shows_its_cells_and_runs_nothing(look: Callable[..., str]) -> None:
    png = base64.b64encode(picture()).decode()
    html = look(
        "a.ipynb",
        notebook(
            {"cell_type": "markdown", "source": ["# Head\n", EVIL]},
            code("print('hi')", {"output_type": "stream", "text": ["hi\n"]}),
            code("df", display(text_html=f"<table><tr><td style='x' onclick='y'>cell</td></tr></table>{EVIL}")),
            code("plot", display(image_png=png, text_plain="Figure")),
            code("fake", display(image_png=base64.b64encode(EVIL.encode()).decode(), text_plain="instead")),
            code("svg", display(**{"image_svg+xml": EVIL, "text_plain": "drawing"})),
            code("js", display(application_javascript="alert(1)", text_plain="script output")),
            code("1/0", {"output_type": "error", "traceback": ["\x1b[0;31mZeroDivisionError\x1b[0m: <b>no</b>"]}),
        ),
    )
    assert_inert(html)
    for word in ("<h1>Head</h1>", "[7]", "hi\n", "<td>cell</td>", "instead", "drawing", "script output"):
        assert word in html, word
    assert f"data:image/png;base64,{png}" in html
    assert html.count("<img") == 1
    assert "ZeroDivisionError: &lt;b&gt;no&lt;/b&gt;" in html


def test_a_large_notebook_is_cut(look: Callable[..., str]) -> None:
    cells = [code(f"cell {number}", {"output_type": "stream", "text": "x" * 1_000_000}) for number in range(30)]
    html = look("large.ipynb", notebook(*cells))
    assert "cell 0" in html
    assert "cell 29" not in html
    assert "The notebook goes on" in html
    assert "This output goes on" in html
    assert len(html) < 2_000_000


@pytest.mark.parametrize("content", ["no json", "[]", '{"cells": 3}', "[" * 100_000, '{"cells": [1, null, {}]}'])
def test_what_is_no_notebook_says_so_and_is_shown_plainly(look: Callable[..., str], content: str) -> None:
    html = look("bad.ipynb", content)
    assert "is none" in html or "cell" in html


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_is_drawn_as_it_is(look: Callable[..., str], kind: str) -> None:
    html = look(f"plot.{kind.lower()}", picture(kind))
    assert f"/image/?path=plot.{kind.lower()}" in html
    assert f"{kind}, 300 × 200 pixels" in html


@pytest.mark.parametrize(("kind", "mode"), [("BMP", "RGB"), ("TIFF", "RGB"), ("TIFF", "I;16"), ("TIFF", "F")])
def test_a_picture_that_browsers_do_not_know_is_drawn_as_a_copy(
    look: Callable[..., str], thumbnail: Callable[..., Any], kind: str, mode: str
) -> None:
    name = f"scan.{kind.lower()}"
    assert f"/thumbnail/?path={name}&amp;edge=1600" in look(name, picture(kind, mode=mode))
    assert Image.open(io.BytesIO(thumbnail(name, "1600").content)).size == (300, 200)


def test_what_is_no_picture_is_shown_as_what_it_is(look: Callable[..., str]) -> None:
    html = look("plot.png", EVIL)
    assert "It can't be shown as a picture" in html
    assert "&lt;script&gt;" in html
    cut = look("half.jpg", picture("JPEG")[:100])
    assert "can't be shown as a picture" in cut


def bomb() -> bytes:
    """A PNG of a few bytes that says that it has 10,000,000,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def test_a_picture_larger_than_memory_is_refused(look: Callable[..., str], thumbnail: Callable[..., Any]) -> None:
    assert "more than 100,000,000 pixels" in look("bomb.png", bomb())
    assert thumbnail("bomb.png").status_code == 404


def test_thumbnails_are_small_and_asked_for_once(thumbnail: Callable[..., Any], put: Callable[..., None]) -> None:
    put("a.jpg", content=picture("JPEG", (2000, 1000)))
    answer = thumbnail("a.jpg")
    assert answer["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size == (96, 48)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert thumbnail("a.jpg", **{"If-None-Match": answer["ETag"]}).status_code == 304
    put("a.jpg", content=picture("JPEG", (10, 10)))
    assert thumbnail("a.jpg", **{"If-None-Match": answer["ETag"]}).status_code == 200
    put("a.svg", content=EVIL.encode())
    assert thumbnail("a.svg").status_code == 404


def test_a_table_is_shown_with_its_columns(look: Callable[..., str]) -> None:
    html = look("t.csv", "id,<b>name</b>\n1,<script>alert(1)</script>\n2,x\n")
    assert "&lt;b&gt;name&lt;/b&gt;" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert "2 rows" in html
    assert "Text" in html, "it can be shown as text, too"
    broken = look("t.parquet", b"PAR1 and no more")
    assert "It can't be shown as a table" in broken


def test_a_sound_is_played_with_its_type_and_in_parts(
    look: Callable[..., str], signed_in: Callable[[User], Client], owner: User, datastore: Datastore
) -> None:
    assert "<audio controls" in look("a.mp3", b"0123456789" * 100)
    client, address = signed_in(owner), f"/w/digits/datastores/{datastore.pk}/audio/?path=a.mp3"
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.getvalue()) == (206, b"0123456789")
    assert part["Content-Type"] == "audio/mpeg"
    assert part["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in part["Content-Security-Policy"]
    look("a.html", EVIL)
    assert client.get(address.replace("a.mp3", "a.html")).status_code == 404


def test_a_wish_that_does_not_fit_is_refused(
    signed_in: Callable[[User], Client], owner: User, datastore: Datastore, put: Callable[..., None]
) -> None:
    put("a.txt")
    for wish in ("picture", "nothing", "<b>"):
        answer = signed_in(owner).get(f"/w/digits/datastores/{datastore.pk}/file/", {"path": "a.txt", "as": wish})
        assert answer.status_code == 400
