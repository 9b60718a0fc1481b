"""Steps that try to reach what is not theirs, and say how far they came."""

import json
from typing import Any

from compute.models import Job
from tests.support.compute import Compute, log_of
from tests.support.stack import Worker
from tests.support.waiting import wait_for
from tests.support.warm import Scripts, warm_jobs

# Each attempt is a name and an expression; what it gives is printed, and what refuses it is too.
SPY = """
import ctypes, glob, json, os, pathlib, shutil, socket, subprocess, sys

def read(path):
    with open(path, "rb") as file:
        return len(file.read(16))

def write(path):
    with open(path, "ab") as file:
        file.write(b"x")
    return "written"

def make(path):
    os.mkdir(path)
    return "made"

def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    return "connected"

def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "done"

def environments():
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        found += open(path, "rb").read().split(b"\\0")
    return found

for name, expression in json.loads(sys.argv[1]).items():
    try:
        print(json.dumps([name, "got", eval(expression, globals() | {"arguments": sys.argv[2:]})]))
    except Exception as error:
        print(json.dumps([name, "refused", type(error).__name__ + ": " + str(error)]))
"""


def spy(compute: Compute, tries: dict[str, str], *arguments: str, **values: Any) -> Job:
    return compute.job("python", "-c", SPY, json.dumps(tries), *arguments, **values)


def spy_warm(scripts: Scripts, worker: Worker, tries: dict[str, str], *arguments: str, **values: Any) -> Job:
    """The same in an interpreter that was ready: the job in its end."""

    def is_ready() -> bool:
        return scripts.run("print('hello')").pk in warm_jobs(worker.log)

    wait_for(is_ready, what="steps start warm", timeout_s=60)
    job = scripts.run(SPY, json.dumps(tries), *arguments, **values)
    assert job.pk in warm_jobs(worker.log)
    return job


def found_by(job: Job) -> dict[str, tuple[str, Any]]:
    """By the name of each try: whether it `got` something or was `refused`, and what."""
    assert job.exit_code == 0, (job.reason, log_of(job))
    return {name: (how, what) for name, how, what in map(json.loads, log_of(job, "o"))}
