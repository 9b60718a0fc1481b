"""Files of an S3 server on their way into a node's cache, beside s3fs alone, which copies them into a folder.

The server is rclone's, on this machine, with the same files for both. It gives no ETags here: for those it would read
a file anew for each part that it is asked for, and be what is measured.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from django.test.utils import override_settings

from compute.data.cache import DataCache, Remote
from compute.data.desk import Desk
from compute.data.downloading import Download, Wanted
from compute.execution.handle import Handle
from compute.logs.writer import LogWriter
from datastores.backends import Backend, open_store
from studio.installation.bench.left_out import LeftOut

LARGE_BYTES = 512 * 1024 * 1024
SMALL_FILES, SMALL_BYTES = 2000, 10_000
_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Compared:
    """Seconds of each repetition: ours and s3fs's."""

    samples: list[tuple[float, float]]
    moved_bytes: int

    @property
    def ratio(self) -> float:
        """Our rate over that of s3fs."""
        return median(theirs / ours for ours, theirs in self.samples)

    @property
    def bare_mb_per_s(self) -> float:
        return self.moved_bytes / 1e6 / median(theirs for _, theirs in self.samples)


def large_file(repetitions: int) -> Compared:
    def fill(bucket: Path) -> None:
        with (bucket / "large.bin").open("wb") as file:
            for _ in range(LARGE_BYTES // 2**20):
                file.write(os.urandom(2**20))

    return _compare(fill, LARGE_BYTES, repetitions)


def many_small_files(repetitions: int) -> Compared:
    def fill(bucket: Path) -> None:
        for number in range(SMALL_FILES):
            (bucket / f"{number:05d}.bin").write_bytes(os.urandom(SMALL_BYTES))

    return _compare(fill, SMALL_FILES * SMALL_BYTES, repetitions)


def _compare(fill: Callable[[Path], None], moved_bytes: int, repetitions: int) -> Compared:
    home = Path(tempfile.mkdtemp(prefix="studio-bench-"))
    try:
        (home / "buckets" / "bench").mkdir(parents=True)
        fill(home / "buckets" / "bench")
        with s3_server(home) as server, override_settings(PRIVATE_HOSTS=["127.0.0.1"]):
            backend, plain = server.backend(), server.plain()
            _ours(backend, home / "warm")
            plain("bench", str(home / "warm-plain"))
            samples = []
            for number in range(repetitions):
                ours_s = _ours(backend, home / f"ours-{number}")
                began = time.perf_counter()
                plain("bench", str(home / f"plain-{number}"))
                samples.append((ours_s, time.perf_counter() - began))
                for folder in (f"ours-{number}", f"plain-{number}"):
                    assert sum(file.stat().st_size for file in (home / folder).rglob("*.bin")) >= moved_bytes
                    shutil.rmtree(home / folder)
            return Compared(samples, moved_bytes)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _ours(backend: Backend, folder: Path) -> float:
    """Seconds until all files lie in the cache and in the attempt's folder."""
    desk = Desk(Handle("bench"), _NoLog(job_id=0, attempt_id=0, attempt=0))
    download = Download("bench", cache=DataCache(folder / "cache", 10 * LARGE_BYTES), desk=desk)
    began = time.perf_counter()
    download.run(
        Wanted(backend, Remote("bench", entry), folder / "step" / entry.path)
        for entry in download.patience.listed(backend, "")
    )
    took_s = time.perf_counter() - began
    shutil.rmtree(folder / "cache")  # what is counted afterwards is the step's
    return took_s


class _NoLog(LogWriter):
    def say(self, text: str) -> None:
        """Nobody reads it."""

    def store_if_due(self) -> None:
        """There is nothing."""


@dataclass(frozen=True, slots=True)
class S3Side:
    endpoint: str
    key: str
    secret: str

    def backend(self) -> Backend:
        config = {"bucket": "bench", "endpoint": self.endpoint, "region": "us-east-1", "path_style": True}
        store = open_store("s3", {**config, "auth": "key"}, {"access_key": self.key, "secret_key": self.secret})
        assert isinstance(store, Backend)
        return store

    def plain(self) -> Callable[[str, str], None]:
        """As somebody would who has s3fs and a folder."""
        files = self.s3fs()

        def get(bucket: str, folder: str) -> None:
            files.get(bucket, folder, recursive=True)

        return get

    def s3fs(self) -> Any:
        from s3fs import S3FileSystem

        return S3FileSystem(
            key=self.key,
            secret=self.secret,
            endpoint_url=self.endpoint,
            client_kwargs={"region_name": "us-east-1"},
            config_kwargs={"s3": {"addressing_style": "path"}},
            use_listings_cache=False,
        )


@contextmanager
def s3_server(home: Path) -> Iterator[S3Side]:
    """`rclone serve s3` over the folder `home`/buckets, which holds `bench`. Raises LeftOut without rclone."""
    key, secret = secrets.token_hex(10), secrets.token_hex(20)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    rclone = Path(sys.executable).with_name("rclone")
    if not rclone.exists():
        raise LeftOut("rclone is missing, the server of this figure: install the development packages.")
    options = ["--etag-hash", "", "--vfs-cache-mode", "off", "--addr", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [str(rclone), "serve", "s3", *options, str(home / "buckets")],
        env={"PATH": os.defpath, "HOME": str(home), "RCLONE_AUTH_KEY": f'"{key},{secret}"'},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield S3Side(f"http://127.0.0.1:{port}", key, secret)
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"rclone's S3 server did not start within {_START_S:.0f} s.")
