"""A Linux kernel as a process (User Mode Linux), for what this machine's own does not lend: control groups, no memory.

It sees this machine's files, read-only but for /run, and runs one script as the first process of all.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from django.conf import settings

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 groups /sys/fs/cgroup
mount -t tmpfs run /run
mount -t devtmpfs dev /dev 2>/dev/null
export HOME=/run TMPDIR=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={path}
cd {path}
echo BEGIN
{python} {script} 2>&1
echo END
echo o > /proc/sysrq-trigger
sleep 60
"""


def run_in_small_kernel(script: str, *, folder: Path, memory: str = "512M", timeout_s: float = 240) -> str:
    """What the script printed. `folder` takes the files that it needs."""
    program = folder / "script.py"
    program.write_text(script)
    init = folder / "init"
    names = {"path": str(settings.BASE_DIR), "python": sys.executable, "script": str(program)}
    init.write_text(INIT.format(**{name: shlex.quote(value) for name, value in names.items()}))
    init.chmod(0o755)
    registers = folder / "wide_registers.so"
    source = Path(__file__).with_name("wide_registers.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", registers, source], check=True)
    ran = subprocess.run(
        [
            *("linux.uml", f"mem={memory}", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}"),
            *("con=null", "con0=null,fd:1", "quiet"),
        ],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LD_PRELOAD": str(registers)},
    )
    said = ran.stdout.replace("\r", "")
    assert "BEGIN\n" in said, f"the kernel did not come up:\n{said[-3000:]}\n{ran.stderr[-2000:]}"
    assert "\nEND" in said, f"the script did not end:\n{said[-3000:]}"
    return said.partition("BEGIN\n")[2].partition("\nEND")[0]
