"""`studio COMMAND`: the command line for people. It needs click, which the rest of the SDK does not."""

from __future__ import annotations

import sys


def main() -> int:
    """0, 1 with a sentence on the standard error, 2 for arguments that make no sense, or what became of the run."""
    try:
        import click  # noqa: F401
    except ImportError:
        print(
            "The command “studio” needs the library click: install studio-sdk[cli], or click itself by "
            "“pip install 'click>=8.1'”.",
            file=sys.stderr,
        )
        return 1
    from studio_sdk._cli import studio

    return int(studio.main(prog_name="studio", standalone_mode=True) or 0)
