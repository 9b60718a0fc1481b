"""SQL taken apart, and a step of it: what it refuses, and what the node is told."""

import pytest

from datastores.backends.statements import Tongue, statements_of
from pipelines.kinds.sql import SqlStep
from pipelines.parts import Input, Output
from studio.lib.problems import UserError


def taken(text: str, tongue: Tongue = "postgresql") -> list[tuple[int, str]]:
    return [(each.line, each.text(lambda name: f"<{name}>")) for each in statements_of(text, tongue)]


def test_statements_begin_on_their_lines() -> None:
    text = "-- first; of all\nSELECT 1 ;\n\n/* not ; here */ SELECT\n 'a;b''c' AS \"x;y\"; ;\n"
    assert taken(text) == [(2, "SELECT 1"), (4, "SELECT\n 'a;b''c' AS \"x;y\"")]


@pytest.mark.parametrize(
    ("tongue", "text"),
    [
        ("postgresql", "CREATE FUNCTION f() RETURNS int AS $body$ SELECT 1; $body$ LANGUAGE sql"),
        ("postgresql", "SELECT E'it\\'s; one', 'back\\'"),
        ("postgresql", "SELECT /* a /* nested; */ one; */ 1"),
        ("mysql", "SELECT 'it\\'s; one', `a;b` # not; here"),
        ("sqlite", "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT CASE 1 WHEN 1 THEN 2 END; END"),
    ],
)
def test_one_statement_each(tongue: Tongue, text: str) -> None:
    assert len(statements_of(text, tongue)) == 1


def test_values_stand_where_values_can() -> None:
    text = "SELECT a::int FROM t WHERE b = ${{ parameters.b }} -- ${{parameters.not}}\nAND c LIKE ${{parameters.c-d}}"
    assert taken(text) == [(1, "SELECT a::int FROM t WHERE b = <b>  \nAND c LIKE <c-d>")]
    assert statements_of(text, "mysql")[0].names == {"b", "c-d"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SELECT 1;\nSELECT '${{parameters.x}}'", "Line 2: ${{parameters.x}} stands in quotes."),
        ("SELECT 'a", "Line 1: The quote ' has no end."),
        ("\n/* a", "Line 2: The comment that begins with /* has no end."),
        ("-- nothing\n;", "Write a statement"),
    ],
)
def test_what_can_not_be_sent(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        statements_of(text, "postgresql")
    assert caught.value.problems[0].message.startswith(sentence)


def problems(step: SqlStep) -> dict[object, str]:
    return dict(step.problems(None))


def test_a_good_step_tells_the_node_what_to_do() -> None:
    step = SqlStep(name="a", datastore="shop", statements="SELECT ${{parameters.n}}, ${{parameters.absent}}")
    assert problems(step) == {}
    work = step.work({"n": 3, "other": "x"})
    assert (work.program, work.settings) == (
        "sql",
        {"statements": step.statements, "values": {"absent": None, "n": 3}, "reads_only": True},
    )
    (opened,) = step.opens().values()
    assert (opened.datastore, opened.holds, opened.writes) == ("shop", "tables", False)


def test_what_a_step_can_not_be() -> None:
    assert "statements" in problems(SqlStep(name="a"))
    assert "sees no files" in problems(SqlStep(name="a", statements="SELECT ${{inputs.x}}"))["statements"]
    assert "stands in quotes" in problems(SqlStep(name="a", statements="SELECT '${{parameters.x}}'"))["statements"]
    more = SqlStep(
        name="a", statements="SELECT 1", inputs=[Input(name="i")], outputs=[Output(name="o"), Output(name="p")]
    )
    assert set(problems(more)) == {("inputs", 0, "name"), ("outputs", 1, "name")}


def test_why_no_earlier_result_is_taken() -> None:
    assert "may write" in SqlStep(name="a", reads_only=False, may_be_reused=True).never_reused
    assert "“shop” still answers the same" in SqlStep(name="a", datastore="shop").never_reused
    assert SqlStep(name="a", may_be_reused=True).never_reused == ""


@pytest.mark.parametrize("text", [r"SELECT x_e'\'; DROP TABLE a; --'", "SELECT 1 AS €$$; DROP TABLE a; --$$"])
def test_what_ends_a_text_for_the_server_ends_it_here(text: str) -> None:
    """`x_e` is a name and marks no text with escapes; `€$$` is a name and begins none."""
    assert [each.first_word for each in statements_of(text, "postgresql")] == ["select", "drop"]
