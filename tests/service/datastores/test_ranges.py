"""A download that broke off goes on where it was, and not in the middle of another file."""

import os
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from datastores.backends import get_backend
from datastores.models import Datastore
from studio.workspaces.models import User

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 4


@pytest.fixture
def ask(
    signed_in: Callable[[User], Client], owner: User, datastore: Datastore, put: Callable[..., None]
) -> Iterator[Callable[..., Any]]:
    put("a.bin", content=CONTENT)
    client = signed_in(owner)

    def answer(path: str = "a.bin", **headers: str) -> Any:
        address = f"/w/digits/datastores/{datastore.pk}/download/?path={path}"
        answers.append(client.get(address, headers={name.replace("_", "-"): each for name, each in headers.items()}))
        return answers[-1]

    answers: list[Any] = []
    yield answer
    for each in answers:
        each.close()


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=1000-", 1000, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=0-99999", 0, 1024),
        ("bytes=-5000", 0, 1024),
        ("bytes=1023-1023", 1023, 1024),
    ],
)
def test_a_part_is_sent(ask: Callable, asked: str, start: int, end: int) -> None:
    answer = ask(Range=asked)
    assert answer.status_code == 206
    assert answer.getvalue() == CONTENT[start:end]
    assert answer["Content-Range"] == f"bytes {start}-{end - 1}/1024"
    assert answer["Content-Length"] == str(end - start)
    assert "attachment" in answer["Content-Disposition"]


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "items=0-1", "bytes=-", "bytes=x-y", ""])
def test_what_makes_no_part_gets_the_whole(ask: Callable, asked: str) -> None:
    answer = ask(Range=asked)
    assert answer.status_code == 200
    assert answer.getvalue() == CONTENT
    assert answer["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=-0", "bytes=99999-"])
def test_beyond_the_end_is_nothing(ask: Callable, asked: str) -> None:
    answer = ask(Range=asked)
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */1024")


def test_of_another_file_there_is_no_rest(ask: Callable, put: Callable[..., None]) -> None:
    first = ask()
    etag, changed = first["ETag"], first["Last-Modified"]
    assert ask(Range="bytes=10-", If_Range=etag).status_code == 206
    assert ask(Range="bytes=10-", If_Range=changed).status_code == 206
    assert ask(If_None_Match=etag).status_code == 304
    put("a.bin", content=CONTENT[::-1] + b"!")
    whole = ask(Range="bytes=10-", If_Range=etag)
    assert (whole.status_code, whole.getvalue()) == (200, CONTENT[::-1] + b"!")
    assert ask(If_None_Match=etag).status_code == 200
    assert ask(Range="bytes=10-", If_Range='W/"weak"').status_code == 200


def test_ten_gigabytes_go_out_without_being_held(ask: Callable, datastore: Datastore) -> None:
    root = get_backend(datastore).local_path("")
    assert root is not None
    with (root / "large.bin").open("wb") as file:
        os.truncate(file.fileno(), 10 * 1024**3)
    answer = ask("large.bin", Range="bytes=9663676416-")  # the last gigabyte
    assert answer["Content-Length"] == str(1024**3)
    tracemalloc.start()
    sent = 0
    for piece in answer.streaming_content:
        sent += len(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == 1024**3
    assert most < 8 * 1024**2
