"""A kind of object store costs one class of a few short methods: this one, in memory, passes the whole contract."""

import hashlib
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any, ClassVar, Self

import pytest

from datastores.backends import Backend
from datastores.backends.interface import BackendConfig, ChangedMeanwhile, Credentials
from datastores.backends.objects import PAGE, Draft, ObjectStore, Page, StoredObject
from datastores.backends.remote import nothing_at
from studio.lib.problems import UserError

from .contract import BackendContract


class MemoryStore(ObjectStore):
    kind: ClassVar[str] = "memory"
    label: ClassVar[str] = "Memory"
    summary: ClassVar[str] = "Gone with the test."
    Config: ClassVar[type[BackendConfig]] = BackendConfig
    endpoint = "memory"
    location = "memory://"

    def __init__(self) -> None:
        super().__init__("below/a folder")
        self.objects: dict[str, tuple[StoredObject, bytes]] = {}
        self.drafts: dict[str, dict[int, bytes]] = {}
        self.requests = 0

    @classmethod
    def settle(cls, config: BackendConfig, _: Credentials, **_where: Any) -> BackendConfig:
        return config

    @classmethod
    def open(cls, _config: BackendConfig, _credentials: Credentials) -> Self:
        return cls()

    def address(self, path: str) -> str:
        return f"memory://{path}"

    async def _page(self, prefix: str, *, deep: bool, after: str | None = None, limit: int = PAGE) -> Page:
        self.requests += 1
        if after is not None and not after.startswith("past "):
            raise UserError("`after` must be what the last page gave.", loc=("after",))
        found: dict[str, StoredObject | None] = {}
        for key in sorted(self.objects):
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition("/")
                is_folder = slash and not deep
                found[prefix + name + slash if is_folder else key] = None if is_folder else self.objects[key][0]
        coming = ((key, each) for key, each in found.items() if after is None or key > after.removeprefix("past "))
        page = list(islice(coming, limit + 1))
        return Page(
            objects=[each for _, each in page[:limit] if each],
            folders=[key for key, each in page[:limit] if not each],
            after=f"past {page[limit - 1][0]}" if len(page) > limit else None,
        )

    async def _head(self, key: str) -> StoredObject | None:
        return self.objects[key][0] if key in self.objects else None

    async def _get(self, key: str, start: int, end: int, etag: str | None) -> bytes:
        if key not in self.objects:
            raise nothing_at(key)
        stored, content = self.objects[key]
        if etag not in {None, stored.etag}:
            raise ChangedMeanwhile("It was changed.")
        return content[start:end]

    async def _put(self, key: str, content: bytes) -> None:
        etag = hashlib.sha256(content).hexdigest()
        self.objects[key] = (StoredObject(key, len(content), time.time_ns(), etag), content)

    async def _start(self, key: str) -> Draft:
        self.drafts[key] = {}
        return Draft(key)

    async def _add(self, draft: Draft, number: int, content: bytes) -> None:
        self.drafts[draft.key][number] = content

    async def _finish(self, draft: Draft) -> None:
        parts = self.drafts.pop(draft.key)
        await self._put(draft.key, b"".join(parts[number] for number in sorted(parts)))

    async def _abandon(self, draft: Draft) -> None:
        del self.drafts[draft.key]

    async def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    def _explained(self, error: BaseException, path: str) -> None:
        return None


class TestOneMoreKind(BackendContract):
    too_long = "x" * 1100

    @pytest.fixture
    def backend(self) -> Backend:
        return MemoryStore()


def test_a_folder_is_opened_with_one_request_however_large() -> None:
    store = MemoryStore()
    for number in range(3000):
        key = f"below/a folder/big/{number:05}"
        store.objects[key] = (StoredObject(key, 1, 1, "e"), b"x")
    page = store.list("big")
    assert (len(page.entries), store.requests) == (200, 1)
    page = store.list("big", after=page.after)
    assert (page.entries[0].name, store.requests) == ("00200", 2)
    assert len(list(store.glob("big/*"))) == 3000
    assert store.requests == 2 + 3


def test_a_glob_asks_only_for_what_it_can_match() -> None:
    store = MemoryStore()
    for number in range(3000):
        key = f"below/a folder/{number // 1000}/{number:05}"
        store.objects[key] = (StoredObject(key, 1, 1, "e"), b"x")
    assert len(list(store.glob("1/011*"))) == 100
    assert store.requests == 1
    assert len(list(store.glob("2/**"))) == 1000
    assert store.requests == 2


def test_a_stream_of_unknown_length_has_parts_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import BytesIO

    from datastores.backends import objects

    class Endless(BytesIO):
        def seek(self, *_: int) -> int:
            raise OSError("no end")

    monkeypatch.setattr(objects, "UNKNOWN_PART_BYTES", 10)
    monkeypatch.setattr(MemoryStore, "max_parts", 4)
    store = MemoryStore()
    assert store.write("a", Endless(b"x" * 40)).size_bytes == 40
    with pytest.raises(UserError, match="too large"):
        store.write("b", Endless(b"x" * 41))
    assert store.drafts == {}
    assert store.list().entries == [store.stat("a")]
