"""What all commands share: their options, the workspace that they ask, and how errors are told."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from studio_sdk.core.workspace import Workspace
from studio_sdk.exceptions import AzureMLException, UserErrorException

F = TypeVar("F", bound=Callable[..., Any])


class Sentences(click.Group):
    """Ends with a sentence, and never with a traceback, where the studio or the system refuses."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # whoever read has gone: click ends without a word
        except AzureMLException as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            raise click.ClickException(_of_system(error)) from None


def in_workspace(command: F) -> F:
    """The option `--workspace`, as `workspace`: its name, or None for the configured one."""
    told = "By its name in addresses; else the one of “studio login”."
    return click.option("-w", "--workspace", metavar="NAME", help=told)(command)


def as_json(command: F) -> F:
    """The option `--json`, as `is_json`."""
    told = "Write one JSON document, and nothing else, to the standard output."
    return click.option("--json", "is_json", is_flag=True, help=told)(command)


def with_parameters(command: F) -> F:
    """The option `--param`, as `parameters`: a dictionary."""
    return click.option(
        "-p", "--param", "parameters", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="May be repeated."
    )(command)


def workspace_of(name: str | None) -> Workspace:
    """Raises UserErrorException, and AuthenticationException where there is no token."""
    return Workspace._configured(name or "")


@contextlib.contextmanager
def notes_aside(is_json: bool) -> Iterator[None]:
    """What the SDK prints meanwhile goes to the standard error where the output is for a program."""
    if not is_json:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _pairs(_context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"“{each}” is no NAME=VALUE, as in --param rate=0.1.", param=parameter)
        if name.strip() in found:
            raise click.BadParameter(f"“{name.strip()}” is given twice.", param=parameter)
        found[name.strip()] = value
    return found


def _of_system(error: OSError) -> str:
    if error.filename is None:
        return f"{error.strerror or error}."
    return f"{error.filename}: {error.strerror or 'it can not be used'}."


def named(rows: list[dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    """The one of that name. Raises UserErrorException."""
    from studio_sdk._push import _near

    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise UserErrorException(f"There is no {what} “{name}”.{_near(name, [row['name'] for row in rows])}")
    return found
