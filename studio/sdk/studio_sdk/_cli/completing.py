"""`studio completion`: the shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

VARIABLE = "_STUDIO_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a SHELL complete the commands and options of studio.

    \b
    bash:  eval "$(studio completion bash)"   in ~/.bashrc
    zsh:   eval "$(studio completion zsh)"    in ~/.zshrc
    fish:  studio completion fish > ~/.config/fish/completions/studio.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "studio", VARIABLE).source())
