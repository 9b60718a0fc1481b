"""The node's cache of remote files: whole or not there, shared, bounded."""

import os
import shutil
from pathlib import Path

import pytest

from compute.data.cache import BLOCK_BYTES, DataCache, Part, Remote, blocks_of, store_digest
from compute.data.retrying import StoppedError
from compute.execution.reasons import StepFailure
from datastores.backends import Entry

MIB = 1024 * 1024


@pytest.fixture
def cache(tmp_path: Path) -> DataCache:
    return DataCache(tmp_path / "cache", 10 * MIB)


def _file(name: str = "a", *, size_bytes: int = 5, etag: str | None = "1", modified_ns: int = 10**18) -> Remote:
    return Remote("store", Entry(name, "file", size_bytes, modified_ns, etag))


def _fetched(cache: DataCache, file: Remote, target: Path, content: bytes | None = None) -> None:
    part = Part.take(cache, file)
    assert part is not None
    cache.reserve(file.entry.size_bytes or 0)
    part.write(0, b"x" * (file.entry.size_bytes or 0) if content is None else content)
    part.finish(target)
    part.close()


def _objects(cache: DataCache) -> list[Path]:
    return [path for path in cache.objects.rglob("*") if path.is_file()]


def test_a_file_is_there_when_it_is_whole(cache: DataCache, tmp_path: Path) -> None:
    file = _file()
    assert not cache.link(file, tmp_path / "none")
    part = Part.take(cache, file)
    assert part is not None
    part.write(0, b"hel")
    assert not cache.link(file, tmp_path / "none")
    with pytest.raises(OSError, match="another size"):
        part.finish(tmp_path / "none")
    part.close()
    _fetched(cache, file, tmp_path / "first", b"hello")
    assert cache.link(file, tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == b"hello"
    assert (tmp_path / "second").stat().st_mtime_ns == file.entry.modified_ns
    assert not list(cache.parts.iterdir())


@pytest.mark.parametrize("other", [_file("b"), _file(size_bytes=6), _file(etag="2"), _file(etag=None)])
def test_another_file_has_another_copy(cache: DataCache, tmp_path: Path, other: Remote) -> None:
    _fetched(cache, _file(), tmp_path / "first")
    assert not cache.link(other, tmp_path / "second")


def test_stores_are_told_apart_by_all_that_says_where_they_are() -> None:
    here = store_digest("s3", {"bucket": "b", "endpoint": "https://one"})
    assert here == store_digest("s3", {"endpoint": "https://one", "bucket": "b"})
    assert here != store_digest("s3", {"bucket": "b", "endpoint": "https://two"})
    assert here != store_digest("azure_blob", {"bucket": "b", "endpoint": "https://one"})


def test_one_fetches_and_the_others_wait(cache: DataCache, tmp_path: Path) -> None:
    first = Part.take(cache, _file())
    assert first is not None
    assert Part.take(cache, _file()) is None
    first.close()
    second = Part.take(cache, _file())
    assert second is not None
    second.close()
    with pytest.raises(StoppedError):
        first.write(0, b"late")


def test_what_has_come_of_a_large_file_is_gone_on_with(cache: DataCache, tmp_path: Path) -> None:
    file = _file(size_bytes=2 * BLOCK_BYTES + 1)
    part = Part.take(cache, file)
    assert part is not None
    assert part.missing == [0, 1, 2]
    part.write(BLOCK_BYTES, b"y" * BLOCK_BYTES)
    part.block_is_whole(1)
    part.close()
    again = Part.take(cache, file)
    assert again is not None
    assert again.missing == [0, 2]
    again.close()
    blocks_of(again.path).write_bytes(b"of another start of the machine")
    anew = Part.take(cache, file)
    assert anew is not None
    assert anew.missing == [0, 1, 2]
    anew.close()


def test_a_damaged_copy_counts_for_nothing(cache: DataCache, tmp_path: Path) -> None:
    _fetched(cache, _file(), tmp_path / "first", b"hello")
    (kept,) = _objects(cache)
    kept.chmod(0o600)
    kept.write_bytes(b"jello")
    assert not cache.link(_file(), tmp_path / "second")
    assert not _objects(cache)


def test_the_least_recently_used_goes_first_and_what_is_in_use_stays(cache: DataCache, tmp_path: Path) -> None:
    for name in "abc":
        _fetched(cache, _file(name, size_bytes=3 * MIB), tmp_path / name)
        os.utime(cache.object(_file(name, size_bytes=3 * MIB).key or ""), ns=(ord(name), 10**18))
    (tmp_path / "b").unlink()
    (tmp_path / "c").unlink()
    cache.reserve(3 * MIB)  # a was used before the others, and is in use
    left = {path.name for path in _objects(cache)}
    assert left == {_file(name, size_bytes=3 * MIB).key for name in "ac"}
    (tmp_path / "a").unlink()
    cache.limit_bytes = 4 * MIB
    cache.trim()
    assert {path.name for path in _objects(cache)} == {_file("c", size_bytes=3 * MIB).key}


def test_unfinished_files_are_removed_but_not_from_under_somebody(cache: DataCache, tmp_path: Path) -> None:
    parts = []
    for name in "ab":
        part = Part.take(cache, _file(name, size_bytes=6 * MIB))
        assert part is not None
        part.write(0, b"x" * 6 * MIB)
        parts.append(part)
    parts[0].close()
    cache.reserve(11 * MIB)
    assert [path.name for path in cache.parts.iterdir() if path.suffix != ".blocks"] == [parts[1].key]
    parts[1].close()


def test_a_full_disk_is_a_sentence(cache: DataCache) -> None:
    cache.root.mkdir()
    free = shutil.disk_usage(cache.root).free
    with pytest.raises(StepFailure, match=r"The disk is full: .* have no room where node files lie"):
        cache.reserve(free)


def test_a_file_without_a_stamp_is_nobody_elses(cache: DataCache, tmp_path: Path) -> None:
    file = Remote("store", Entry("a", "file", None, None, None))
    part, other = Part.take(cache, file), Part.take(cache, file)
    assert part is not None
    assert other is not None
    part.write(0, b"hello")
    part.finish(tmp_path / "a")
    part.close()
    other.close()
    assert (tmp_path / "a").read_bytes() == b"hello"
    assert not list(cache.parts.iterdir())
    assert not cache.objects.exists()


def test_on_another_disk_it_is_a_copy(cache: DataCache, tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has one disk")
    target = other / f"studio-test-{os.getpid()}"
    try:
        _fetched(cache, _file(), target, b"hello")
        assert target.read_bytes() == b"hello"
    finally:
        target.unlink(missing_ok=True)
