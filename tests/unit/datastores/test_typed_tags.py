"""Tags as they are typed into one field."""

import pytest
from django.core.exceptions import ValidationError

from datastores.pages.dataset_forms import parsed_tags, written_tags


def test_they_stand_between_commas() -> None:
    assert parsed_tags(' stage = raw,checked , size=5",, note=a=b') == {
        "stage": "raw",
        "checked": "",
        "size": '5"',
        "note": "a=b",
    }
    assert parsed_tags("") == {}


def test_one_with_a_comma_stands_in_quotes() -> None:
    assert parsed_tags('"seen by=Ana, Bo", checked') == {"seen by": "Ana, Bo", "checked": ""}


@pytest.mark.parametrize("text", ['"seen by=Ana, Bo', '"a" b', "a\rb"])
def test_quotes_that_never_close_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="come in pairs"):
        parsed_tags(text)


def test_what_is_written_is_read_again() -> None:
    tags = {"plain": "", "note": 'a, "b", c', '"odd"': "x", "unit": '5"', "sum": "a=b", "a, b": "c"}
    assert parsed_tags(written_tags(tags)) == tags
    assert written_tags({"stage": "raw", "checked": ""}) == "stage=raw, checked"
