"""Markdown and foreign HTML made into HTML that can do nothing, in a process of its own.

Nothing is fetched from elsewhere: pictures are those of the same datastore, or none.
"""

import posixpath
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from datastores.viewing.addresses import Addresses
from studio.lib.downloads import image_type

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_REL = "noopener noreferrer nofollow"
_SCHEMES = {"http", "https", "mailto"}
_TEXT_TAGS = {
    *("a", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("hr", "i", "kbd", "li", "ol", "p", "pre", "s", "samp", "small", "span", "strong", "sub", "sup", "u", "ul", "var"),
    *("caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
}
_ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}


def markdown_html(text: str, folder: str, addresses: Addresses) -> str:
    """CommonMark with tables, as HTML. `folder` is where the document lies: relative links start there."""
    import nh3

    tokens = _markdown().parse(text)
    for token in tokens:
        for child in token.children or ():
            _settle(child, folder, addresses)
    html = _markdown().renderer.render(tokens, _markdown().options, {})
    return nh3.clean(
        html,
        tags=_TEXT_TAGS | {"img"},
        attributes={**_ATTRIBUTES, "img": {"src", "alt", "title"}},
        url_schemes=_SCHEMES,
        link_rel=_REL,
    )


def foreign_html(html: str) -> str:
    """HTML of a notebook's output: its words and tables, without pictures, styles, forms or anything that acts."""
    import nh3

    return nh3.clean(html, tags=_TEXT_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel=_REL)


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _settle(token: "Token", folder: str, addresses: Addresses) -> None:
    """Point a link or a picture to where the studio shows it."""
    if token.type == "link_open":
        address = str(token.attrGet("href") or "")
        token.attrSet("href", _link(address, folder, addresses))
    elif token.type == "image":
        path = _path(str(token.attrGet("src") or ""), folder)
        if path is not None and image_type(path):
            token.attrSet("src", f"{addresses.image}?path={quote(path, safe='')}")
            return
        words = token.content or "picture"
        token.type, token.tag, token.attrs, token.children = "text", "", {}, None
        token.content = f"[{words}]"


def _link(address: str, folder: str, addresses: Addresses) -> str:
    path = _path(address, folder)
    if path is None:
        return address
    return f"{addresses.file}?path={quote(path, safe='')}" if path else "#"


def _path(address: str, folder: str) -> str | None:
    """The path in the datastore that a relative address means; None for one that leads elsewhere."""
    try:
        split = urlsplit(address)
    except ValueError:
        return None
    if split.scheme or split.netloc or address.startswith(("//", "\\")):
        return None
    if not split.path:
        return ""
    # One that begins with a slash begins at the root; one that would leave it stays there.
    return posixpath.normpath(posixpath.join("/", folder, unquote(split.path))).lstrip("/")
