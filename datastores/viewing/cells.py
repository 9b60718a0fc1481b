"""The cells of a notebook (nbformat 3 and 4), made inert in a process of its own."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from datastores.viewing import pixels
from datastores.viewing.addresses import Addresses
from datastores.viewing.markup import foreign_html, markdown_html
from studio.lib.problems import UserError

MOST_CELLS = 300
MOST_TEXT = 20_000  # characters of one output
MOST_SOURCE = 100_000
MOST_HTML = 300_000
MOST_PICTURE_BYTES = 4 * 1024**2
MOST_SHOWN = 6 * 1024**2  # of all cells: a page that a browser still likes
PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b.")


@dataclass(frozen=True, slots=True)
class Output:
    kind: Literal["text", "error", "html", "picture"]
    content: str  # for a picture its data URI
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    kind: Literal["markdown", "code", "raw"]
    content: str  # HTML for Markdown, else text
    count: int | None = None  # as in “In [3]”
    outputs: list[Output] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Notebook:
    cells: list[Cell]
    is_cut: bool
    language: str


def notebook(content: bytes, is_cut: bool, folder: str, addresses: Addresses) -> Notebook:
    """The first cells of the notebook. `is_cut`: it goes on after `content`. Raises UserError where it is none."""
    text = content.decode("utf-8-sig", "replace")
    cells: list[Cell] = []
    shown = 0
    for found in _cells(text, is_cut=is_cut):
        if len(cells) == MOST_CELLS or shown > MOST_SHOWN:
            return Notebook(cells, True, _language(text))
        cell = _cell(found, folder, addresses)
        shown += len(cell.content) + sum(len(output.content) for output in cell.outputs)
        cells.append(cell)
    return Notebook(cells, is_cut, _language(text))


def _cells(text: str, *, is_cut: bool) -> Iterator[dict[str, Any]]:
    """Each cell, as far as the text goes."""
    if not is_cut:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _none() from error
        sheets = document.get("worksheets") if isinstance(document, dict) else None
        holder = sheets[0] if isinstance(sheets, list) and sheets else document
        cells = holder.get("cells") if isinstance(holder, dict) else None
        if not isinstance(cells, list):
            raise _none()
        yield from (cell for cell in cells if isinstance(cell, dict))
        return
    begin = re.search(r'"cells"\s*:\s*\[', text)
    if begin is None:
        raise UserError("This notebook is too large to be shown: its cells begin too far in. Download it to open it.")
    decoder, at = json.JSONDecoder(), begin.end()
    while True:
        at = _after_blanks(text, at)
        if at >= len(text) or text[at] == "]":
            return
        try:
            cell, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):  # the one that was cut
            return
        if isinstance(cell, dict):
            yield cell


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _cell(found: dict[str, Any], folder: str, addresses: Addresses) -> Cell:
    source = _joined(found.get("source", found.get("input", "")))[:MOST_SOURCE]
    kind = found.get("cell_type")
    if kind in {"markdown", "heading"}:
        return Cell("markdown", markdown_html(source, folder, addresses))
    if kind != "code":
        return Cell("raw", source)
    count = found.get("execution_count", found.get("prompt_number"))
    outputs = found.get("outputs")
    shown = (
        [_output(output) for output in outputs[:50] if isinstance(output, dict)] if isinstance(outputs, list) else []
    )
    return Cell("code", source, count if isinstance(count, int) else None, [output for output in shown if output])


def _output(found: dict[str, Any]) -> Output | None:
    """The best way to show an output without running anything."""
    kind = found.get("output_type")
    if kind == "stream":
        return _text("text", _joined(found.get("text", "")))
    if kind in {"error", "pyerr"}:
        traceback = found.get("traceback")
        lines = traceback if isinstance(traceback, list) else [f"{found.get('ename')}: {found.get('evalue')}"]
        return _text("error", "\n".join(str(line) for line in lines))
    data = found.get("data", found)
    if not isinstance(data, dict):
        return None
    for name in ("image/png", "image/jpeg", "image/gif", "image/webp", "png", "jpeg"):
        if name in data and (picture := _picture(_joined(data[name]))):
            return picture
    if html := _joined(data.get("text/html", data.get("html", ""))):
        return Output("html", foreign_html(html[:MOST_HTML]), is_cut=len(html) > MOST_HTML)
    return _text("text", _joined(data.get("text/plain", data.get("text", "")))) if data else None


def _text(kind: Literal["text", "error"], text: str) -> Output | None:
    plain = _COLOURS.sub("", text[: 2 * MOST_TEXT])
    if not plain:
        return None
    return Output(kind, plain[:MOST_TEXT], is_cut=len(text) > 2 * MOST_TEXT or len(plain) > MOST_TEXT)


def _picture(text: str) -> Output | None:
    """A picture that is what it says, written anew as a data URI; None for what is none."""
    if len(text) > MOST_PICTURE_BYTES * 4 // 3:
        return Output("text", "A picture that is too large to be shown here.")
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
        kind = PICTURES[pixels.facts(content).format]
    except (binascii.Error, ValueError, KeyError, UserError):
        return None
    return Output("picture", f"data:{kind};base64,{base64.b64encode(content).decode()}")


def _joined(value: Any) -> str:
    """Texts come whole or as lists of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _language(text: str) -> str:
    found = re.search(r'"language"\s*:\s*"([\w+#-]{1,20})"', text[-20_000:])
    return found.group(1) if found else ""


def _none() -> UserError:
    return UserError("The file is called a notebook and is none: it is no JSON with cells.")
