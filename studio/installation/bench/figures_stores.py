"""The figures of datastores: listing and reading what lies on an S3 server, beside s3fs alone in the same run."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from django.test.utils import override_settings

from studio.installation.bench.downloads import S3Side, s3_server
from studio.installation.bench.figures import Figure, Measured, Measurement
from studio.installation.bench.studio_side import StudioSide
from studio.installation.bench.workloads import Bare

LISTED_FILES, LISTED_FOLDERS = 20_000, 100
READ_BYTES = 512 * 1024 * 1024
_COPY_BYTES = 1024 * 1024


def listing(_studio: StudioSide, _bare: Bare, repetitions: int) -> Measured:
    """Every file of a bucket with its size, as a dataset's version is listed."""

    def fill(bucket: Path) -> None:
        for number in range(LISTED_FILES):
            folder = bucket / f"{number % LISTED_FOLDERS:03d}"
            folder.mkdir(exist_ok=True)
            (folder / f"{number:05d}.bin").write_bytes(b"x")

    with _bucket(fill) as server:
        backend, plain = server.backend(), server.s3fs()

        def ours() -> None:
            assert sum(entry.size_bytes or 0 for entry in backend.glob("**")) == LISTED_FILES

        def theirs() -> None:
            assert sum(each["size"] for each in plain.find("bench", detail=True).values()) == LISTED_FILES

        samples = _samples(ours, theirs, repetitions)
    ratio = median(theirs_s / ours_s for ours_s, theirs_s in samples)
    bare = LISTED_FILES / median(theirs_s for _, theirs_s in samples)
    return Measured(Figure(ratio, "times s3fs's rate", bare, ratio), samples, [])


def reading(_studio: StudioSide, _bare: Bare, repetitions: int) -> Measured:
    """A large file read as a stream, as it is downloaded through the studio's pages and its API."""

    def fill(bucket: Path) -> None:
        with (bucket / "large.bin").open("wb") as file:
            for _ in range(READ_BYTES // _COPY_BYTES):
                file.write(os.urandom(_COPY_BYTES))

    with _bucket(fill) as server, tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        backend, plain = server.backend(), server.s3fs()

        def ours() -> None:
            with backend.open_read("large.bin") as stream, (Path(folder) / "ours").open("wb") as file:
                shutil.copyfileobj(stream, file, _COPY_BYTES)

        def theirs() -> None:
            plain.get_file("bench/large.bin", str(Path(folder) / "plain"))

        samples = _samples(ours, theirs, repetitions)
        assert (Path(folder) / "ours").read_bytes() == (Path(folder) / "plain").read_bytes()
    ratio = median(theirs_s / ours_s for ours_s, theirs_s in samples)
    bare = READ_BYTES / 1e6 / median(theirs_s for _, theirs_s in samples)
    return Measured(Figure(ratio, "times s3fs's rate", bare, ratio), samples, [])


STORE_MEASUREMENTS = [
    Measurement(
        "s3_listing_ratio",
        f"{LISTED_FILES:,} objects in {LISTED_FOLDERS} folders of an S3 server listed, beside s3fs (bare: objects/s)",
        0.8,
        "more",
        listing,
    ),
    Measurement(
        "s3_reading_ratio",
        f"a file of {READ_BYTES // 2**20} MB of an S3 server read as a stream, beside s3fs's get (bare: MB/s)",
        0.8,
        "more",
        reading,
    ),
]


@contextmanager
def _bucket(fill: Callable[[Path], None]) -> Iterator[S3Side]:
    home = Path(tempfile.mkdtemp(prefix="studio-bench-"))
    try:
        (home / "buckets" / "bench").mkdir(parents=True)
        fill(home / "buckets" / "bench")
        with s3_server(home) as server, override_settings(PRIVATE_HOSTS=["127.0.0.1"]):
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _samples(ours: Callable[[], None], theirs: Callable[[], None], repetitions: int) -> list[tuple[float, float]]:
    """Seconds of each in turn, after a first time of both that nobody counts."""
    ours()
    theirs()
    return [(_seconds(ours), _seconds(theirs)) for _ in range(repetitions)]


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
