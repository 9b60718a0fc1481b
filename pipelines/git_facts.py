"""Which commit of which repository a step's files are, as whoever uploaded them says. Pure.

Nothing here is trusted: texts are cut and made printable, and credentials go out of an address, whoever sent them. It
makes no step's result: equal files of two commits share one.
"""

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from pipelines.parts import Part

MAX_REPOSITORY = 500
MAX_BRANCH = 250
MAX_NOTE = 300
SHORT = 10  # digits of a commit, where it stands among other words

_COMMIT = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})?\Z")
_DIGEST = re.compile(r"\A(?:[0-9a-f]{64})?\Z")
_SCHEME = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*\Z")
_HOST = re.compile(r"\A(?:\[[0-9A-Fa-f:.%]+\]|[^\s:@\\]*)(?::\d*)?\Z")
_HELPER = re.compile(r"\A[A-Za-z0-9]+::")  # as in `ext::sh -c …`: a program and its arguments
_USER_OF_SCP = re.compile(r"\A[\w.-]{1,32}\Z")  # as in `git@host:path`; what is longer is no user's name
_FOLDER = re.compile(r"\A(?:/(?!/)|[.~]|[A-Za-z]:[\\/])")  # of a machine


def plain_address(address: str) -> str:
    """A repository's address without user, password, token, query and fragment; empty where it can't be read.

    What is plain stays as it is.
    """
    address = _printable(address)
    scheme, mark, rest = address.partition("://")
    if _HELPER.match(address):
        return ""
    if not mark:
        return _cut(_without_user_of_scp(address), MAX_REPOSITORY)
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    said, slash, path = place.partition("/")
    host = said.rpartition("@")[2]
    # What stands behind the colon may be the beginning of a password with a “/”, “?” or “#” in it.
    # So may what stands in the path where there is no host.
    is_cut = (":" in host and "@" in rest[len(said) :]) or (not said and scheme.lower() != "file")
    if is_cut or not _SCHEME.match(scheme) or not _HOST.match(host):
        return ""
    return _cut(f"{scheme}://{host}{slash}{path}", MAX_REPOSITORY)


def _without_user_of_scp(address: str) -> str:
    if _FOLDER.match(address) or "@" not in address:
        return address
    if address.startswith("//") or ":" in address.rpartition("@")[0]:
        return ""  # somewhere before the last “@” a password may stand
    before, _, after = address.partition("@")
    if "/" in before:
        return address
    if _USER_OF_SCP.match(before) and ":" in after:
        return address
    return after.rpartition("@")[2]


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()


def _cut(text: str, most: int) -> str:
    return text[:most].rstrip()


def _line(most: int) -> AfterValidator:
    return AfterValidator(lambda text: _cut(_printable(text), most))


def _matching(pattern: re.Pattern[str], sentence: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.match(text):
            raise PydanticCustomError("unfit_text", "{sentence}", {"sentence": sentence})
        return text

    return AfterValidator(check)


class GitFacts(Part):
    """Of a folder in a checkout. What is not known is empty; `dirty` is null then."""

    repository: Annotated[str, AfterValidator(plain_address)] = ""
    branch: Annotated[str, _line(MAX_BRANCH)] = ""  # empty where the checkout is on none
    commit: Annotated[str, _matching(_COMMIT, "a commit has 40 or 64 hexadecimal digits")] = ""
    dirty: bool | None = None
    diff: Annotated[str, _matching(_DIGEST, "a digest has 64 hexadecimal digits")] = ""  # of a folder of one file
    diff_note: Annotated[str, _line(MAX_NOTE)] = ""  # why there is none, or not all of it
    source: Annotated[str, _matching(_DIGEST, "a digest has 64 hexadecimal digits")] = ""  # that this is true of

    @property
    def web_address(self) -> str:
        """Where a browser may go; empty for what is no web address."""
        return self.repository if self.repository.startswith(("https://", "http://")) else ""

    @property
    def commit_words(self) -> str:
        """`1a2b3c4d5e, with uncommitted changes`."""
        commit = self.commit[:SHORT] or "no commit"
        return f"{commit}, with uncommitted changes" if self.dirty else commit
