"""A step that moves data: one input, and one output or a table."""

from typing import Any

import pytest

from pipelines.kinds.transfer import TransferStep
from pipelines.parts import Input, Output


def step(**values: Any) -> TransferStep:
    return TransferStep(**{"name": "move", "inputs": [Input(name="data")], "outputs": [Output(name="copy")], **values})


TABLE: dict[str, Any] = {"outputs": [], "datastore": "shop", "table": "public.sales"}


def test_to_an_output_or_to_a_table() -> None:
    to_output, to_table = step(), step(**TABLE)
    assert (list(to_output.problems(None)), list(to_table.problems(None))) == ([], [])
    assert (dict(to_output.opens()), to_output.never_reused) == ({}, "")
    (opened,) = to_table.opens().values()
    assert (opened.datastore, opened.writes) == ("shop", True)
    assert "writes to a table" in to_table.never_reused
    work = to_table.work({})
    assert not work.resumes, "rows have no names"
    assert work.settings == {"format": "", "existing": "fail", "table": "public.sales"}


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"inputs": []}, "inputs"),
        ({"inputs": [Input(name="a"), Input(name="b")]}, ("inputs", 1, "name")),
        ({"inputs": [Input(name="a", optional=True)]}, ("inputs", 0, "optional")),
        ({"outputs": []}, "outputs"),
        ({"outputs": [Output(name="a"), Output(name="b")]}, ("outputs", 1, "name")),
        ({**TABLE, "datastore": ""}, "datastore"),
        ({**TABLE, "table": ""}, "table"),
        ({**TABLE, "table": "a.b.c"}, "table"),
        ({**TABLE, "table": "${{parameters.table}}"}, "table"),
        ({**TABLE, "table": "a" * 64}, "table"),
        ({**TABLE, "existing": "skip"}, "existing"),
        ({**TABLE, "format": "csv"}, "format"),
        ({**TABLE, "outputs": [Output(name="a")]}, ("outputs", 0, "name")),
    ],
)
def test_what_it_can_not_be(values: dict[str, Any], place: Any) -> None:
    assert [found for found, _ in step(**values).problems(None)] == [place]


def test_its_card_says_where_to() -> None:
    assert step(**TABLE).subtitle == "to the table public.sales"
    assert step(outputs=[Output(name="copy", datastore="far", path="mirror")]).subtitle == "to far: mirror"
