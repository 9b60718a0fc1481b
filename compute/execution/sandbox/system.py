"""What every step of this node sees of the machine: its programs and libraries, and of its settings what is no secret.

What is not named here is not there: no home folders, no /run with its sockets, no /var, no disks, no /etc but this.
"""

import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from compute.execution.sandbox.interpreter import interpreter_places
from compute.execution.sandbox.machine_settings import LIVE, copy_of_settings
from compute.execution.sandbox.plan import Kind, Sight

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store")
# How many processors there are and what a step may use of them; which graphics processors.
HARDWARE = ("/sys/devices", "/sys/class", "/sys/bus", "/sys/dev", "/sys/block", "/sys/fs/cgroup", "/sys/module/nvidia*")
CACHES = ("/var/cache/fontconfig", "/var/lib/ca-certificates")
# Root may write there whatever rights it gave up, and with some of these names command the whole machine.
KERNEL = tuple(f"/proc/{name}" for name in ("acpi", "bus", "fs", "irq", "mtrr", "scsi", "sys", "sysrq-trigger"))
# AMD's, which nobody hands out; NVIDIA's are for those steps that were given one.
DEVICES = ("/dev/kfd", "/dev/dri/renderD*")


def system_sight() -> Sight:
    """What is the same for all steps, as it is now."""
    sight = Sight()
    for pattern in (*PROGRAMS, *HARDWARE, *CACHES):
        sight.show(*_found(pattern))
    sight.show_as("/etc", copy_of_settings())
    for name in LIVE:
        sight.show_as(f"/etc/{name}", os.path.realpath(f"/etc/{name}"))
    if os.geteuid() == 0:
        sight.show(*KERNEL)
    if Path(DEVICES[0]).exists():
        for pattern in DEVICES:
            sight.show(*_found(pattern), kind=Kind.DEVICE)
    sight.hide(*private_places())
    sight.show(*filter(_may_be_shown, settings.STEP_READABLE))
    sight.show(*filter(_may_be_shown, settings.STEP_WRITABLE), kind=Kind.WRITABLE)
    sight.show(*interpreter_places(own_interpreter()))
    return sight


def gpu_devices() -> list[Path]:
    """All of them: which one a step may use says CUDA_VISIBLE_DEVICES, whose numbers count the others too."""
    return list(_found("/dev/nvidia*"))


def private_places() -> Iterator[str]:
    """What no step may see even where it lies below something that steps see, as a studio in /opt does."""
    yield from _own_places()
    yield str(settings.EMBEDDED_REDIS_SOCKET.parent)
    database = settings.DATABASES["default"]
    places = [*map(str, settings.LOCAL_DATASTORE_ROOTS), *_homes()]
    if database["ENGINE"].endswith("sqlite3"):
        places.append(str(Path(database["NAME"]).parent))
    for place in places:
        if not _is_needed(place):
            yield place


def own_interpreter() -> Path:
    """The interpreter that the studio runs on, outside of its virtual environment."""
    return Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))


def _own_places() -> tuple[str, ...]:
    return str(settings.BASE_DIR), str(settings.STUDIO_HOME), str(settings.NODE_HOME)


def _may_be_shown(place: str) -> bool:
    """Nobody opens the studio's own folders to steps, by mistake or otherwise. What lies around them is no matter."""
    real = Path(os.path.realpath(place))
    return not any(real.is_relative_to(os.path.realpath(own)) for own in _own_places())


def _found(pattern: str) -> Iterator[Path]:
    return Path("/").glob(pattern.lstrip("/"))


def _homes() -> Iterator[str]:
    yield from filter(None, [os.environ.get("HOME")])
    try:
        yield pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return  # a user without a name


def _is_needed(place: str) -> bool:
    """A service's user may well call / or /usr/sbin its home."""
    real = os.path.realpath(place)
    needed = [os.path.realpath(program) for program in PROGRAMS]
    return any(program == real or program.startswith(f"{real.rstrip('/')}/") for program in needed) or real.startswith(
        ("/usr/bin", "/usr/sbin", "/usr/lib")
    )
