"""A run of batches on one node, or a part of it, from the words of the command line to the last line of the log."""

import json
import os
import shutil
import signal
import sys
import tempfile

from .files import file_batches
from .joining import Rows, join
from .planning import size_of
from .pool import Pool, starter
from .progress import Progress
from .refusal import Refused
from .rows import key_batches, require_packages, row_batches
from .settings import settings_of
from .sharing import hand_on, plan_of
from .uniting import unite

_LOGS = "logs"


class Ended(BaseException):
    """Somebody ends the step."""


def run(arguments, program):
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, end)
    scratch = tempfile.mkdtemp(prefix="parallel-")
    try:
        if arguments[:1] == ["--unite"]:
            unite(arguments[1:])
        else:
            work(settings_of(arguments), program, scratch)
    except Refused as refusal:
        print(" ".join(str(refusal).splitlines()), file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        print("What the step writes can't be written: {}.".format(error.strerror or error), file=sys.stderr, flush=True)
        return 1
    except (Ended, KeyboardInterrupt):
        return 128 + signal.SIGTERM
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Ended


def work(settings, program, scratch):
    """Raises Refused, Ended."""
    if settings.split == "rows":
        require_packages()
    planned_batches, part = planned(settings, scratch), settings.part
    batches = part.mine(planned_batches) if part else planned_batches
    processes = min(settings.processes, len(batches))
    share = " of {:,}, {},".format(len(planned_batches), part.words) if part else ""
    for_whom = plural(processes, "process", "processes")
    print("{}{} for {}.".format(plural(len(batches), "batch", "batches"), share, for_whom))
    sys.stdout.flush()
    os.makedirs(_LOGS, exist_ok=True)
    os.makedirs(settings.output, exist_ok=True)
    told = {name: getattr(settings, name) for name in ("script", "arguments", "split", "action", "logging")}
    progress = Progress(len(batches), len(planned_batches) if part else None)
    pool = Pool(batches, settings, progress, starter(program, json.dumps(told), _LOGS), scratch)
    try:
        pool.run()
        rows = rows_of(pool) if settings.action == "append_row" else {}
        if part:
            plan = plan_of(planned_batches, settings.input)
            hand_on(settings.parts, part, batches=len(planned_batches), plan=plan, progress=progress, rows=rows)
        elif settings.action == "append_row":
            join((rows[number] for number in sorted(rows)), os.path.join(settings.output, settings.file))
    finally:
        progress.tell_end()
        print(progress.words(), flush=True)


def rows_of(pool):
    """By the number of a batch, for those that have some."""
    targets = {number: pool.target(number) for number in pool.columns}
    return {
        number: Rows(target, 0, os.path.getsize(target), pool.columns[number]) for number, target in targets.items()
    }


def planned(settings, scratch):
    """All batches. Raises Refused."""
    try:
        if settings.split == "files":
            return list(file_batches(settings.input, size_of(settings.batch)))
        if settings.keys:
            return list(key_batches(settings.input, settings.keys, scratch))
        return list(row_batches(settings.input, size_of(settings.batch), scratch))
    except OSError as error:
        raise Refused("The input can't be split: {}.".format(error.strerror or error))


def plural(count, one, many):
    return "{:,} {}".format(count, one if count == 1 else many)
