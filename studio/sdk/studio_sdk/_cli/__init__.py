"""The commands of `studio`: one module for each group of them."""

from __future__ import annotations

import click

from studio_sdk import __version__
from studio_sdk._cli.asking import Sentences
from studio_sdk._cli.completing import completion
from studio_sdk._cli.files import export, import_
from studio_sdk._cli.lists import compute, data, datastores, env
from studio_sdk._cli.login import login
from studio_sdk._cli.results import download
from studio_sdk._cli.runs import cancel, logs, rerun, runs
from studio_sdk._cli.serving import up
from studio_sdk._cli.submitting import run

__all__ = ["studio"]


@click.group(cls=Sentences, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def studio() -> None:
    """Pipelines, runs and data of a Pipeline Studio, from the command line.

    Begin with “studio login”. The variables STUDIO_URL, STUDIO_WORKSPACE and STUDIO_TOKEN go before what it keeps, and
    so does a config.json in the current folder or above.

    A command ends with 0, with 1 after a failure, and with 2 where it can't be read. One that waits for a run ends with
    0 where the run completed, 1 where it failed and 3 where it was cancelled; with 130 after Ctrl-C, and then the run
    goes on.
    """


for each in (
    login,
    up,
    run,
    runs,
    logs,
    cancel,
    rerun,
    download,
    datastores,
    data,
    compute,
    env,
    export,
    import_,
    completion,
):
    studio.add_command(each)
