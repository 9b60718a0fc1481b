"""The line of arguments: split as a shell would, with placeholders that are never split again."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.arguments import command_arguments, parse
from pipelines.placeholders import Placeholder, as_text, unknown_placeholders


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n\t ", []),
        ("--a 1 --b 2", ["--a", "1", "--b", "2"]),
        ("--a\n1\r\n--b", ["--a", "1", "--b"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        ("a'b'\"c\"d", ["abcd"]),
        ("\"\" ''", ["", ""]),
        (r"a\ b \"c", ["a b", '"c']),
        (r'"a\"b\\c\$d\n"', [r'a"b\c$d\n']),
        (r"'a\b'", [r"a\b"]),
        ("a\\\nb", ["ab"]),
        ("a \\\r\n b", ["a", "b"]),
        ("--x=${{parameters.c}}", ["--x=1 2"]),
        ("${{ parameters.c }}", ["1 2"]),
        ("'${{parameters.c}}'", ["1 2"]),
        ("--in ${{inputs.data}} ${{ outputs.model }}/m", ["--in", "${{inputs.data}}", "${{outputs.model}}/m"]),
        ("✓ “x”", ["✓", "“x”"]),
    ],
)
def test_splits_as_a_shell_does(text: str, expected: list[str]) -> None:
    arguments = parse(text)
    assert arguments.problems == ()
    assert command_arguments(arguments, {"c": "1 2"}) == expected


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("--a 1 [--i ${{inputs.i}}] --b", ["--a", "1", "--i", "${{inputs.i}}", "--b"], ["--a", "1", "--b"]),
        ("[--i=${{ inputs.i }}/x 'and more']", ["--i=${{inputs.i}}/x", "and more"], []),
        ("$[[--i ${{inputs.i}}]] [[1]", ["--i", "${{inputs.i}}", "[[1]"], ["[[1]"]),
        ("[${{inputs.needed}}] a[1] [2]", ["[${{inputs.needed}}]", "a[1]", "[2]"], None),
    ],
)
def test_brackets_around_an_optional_input_make_a_piece(text: str, there: list[str], absent: list[str] | None) -> None:
    arguments = parse(text, {"i"})
    assert arguments.problems == ()
    assert command_arguments(arguments, {}) == there
    assert command_arguments(arguments, {}, absent_inputs={"i"}) == (there if absent is None else absent)
    assert Placeholder("inputs", "i") not in arguments.required


def test_brackets_are_plain_text_where_nothing_in_them_may_be_absent() -> None:
    text = "[${{inputs.i}}] '[' \"[--i ${{inputs.i}}]\""
    assert command_arguments(parse(text), {}) == ["[${{inputs.i}}]", "[", "[--i ${{inputs.i}}]"]
    assert parse('"[--i ${{inputs.i}}]"', {"i"}).required == [Placeholder("inputs", "i")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("'a", "never closed"),
        ('a "b', "never closed"),
        ("a\\", "at the end"),
        ("${{inputs}}", "“${{inputs}}” is no placeholder"),
        ("${{}}", "no placeholder"),
        ("${{inputs.a", "no placeholder"),
        ("${{inputs.a b}} x", "“${{inputs.a b}}” is no placeholder"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, says: str) -> None:
    (problem,) = parse(text).problems
    assert says in problem


def test_unknown_placeholders_name_what_there_is() -> None:
    arguments = parse("${{inputs.a}} ${{inputs.a}} ${{outputs.b}} ${{parameters.c}} ${{secrets.d}}")
    problems = unknown_placeholders(arguments, inputs=["images"], outputs=["b"], parameters=[])
    assert problems == [
        "This step has no input “a”. There are: images.",
        "The pipeline has no parameter “c”. There are none yet.",
        "“${{secrets.d}}” stands for nothing. Write ${{inputs.NAME}}, ${{outputs.NAME}} or ${{parameters.NAME}}.",
    ]


def test_legal_values_that_look_empty_stay() -> None:
    arguments = parse("${{parameters.a}} ${{parameters.b}} ${{parameters.c}} x${{parameters.a}}")
    assert command_arguments(arguments, {"a": "", "b": 0, "c": False}) == ["", "0", "false", "x"]


def test_names_used() -> None:
    arguments = parse("${{inputs.a}}-${{inputs.b}} ${{parameters.c}}")
    assert {part.name for part in arguments.placeholders if part.scope == "inputs"} == {"a", "b"}
    assert arguments.tokens[0] == (Placeholder("inputs", "a"), "-", Placeholder("inputs", "b"))


@given(st.text(max_size=60))
def test_a_value_is_never_split_or_read_again(value: str) -> None:
    assert command_arguments(parse("a ${{parameters.v}} b"), {"v": value}) == ["a", value, "b"]


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="$", exclude_categories=["Cs"]), max_size=20)))
def test_what_the_shell_quotes_comes_back(words: list[str]) -> None:
    arguments = parse(" ".join(shlex.quote(word) for word in words))
    assert arguments.problems == ()
    assert command_arguments(arguments, {}) == words


@given(st.text(max_size=200))
def test_anything_can_be_typed(text: str) -> None:
    command_arguments(parse(text), {part.name: "v" for part in parse(text).placeholders if part.scope == "parameters"})


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (0, "0"), (0.1, "0.1"), (1e-7, "1e-07"), ("", "")])
def test_values_as_text(value: object, text: str) -> None:
    assert as_text(value) == text  # type: ignore[arg-type]
