"""Addresses of files on the web, as a dataset may name them: text only, nothing here asks anybody."""

import re
from urllib.parse import SplitResult, urlsplit

from studio.lib.problems import UserError

MAX_LENGTH = 4000
_UNFIT = re.compile(r"[\x00-\x20\x7f\\<>\"`{|}^\ud800-\udfff]")


def is_web_address(text: str) -> bool:
    """Whether a person means one: what is no path of any datastore, for it begins like `https://`."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text.strip()) is not None


def clean_web_address(text: str, *, loc: tuple[str | int, ...] = ("path",)) -> str:
    """`text` with its scheme and host in lower case, and without a fragment.

    Raises UserError at `loc` where it is not the http or https address of a file, or holds a name and a password.
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise UserError(f"An address can have {MAX_LENGTH:,} characters.", loc=loc)
    if _UNFIT.search(text):
        raise UserError("A web address holds no spaces, quotes or brackets: write them as %20 and the like.", loc=loc)
    split = _split(text, loc)
    if split.username is not None or split.password is not None:
        raise UserError(
            "Leave the name and password out of the address: everybody here would read them. Register a datastore of "
            "the kind HTTP with them instead.",
            loc=loc,
        )
    host = _host(split, loc)
    port = f":{split.port}" if split.port else ""
    return split._replace(scheme=split.scheme.lower(), netloc=host + port, path=split.path or "/", fragment="").geturl()


def _split(text: str, loc: tuple[str | int, ...]) -> SplitResult:
    try:
        split = urlsplit(text)
        _ = split.port  # raises where it is no number
    except ValueError as error:
        raise UserError("This is no web address. Write it as in https://example.org/data.csv.", loc=loc) from error
    if split.scheme.lower() not in {"http", "https"}:
        raise UserError("The address must begin with https:// or http://.", loc=loc)
    return split


def _host(split: SplitResult, loc: tuple[str | int, ...]) -> str:
    host = split.hostname or ""
    if not host.strip("."):
        raise UserError("The address names no host. Write it as in https://example.org/data.csv.", loc=loc)
    if ":" in host:
        return f"[{host}]"
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise UserError("The address's host is no name that the web knows.", loc=loc) from error
