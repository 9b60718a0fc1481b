"""`studio-sdk COMMAND`, or `python -m studio_sdk COMMAND`."""

from __future__ import annotations

import argparse
import sys

from studio_sdk import _push
from studio_sdk.exceptions import AzureMLException


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 with a sentence on the standard error; argparse's 2 for arguments that it can't read."""
    parser = argparse.ArgumentParser(prog="studio-sdk", description="A studio from the command line.")
    commands = parser.add_subparsers(dest="command", required=True)
    pushed = commands.add_parser(
        "push", help="make a folder the source files of a step", description=_push.__doc__, allow_abbrev=False
    )
    _push.add_arguments(pushed)
    given = parser.parse_args(arguments)
    try:
        _push.push(given)
    except (AzureMLException, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Nothing was saved, unless the line before says so.", file=sys.stderr)
        return 130
    return 0
