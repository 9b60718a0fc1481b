"""Environments on a node: each specification is built once by `uv`, in a folder named by its digest.

A build is complete when its stamp is there, which is written last: a build that died half-way is never taken for one
and is made anew. Slots and processes that want the same environment wait for one build and show its output meanwhile.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

from compute.environments.uv import uv_executable
from compute.execution.handle import Handle
from compute.execution.processes import MARKER, kill_until_gone, members
from compute.execution.reasons import StepFailure, is_full_disk, of_full_disk
from compute.execution.supervision import awaited, spawn
from compute.spec import EnvironmentSpec

_POLL_S = 0.05
_READ_BYTES = 256 * 1024
_REASON_LENGTH = 2000
_PROGRESS = (
    "Using ",
    "Creating virtual",
    "Activate with",
    "Downloading",
    "Downloaded",
    "Building",
    "Built ",
    "Prepared",
)
# What reaches the package index may need the node's own settings. A step never sees them.
_PASSED_ON = ("UV_", "PIP_", "SSL_", "GIT_")
_PASSED_ON_NAMES = frozenset({"PATH", "LANG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "HOME"})
_FROM_PIP = {
    "PIP_INDEX_URL": "UV_INDEX_URL",
    "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CONSTRAINT": "UV_CONSTRAINT",
    "PIP_CERT": "SSL_CERT_FILE",
}


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """A virtual environment that is ready."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def home(self) -> Path:
        """Caches that a step's home folder begins with, where there are any."""
        return self.folder / ".home"

    @property
    def stamp(self) -> Path:
        return self.folder / ".complete"

    @property
    def is_ready(self) -> bool:
        # The interpreter is a link to one of the machine's, which may have been removed since.
        return self.stamp.exists() and self.python.exists()


def environment_at(spec: EnvironmentSpec) -> BuiltEnvironment:
    """Where a specification's environment is on this node, ready or not."""
    return BuiltEnvironment(Path(settings.NODE_HOME) / "environments" / spec.digest)


def make_ready(spec: EnvironmentSpec, *, handle: Handle, say: Callable[[bytes], None]) -> BuiltEnvironment:
    """The environment of `spec`, built if it is not there yet; the build's output goes to `say` as it comes.

    Raises StepFailure with the resolver's own message, and InterruptedByWish.
    """
    environment = environment_at(spec)
    if environment.is_ready:
        return environment
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    build_log = environment.folder.with_name(f"{spec.digest}.log")
    with _locked(environment, handle, build_log, say):
        if environment.is_ready:
            return environment
        try:
            _build(environment, spec, handle=handle, build_log=build_log, say=say)
        except OSError as error:
            if is_full_disk(error):
                raise StepFailure(of_full_disk("the environment could not be built")) from error
            raise
    return environment


@contextmanager
def _locked(
    environment: BuiltEnvironment, handle: Handle, build_log: Path, say: Callable[[bytes], None]
) -> Iterator[None]:
    """Hold the right to build; while somebody else does, show what their build says."""
    with environment.folder.with_name(f"{environment.folder.name}.lock").open("a") as lock:
        tail: _Tail | None = None
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if tail is None:
                say(b"Another step builds this environment on this node already: waiting for it.\n")
                tail = _Tail(build_log)
            handle.wait(_POLL_S)
            tail.pass_on(say)
        if tail is not None:
            tail.pass_on(say)
            tail.close()
        yield


def _build(
    environment: BuiltEnvironment,
    spec: EnvironmentSpec,
    *,
    handle: Handle,
    build_log: Path,
    say: Callable[[bytes], None],
) -> None:
    started = time.monotonic()
    shutil.rmtree(environment.folder, ignore_errors=True)
    build_log.write_bytes(b"")
    wanted = ", ".join(spec.pip) or "no packages"
    say(f"Making the environment: Python {spec.python_version} with {wanted}.\n".encode())
    tail = _Tail(build_log)
    try:
        uv = [uv_executable()]
        make = ["venv", "--no-project", "--python", _interpreter(spec), str(environment.folder)]
        _run([*uv, *make], handle, tail, say)
        if spec.pip:
            requirements = environment.folder / "requirements.txt"
            requirements.write_text("".join(f"{line}\n" for line in spec.pip))
            install = ["pip", "install", "--link-mode=hardlink", "--python", str(environment.python)]
            _run([*uv, *install, "--requirement", str(requirements)], handle, tail, say)
            _warm_up(environment, handle)
    finally:
        tail.close()
    with environment.stamp.open("w") as stamp:
        stamp.write(f"{time.time()}\n")
        stamp.flush()
        os.fsync(stamp.fileno())
    took_s = time.monotonic() - started
    say(f"The environment is ready after {took_s:.1f} s; from now on it is used as it is.\n".encode())


