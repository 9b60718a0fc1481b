"""Runs an entry script over batches of an input, in the environment of a step: any Python since 3.8, nothing else.

    python run_parallel --input=PATH --output=FOLDER [--NAME=VALUE]... -- SCRIPT [ARGUMENT]...

With `--part=2/3 --parts=FOLDER` it works on every third batch, from the second on, and leaves what comes of them in
that folder; `--unite` puts such parts together, as `studio_parallel.uniting` says.

Ends with 1 where more failed than may, or where nothing could be run; the last line of stderr says why.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def main(arguments):
    if arguments[:1] == ["--worker"]:
        from studio_parallel.worker import work

        return work(arguments[1:], _HERE)
    from studio_parallel.running import run

    return run(arguments, os.path.join(_HERE, os.path.basename(__file__)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
