"""What the program was told, in words of its command line."""

import argparse
import os

from .sharing import part_of


def settings_of(arguments):
    """All that stands before `--`, and as `script` and `arguments` what stands behind it."""
    at = arguments.index("--")
    parser = argparse.ArgumentParser(prog="run_parallel", allow_abbrev=False)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--split", choices=("files", "rows"), default="files")
    parser.add_argument("--batch", default="10")
    parser.add_argument("--keys", default="")
    parser.add_argument("--threshold", type=int, default=0)
    parser.add_argument("--action", choices=("append_row", "summary_only"), default="append_row")
    parser.add_argument("--file", default="parallel_run_step.txt")
    parser.add_argument("--logging", default="INFO")
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--tries", type=int, default=1)
    parser.add_argument("--timeout-s", type=float, default=0)
    parser.add_argument("--part", type=part_of, default=None)
    parser.add_argument("--parts", default="")
    settings = parser.parse_args(arguments[:at])
    settings.script, settings.arguments = arguments[at + 1], arguments[at + 2 :]
    settings.keys = [key.strip() for key in settings.keys.split(",") if key.strip()]
    settings.processes = settings.processes or cpus()
    return settings


def cpus():
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