def _interpreter(spec: EnvironmentSpec) -> str:
    """The running interpreter where its version is asked for, else the version, for uv to find on this machine."""
    own = sys.version_info
    fits = {f"{own.major}.{own.minor}", f"{own.major}.{own.minor}.{own.micro}"}
    return sys.executable if spec.python_version in fits else spec.python_version


def _run(command: list[str], handle: Handle, tail: "_Tail", say: Callable[[bytes], None]) -> None:
    begin = tail.position
    exit_code = _run_to_end(command, handle, output=tail.path, meanwhile=lambda: tail.pass_on(say))
    tail.pass_on(say)
    if exit_code != 0:
        with tail.path.open("rb") as log:
            log.seek(max(begin, tail.position - 16 * 1024))
            message = _meaningful(log.read().decode(errors="replace"))
        raise StepFailure(
            f"The step's environment could not be built: {message or f'uv ended with exit code {exit_code}.'}",
            may_retry=True,
        )


def _run_to_end(
    command: list[str],
    handle: Handle,
    *,
    output: Path | None,
    meanwhile: Callable[[], None] = lambda: None,
    extra: Mapping[str, str] | None = None,
) -> int:
    """Run a command and wait for it. Raises InterruptedByWish once nothing of it is left."""
    with contextlib.ExitStack() as stack:
        sink: int | IO[bytes] = stack.enter_context(output.open("ab")) if output else subprocess.DEVNULL
        env = {**_environment_of_uv(os.environ), MARKER: handle.marker, **(extra or {})}
        process = spawn(command, cwd=str(settings.NODE_HOME), env=env, stdout=sink, stderr=sink)
    handle.root = process.pid
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.005)
            handle.wait(_POLL_S)
            meanwhile()
    finally:
        if process.returncode is None:
            kill_until_gone(lambda: members(marker=handle.marker, root=process.pid))
            process.wait()
        awaited.discard(process.pid)
        handle.root = None


def _warm_up(environment: BuiltEnvironment, handle: Handle) -> None:
    """matplotlib looks at every font of the machine when it is first imported: once here, not in each step's home."""
    if next(environment.folder.glob("lib/python*/site-packages/matplotlib/font_manager.py"), None) is None:
        return
    environment.home.mkdir(exist_ok=True)
    command = [str(environment.python), "-c", "import matplotlib.font_manager"]
    _run_to_end(command, handle, output=None, extra={"HOME": str(environment.home), "MPLBACKEND": "agg"})


def _environment_of_uv(own: Mapping[str, str]) -> dict[str, str]:
    env = {
        name: value
        for name, value in own.items()
        if name in _PASSED_ON_NAMES or name.startswith(_PASSED_ON) or name.lower().endswith("_proxy")
    }
    for name, ours in _FROM_PIP.items():
        if name in own:
            env.setdefault(ours, own[name])
    return {
        **env,
        # One cache for the whole machine where there is one.
        "UV_CACHE_DIR": own.get("UV_CACHE_DIR") or str(Path(settings.NODE_HOME) / "uv-cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_NO_CONFIG": env.get("UV_NO_CONFIG", "0"),
        "NO_COLOR": "1",
    }


def _meaningful(output: str) -> str:
    """The end of what uv said, without its progress, in at most 2,000 characters."""
    noise = (
        "Using ",
        "Creating virtual",
        "Activate with",
        "Downloading",
        " Downloaded",
        "Building",
        "Built ",
        "Prepared",
    )
    lines = [line.rstrip() for line in output.splitlines() if line.strip() and not line.lstrip().startswith(noise)]
    text = "\n".join(lines[-40:]).strip()
    return text if len(text) <= _REASON_LENGTH - 100 else f"…{text[-(_REASON_LENGTH - 101) :]}"


class _Tail:
    """Follows a growing file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self._file: IO[bytes] | None = None

    def pass_on(self, say: Callable[[bytes], None]) -> None:
        if self._file is None:
            with contextlib.suppress(FileNotFoundError):
                self._file = self.path.open("rb")
        while self._file is not None and (data := self._file.read(_READ_BYTES)):
            self.position += len(data)
            say(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
