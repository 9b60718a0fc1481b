"""Downloads go out piece by piece, under both kinds of server, with headers that let nothing act."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from studio.lib.downloads import StreamedResponse, stream_file, stream_image


def test_an_async_server_gets_the_first_piece_before_the_second_exists() -> None:
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"%d" % number

    async def read() -> None:
        async with aclosing(aiter(StreamedResponse(pieces()))) as response:
            assert await anext(response) == b"0"
            assert made == [0]
            assert [piece async for piece in response] == [b"1", b"2"]

    asyncio.run(read())


def test_a_sync_server_reads_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"x" * 700_000)
    response = stream_file(path, "large.bin")
    assert response["Content-Length"] == "700000"
    assert response.getvalue() == b"x" * 700_000
    response.close()


def test_a_file_that_grows_meanwhile_does_not_outgrow_its_length(tmp_path: Path) -> None:
    path = tmp_path / "growing.log"
    path.write_bytes(b"first")
    response = stream_file(path, "growing.log")
    with path.open("ab") as more:
        more.write(b" second")
    assert response.getvalue() == b"first"
    response.close()


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("plain.csv", 'attachment; filename="plain.csv"'),
        ('two\r\nSet-Cookie: a="b"', 'attachment; filename="two__Set-Cookie: a=\\"b\\""'),
        ("😀.txt", "attachment; filename*=utf-8''%F0%9F%98%80.txt"),
        ("\udcff.txt", 'attachment; filename="_.txt"'),
        ("", 'attachment; filename="download"'),
    ],
)
def test_no_name_can_break_the_header(filename: str, disposition: str) -> None:
    assert stream_file([b""], filename)["Content-Disposition"] == disposition


def test_nothing_downloaded_can_act_in_the_name_of_the_studio() -> None:
    response = stream_file([b"<script>alert(1)</script>"], "page.html")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_only_inert_images_are_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "PLOT.PNG"
    picture.write_bytes(b"\x89PNG")
    response = stream_image(picture, picture.name)
    assert response["Content-Type"] == "image/png"
    assert response["Content-Disposition"].startswith("inline")
    response.close()
    with pytest.raises(ValueError, match=r"drawing\.svg"):
        stream_image(tmp_path / "drawing.svg", "drawing.svg")
