"""What the parts of all nodes left, put together as one node would have left it.

    --unite --nodes=N [--NAME=VALUE]... -- PARTS... [OUTPUT TARGET FOLDER...]...

PARTS are N folders of `sharing`; for each output, the one of the results first, follow its name, its folder, and what
each part wrote to it.
"""

import argparse
import os
import shutil

from .files import printable
from .joining import join
from .refusal import Refused, too_many
from .sharing import Part, handed_on

SHOWN = 20  # of what is left out


def unite(arguments):
    """Raises Refused, OSError."""
    at = arguments.index("--")
    parser = argparse.ArgumentParser(prog="run_parallel", allow_abbrev=False)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--split", choices=("files", "rows"), default="files")
    parser.add_argument("--threshold", type=int, default=0)
    parser.add_argument("--action", choices=("append_row", "summary_only"), default="append_row")
    parser.add_argument("--file", default="parallel_run_step.txt")
    settings = parser.parse_args(arguments[:at])
    words = arguments[at + 1 :]
    parts = [Part(number, settings.nodes) for number in range(1, settings.nodes + 1)]
    left = [handed_on(folder, part) for part, folder in zip(parts, words)]
    check(left, settings)
    results = None
    for start in range(settings.nodes, len(words), settings.nodes + 2):
        name, target, *folders = words[start : start + settings.nodes + 2]
        # The file of the results is made of what run() returned, whatever a script wrote in its place.
        is_results = results is None and settings.action == "append_row"
        results = results or target
        gather(name, target, folders, without=settings.file if is_results else None)
    if settings.action == "append_row":
        rows = {number: each for one in left for number, each in one.rows.items()}
        join((rows[number] for number in sorted(rows)), os.path.join(results, settings.file))
    done, failed = (sum(getattr(one, name) for one in left) for name in ("done", "failed"))
    print("{:,} of {:,} batches done, {:,} failed, by {} parts.".format(done, done + failed, failed, len(left)))


def check(left, settings):
    """Raises Refused."""
    for number, one in enumerate(left, start=1):
        if (one.plan, one.batches) != (left[0].plan, left[0].batches):
            raise Refused(
                "Part {} found other batches than part 1: the input was changed meanwhile, or how it is split. "
                "Run the step again from its parts on, with an input that stays as it is.".format(number)
            )
    failed = sum(one.items_failed for one in left)
    if 0 <= settings.threshold < failed:
        why = next((one.why for one in reversed(left) if one.why), "")
        raise Refused(too_many(failed, settings.threshold, settings.split, why))


def gather(name, target, folders, without):
    """Copies all that parts wrote to an output: as of one node's own, no link that leads elsewhere is part of it.

    Raises Refused where two of them wrote the same file, OSError.
    """
    os.makedirs(target, exist_ok=True)
    writers = {}
    left_out = 0
    for number, top in enumerate(folders, start=1):
        for folder, below, files in os.walk(top):
            place = os.path.relpath(folder, top)
            links = [each for each in below if os.path.islink(os.path.join(folder, each))]
            for each in below:
                if each not in links:
                    make(os.path.normpath(os.path.join(target, place, each)), name)
            for each in links + files:
                path = os.path.normpath(os.path.join(place, each))
                if path == without:
                    continue
                if not is_file_of(top, os.path.join(folder, each)):
                    left_out += 1
                    if left_out <= SHOWN:
                        say_left_out(name, path, number)
                    continue
                if path in writers:
                    raise Refused(
                        "Part {} and part {} both wrote “{}” to the output “{}”. Let the script give its files names "
                        "that no other batch gives, as after what is in the batch.".format(
                            writers[path], number, printable(path), name
                        )
                    )
                writers[path] = number
                copy = os.path.join(target, path)
                make(os.path.dirname(copy), name)
                if os.path.isdir(copy):
                    raise Refused(of_both_kinds(copy, name))
                shutil.copyfile(os.path.join(folder, each), copy)
    if left_out > SHOWN:
        print("Output “{}”: {:,} more are not part of the output.".format(name, left_out - SHOWN))


def say_left_out(name, path, number):
    sentence = "Output “{}”: “{}” of part {} is no file of its folder and is not part of the output."
    print(sentence.format(name, printable(path), number))


def is_file_of(top, path):
    """Whether it is a file, or a link to one, that lies below `top`."""
    real = os.path.realpath(path)
    return os.path.isfile(real) and real.startswith(os.path.join(os.path.realpath(top), ""))


def make(folder, name):
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise Refused(of_both_kinds(folder, name))


def of_both_kinds(path, name):
    return (
        "One part wrote a file to the output “{}”, and another one a folder of the same name, “{}”. Let the script "
        "give them other names.".format(name, printable(os.path.basename(path)))
    )
