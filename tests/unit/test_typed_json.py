"""What a document is in the database: the JSON that pydantic writes, whatever its texts and numbers are."""

import json
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from studio.lib.typed_json import Document, DocumentField


class Note(Document):
    texts: list[str] = Field(default_factory=list)
    numbers: list[float] = Field(default_factory=list)


FIELD = DocumentField(Note)


def written(note: Note) -> Any:
    return FIELD.get_db_prep_save(note, connection)


@given(st.lists(st.text()), st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_a_document_comes_back_as_it_was(texts: list[str], numbers: list[float]) -> None:
    note = Note(texts=texts, numbers=numbers)
    assert FIELD.from_db_value(json.dumps(json.loads(_text(written(note)))), None, connection) == note


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00", "\u2028", "“ü”", '"\\'])
def test_texts_that_json_writes_in_ways_of_its_own(text: str) -> None:
    """Half of a character has no bytes, and an escape stands for it."""
    note = Note(texts=[text])
    assert FIELD.from_db_value(_text(written(note)), None, connection) == note


def test_what_is_no_number_is_not_made_to_nothing() -> None:
    """The database refuses it, or what reads it does; as null it would be another document."""
    assert "null" not in _text(written(Note(numbers=[float("inf"), float("nan")])))


def _text(value: Any) -> str:
    """PostgreSQL's driver writes it when it sends it."""
    return str(value if isinstance(value, str) else value.dumps(value.obj))
