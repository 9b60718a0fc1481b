"""What the panel of a node says, fact by fact. Pure."""

from collections.abc import Iterable
from typing import Any

Node = dict[str, Any]


def fact(label: str, text: str, url: str = "", *, at: str = "", size_bytes: int | None = None) -> Node:
    found: Node = {"label": label, "text": text}
    if url:
        found["url"] = url
    if at:
        found["at"] = at
    if size_bytes is not None:
        found["size_bytes"] = size_bytes
    return found


def files_words(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def known(facts: Iterable[Node]) -> list[Node]:
    return [each for each in facts if each["text"] or each.get("at")]
