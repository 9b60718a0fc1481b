"""One statement that reads, told by its text: what the servers would refuse anyway is refused in words.

Not in charge of safety: each kind runs a query so that it could not write even if this let it through.
"""

import re
import unicodedata
from collections.abc import Collection

from studio.lib.problems import UserError

QUERY_LOC = ("query",)
MOST_CHARACTERS = 200_000
READING_WORDS = ("select", "with", "values")
# Comments and brackets, which may stand before a statement's first word. `/*!` is no comment for MySQL.
_BEFORE = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*(?!!|M!).*?\*/)+", re.DOTALL)
_AFTER = re.compile(r"(?:\s|;)+$")


def one_select(query: str, *, forbidden: Collection[str] = ()) -> str:
    """`query` without semicolons at its end. Raises UserError where it can't be one SELECT, WITH or VALUES.

    `forbidden` words may stand nowhere in it, not even in a text: so no way of writing them slips through.
    """
    if "\0" in query:
        raise UserError("A query can't hold a NUL character.", loc=QUERY_LOC)
    if len(query) > MOST_CHARACTERS:
        raise UserError(f"A query can have {MOST_CHARACTERS:,} characters at most. Make a view of it.", loc=QUERY_LOC)
    try:
        query.encode()
    except UnicodeEncodeError:
        raise UserError("A query must be valid Unicode text.", loc=QUERY_LOC) from None
    found = _BEFORE.match(query)
    first = re.match(r"\w+", query[found.end() if found else 0 :])
    if first is None:
        raise UserError("Write a query, such as SELECT * FROM sales.", loc=QUERY_LOC)
    if first.group().lower() not in READING_WORDS:
        raise UserError(
            f"Only a query that reads can be run here, one that begins with SELECT, WITH or VALUES. This one begins "
            f"with {first.group()[:40]}.",
            loc=QUERY_LOC,
        )
    no_files(query, forbidden=forbidden)
    return _AFTER.sub("", query)


def no_files(query: str, *, forbidden: Collection[str], as_words: Collection[str] = ()) -> None:
    """Raises UserError where one of these stands in it; of `as_words` only as a word by itself."""
    folded = _folded(query) if forbidden or as_words else ""
    words = set(re.findall(r"\w+", folded)) if as_words else set()
    for word in (*forbidden, *as_words):
        if word in words or (word in forbidden and word in folded):
            raise UserError(
                f"{word.upper()} can't be used here: it can reach the files of the database server. Take it out of the "
                "query, also where it is only a name or a text.",
                loc=QUERY_LOC,
            )


def _folded(query: str) -> str:
    """Without case and accents: to MySQL, LOAD_FÍLE is the same name."""
    letters = unicodedata.normalize("NFKD", query.replace("ı", "i"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def only_one() -> UserError:
    return UserError("Only one statement can be run at a time. Take out what follows the first one.", loc=QUERY_LOC)
