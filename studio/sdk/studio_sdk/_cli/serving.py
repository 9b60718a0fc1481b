"""`studio up`: the studio itself, from a folder that holds its code."""

from __future__ import annotations

import os
import sys

import click

from studio_sdk.exceptions import UserErrorException

_SETUP = os.path.join("studio", "installation", "setup.py")  # of the studio, and of nothing else


@click.command()
@click.option("-C", "--folder", type=click.Path(exists=True, file_okay=False), default=".", help="Else this one.")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--no-demo", is_flag=True, help="Make neither an administrator nor the demo.")
def up(folder: str, host: str, port: int, no_demo: bool) -> None:
    """Install what is missing and start a studio on this machine, until Ctrl-C.

    The folder, or one above it, holds the code of Pipeline Studio, as a clone of its repository does. It does what
    “make up” does there.
    """
    root = _root(os.path.abspath(folder))
    python = sys.executable if sys.version_info >= (3, 11) else "python3"
    command = [os.path.join(".venv", "bin", "python"), "manage.py", "up", "--host", host, "--port", str(port)]
    if no_demo:
        command.append("--no-demo")
    os.chdir(root)
    os.execvp(python, [python, _SETUP, "up", "--", *command])  # noqa: S606 (it becomes the studio, signals and all)


def _root(folder: str) -> str:
    """The folder itself or the nearest above it. Raises UserErrorException."""
    here = folder
    while not (os.path.isfile(os.path.join(here, _SETUP)) and os.path.isfile(os.path.join(here, "manage.py"))):
        above = os.path.dirname(here)
        if above == here:
            raise UserErrorException(
                f"Neither {folder} nor a folder above it holds a Pipeline Studio. Clone its repository and go there, "
                "or say --folder. For a studio that runs already it is “studio login URL”."
            )
        here = above
    return here
