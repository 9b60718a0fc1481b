"""What the tests of isolated calls have done in a process of its own."""

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from datastores.tabular import nursery
from studio.lib.problems import Problem, UserError


def pid() -> int:
    return os.getpid()


def echo(value: object) -> object:
    return value


def block() -> bytes:
    return b"\0" * 3_000_000


def settings_home() -> str:
    from django.conf import settings

    return str(settings.STUDIO_HOME)


def keys() -> list[str]:
    from django.conf import settings

    return [settings.SECRET_KEY, settings.DATABASES["default"]["ENGINE"]]


def refuse() -> None:
    raise UserError([Problem(("a", 1), "First."), Problem((), "Second.")])


def fail(password: str) -> None:
    raise RuntimeError(f"could not sign in with {password}")


def crash() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def eat() -> int:
    return len([bytearray(64 * 1024**2) for _ in range(1000)])


def hang(file: Path) -> None:
    file.write_text(str(os.getpid()))
    while True:
        nursery.tell(0.5, "hanging")
        time.sleep(0.02)


def count(most: int, file: Path) -> Iterator[pa.RecordBatch]:
    file.write_text(str(os.getpid()))
    for number in range(most):
        (file.parent / "count").write_text(str(number))
        yield pa.record_batch({"x": pa.array([number] * 100_000)})


def refuse_later() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"x": [1]})
    raise UserError("There is no more.")
