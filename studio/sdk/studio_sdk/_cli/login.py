"""`studio login`: which studio, which workspace, and who you are."""

from __future__ import annotations

import json
import os
import sys
import tempfile

import click

from studio_sdk._client import Client
from studio_sdk.core.workspace import URL, WORKSPACE, user_config
from studio_sdk.exceptions import UserErrorException

_PIPED_BYTES = 10_000


@click.command()
@click.argument("url", required=False, envvar=URL)
@click.option("-w", "--workspace", metavar="NAME", envvar=WORKSPACE, help="By its name in addresses.")
def login(url: str | None, workspace: str | None) -> None:
    """Keep the address URL of a studio, a workspace and your token for the other commands and Workspace.from_config().

    The token is asked for without being shown, or read from the standard input: “studio login URL < token-file”. It is
    tried before anything is kept. The file can be read by you alone.
    """
    at_terminal = sys.stdin.isatty()
    if not url:
        if not at_terminal:
            raise click.UsageError("Say which studio: studio login https://studio.example.org")
        url = str(click.prompt("Address of the studio"))
    Client(url, "any", "any")  # an address that is none is told before a token is asked for
    token = click.prompt("Token", hide_input=True) if at_terminal else sys.stdin.readline(_PIPED_BYTES)
    if not token.strip():
        raise UserErrorException("There is no token on the standard input: studio login URL < token-file")
    client = Client(url.strip(), token.strip(), "any")
    names = [str(row["slug"]) for row in client.workspaces()]
    name = _chosen(names, workspace, client.server, ask=at_terminal)
    place = user_config()
    _write(place, {"url": client.server, "workspace": name, "token": token.strip()})
    click.echo(f"The workspace {name} at {client.server}, kept in {place}.")
    hiding = [each for each in (URL, WORKSPACE, "STUDIO_TOKEN") if os.environ.get(each)]
    if hiding:
        click.echo(f"Other commands follow {', '.join(hiding)} as long as that is set.", err=True)


def _chosen(names: list[str], asked: str | None, server: str, *, ask: bool) -> str:
    if not names:
        raise UserErrorException(f"You are a member of no workspace at {server}: ask an owner of one to add you.")
    if asked:
        if asked not in names:
            raise UserErrorException(
                f"There is no workspace “{asked}” at {server}, or you are no member of it. Yours: {', '.join(names)}."
            )
        return asked
    if len(names) == 1:
        return names[0]
    if not ask:
        raise UserErrorException(f"Say which workspace, by --workspace NAME: {', '.join(names)}.")
    return str(click.prompt("Workspace", type=click.Choice(names)))


def _write(place: str, said: dict[str, str]) -> None:
    """As a whole or not at all, and never for a moment with more rights than its owner's."""
    folder = os.path.dirname(place)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".config-")  # made with 0600
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(said, file, indent=4)
            file.write("\n")
        os.replace(draft, place)
    except BaseException:
        os.unlink(draft)
        raise
