"""Lists of items: how they are written, what each is called, and the folder that its data lies in."""

import json
from typing import Any

import pytest

from pipelines.items import Item, ListError, folder_names, items_of, read_list


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ('["a", 1, 2.5, true, {"x": 1}]', ["a", 1, 2.5, True, {"x": 1}]),
        ("\ufeff \n [1]", [1]),
        ("[]", []),
        ("", []),
        (" \n\n", []),
        ("one\r\n  two words \n\nthree", ["one", "two words", "three"]),
        ('{"x": 1}\n{"x": 2}\nplain', [{"x": 1}, {"x": 2}, "plain"]),
    ],
)
def test_a_list_is_json_or_an_item_on_each_line(text: str, entries: list[Any]) -> None:
    assert read_list(text) == entries


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, NaN]", "can't be read as one"),
        ("[" * 100_000, "can't be read as one"),
        ("[1] 2", r"can't be read as one \(line 1, column 5\)"),
        ("a\n{x", "Line 2 begins like a JSON object"),
    ],
)
def test_what_is_no_list(text: str, sentence: str) -> None:
    with pytest.raises(ListError, match=sentence):
        read_list(text)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (None, "must be a text, a number, true or false"),
        ([1], "must be a text, a number, true or false"),
        (1e999, "is too large a number"),
        (10**400, "is too large a number"),
        ("x" * 2001, "has more than 2,000 characters"),
        ("a\0b", "has a character that can't be kept"),
        ({"other": 1}, "Item 1 of the list has no “x”"),
        ({"x": None}, "“x” of item 1 of the list must be a text"),
    ],
)
def test_what_no_item_can_be(entry: Any, sentence: str) -> None:
    with pytest.raises(ListError, match=sentence):
        items_of([entry], ["x"])


def test_several_parameters_want_objects() -> None:
    with pytest.raises(ListError, match="no JSON object with “x”, “y”"):
        items_of(["a"], ["x", "y"])
    (item,) = items_of([{"y": 2, "x": "a", "z": []}], ["x", "y"])
    assert item == Item(label="x=a, y=2", values={"x": "a", "y": 2})


def test_the_same_item_twice_whatever_its_type() -> None:
    with pytest.raises(ListError, match="Items 1 and 3 of the list are the same, “1”"):
        items_of(["1", "2", 1], ["x"])


def test_labels_are_short_and_each_of_its_own() -> None:
    long = "word " * 40
    labels = [item.label for item in items_of([f"{long}1", f"{long}2", "a\n b", "", True], ["x"])]
    assert len(set(labels)) == 5
    assert all(len(label) <= 90 for label in labels)
    assert labels[2:] == ["a b", "(empty)", "true"]


def test_folders_are_named_as_every_disk_can_hold() -> None:
    labels = ["a/b", "..", "A_b", "ж" * 80, "items.json", "0.5", "x=1, y=2", "\u2026"]
    names = folder_names([Item(label=label, values={}) for label in labels])
    assert names[:3] == ["a_b", "item", "A_b (3)"]
    assert names[4:] == ["items.json (5)", "0.5", "x=1, y=2", "_"]
    assert len(names[3].encode()) <= 100
    assert len({name.casefold() for name in names}) == len(names)
    assert not any("/" in name or name.strip(".") == "" for name in names)


def test_a_thousand_items_and_no_more() -> None:
    assert len(items_of(read_list(json.dumps(list(range(1000)))), ["x"])) == 1000
    with pytest.raises(ListError, match="has 100,000 items, and a map makes at most 1,000 runs"):
        items_of(read_list("\n".join(map(str, range(100_000)))), ["x"])
