"""A repository's address without what is secret in it. The studio does it again: `pipelines.git_facts`."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*\Z")
_HOST = re.compile(r"\A(?:\[[0-9A-Fa-f:.%]+\]|[^\s:@\\]*)(?::\d*)?\Z")
_HELPER = re.compile(r"\A[A-Za-z0-9]+::")
_USER_OF_SCP = re.compile(r"\A[\w.-]{1,32}\Z")
_FOLDER = re.compile(r"\A(?:/(?!/)|[.~]|[A-Za-z]:[\\/])")


def plain_address(address: str) -> str:
    """Without user, password, token, query and fragment; empty where it can't be read."""
    address = "".join(character for character in address if character.isprintable()).strip()
    scheme, mark, rest = address.partition("://")
    if _HELPER.match(address):
        return ""
    if not mark:
        return _without_user_of_scp(address)
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    said, slash, path = place.partition("/")
    host = said.rpartition("@")[2]
    is_cut = (":" in host and "@" in rest[len(said) :]) or (not said and scheme.lower() != "file")
    if is_cut or not _SCHEME.match(scheme) or not _HOST.match(host):
        return ""
    return f"{scheme}://{host}{slash}{path}"


def _without_user_of_scp(address: str) -> str:
    if _FOLDER.match(address) or "@" not in address:
        return address
    if address.startswith("//") or ":" in address.rpartition("@")[0]:
        return ""  # somewhere before the last “@” a password may stand
    before, _, after = address.partition("@")
    if "/" in before or (_USER_OF_SCP.match(before) and ":" in after):
        return address
    return after.rpartition("@")[2]
