"""Commands with placeholders, run by a real bash: a value arrives as it is, and is never read as a command."""

import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.placeholders import Placeholder
from pipelines.shell_text import bash_argv, parse

NASTY = [
    "plain",
    "two  words",
    "",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "a\nb",
    "*",
    "$HOME",
    "\\",
    "-n",
    "ü 😀",
    "EOF",
]


def run(
    text: str,
    values: Mapping[str, str],
    folder: Path,
    *,
    optional: Collection[str] = (),
    absent: Collection[str] = (),
) -> str:
    found = parse(text, optional)
    assert not found.problems
    argv = bash_argv(found, values, absent_inputs=absent)
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not list(folder.iterdir()), "nothing of a value was run"
    return ended.stdout


PLACES = [
    ("printf '<%s>' ${{parameters.v}}", "<{}>"),
    ("printf '<%s>' \"a${{parameters.v}}b\"", "<a{}b>"),
    ("printf '<%s>' 'a${{parameters.v}}b'", "<a{}b>"),
    ("printf '<%s>' a${{ parameters.v }}b", "<a{}b>"),
    ("printf '<%s>' \"$(printf %s. ${{parameters.v}})\"", "<{}.>"),
    ('printf \'<%s>\' "$(printf %s. "${{parameters.v}}")"', "<{}.>"),
    ("printf '<%s>' $'x'${{parameters.v}}", "<x{}>"),
    ("cat <<EOF\n<${{parameters.v}}>\nEOF\n", "<{}>\n"),
    ("cat <<-EOF && printf end\n\t<${{parameters.v}}>\n\tEOF\n", "<{}>\nend"),
    ("f() { printf '<%s>' \"$1\" ${{parameters.v}}; }; f first", "<first><{}>"),
    ("# don't mind ${{parameters.v}}\nprintf '<%s>' ${{parameters.v}}", "<{}>"),
    ("x=${{parameters.v}}; printf '<%s>' \"$x\" # it's here", "<{}>"),
    ("(printf '<%s>' ${{parameters.v}})", "<{}>"),
    ("case x in x) printf '<%s>' ${{parameters.v}};; esac", "<{}>"),
    ("cat <<<${{parameters.v}}.", "{}.\n"),
]


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize(("text", "expected"), PLACES)
def test_a_value_arrives_as_it_is_wherever_it_stands(text: str, expected: str, value: str, tmp_path: Path) -> None:
    assert run(text, {"v": value}, tmp_path) == expected.format(value)


@settings(max_examples=40)
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_any_value_arrives(value: str) -> None:
    argv = bash_argv(parse("printf %s. ${{parameters.v}} \"${{parameters.v}}\" '${{parameters.v}}'"), {"v": value})
    ended = subprocess.run(argv, capture_output=True, check=True)
    assert ended.stdout.decode() == f"{value}." * 3


def test_a_sum_takes_numbers(tmp_path: Path) -> None:
    assert run("echo $(( ${{parameters.a}} << 2 )) $(((${{parameters.a}}+1)*2))", {"a": "3"}, tmp_path) == "12 8\n"


def test_inputs_and_outputs_are_left_for_the_node() -> None:
    argv = bash_argv(parse("cp ${{inputs.a}} '${{outputs.b}}' ${{ inputs.a }}"), {})
    assert argv[-2:] == ["${{inputs.a}}", "${{outputs.b}}"]
    assert "${{" not in argv[-4]


def test_a_piece_goes_with_what_is_absent(tmp_path: Path) -> None:
    text = "echo all $[[--x ${{parameters.x}}]] $[[in ${{inputs.i}}]] end; [[ -n $HOME ]] && echo ]]"
    assert run(text, {"x": "1"}, tmp_path, absent={"i"}) == "all --x 1 end\n]]\n"
    assert run(text, {}, tmp_path, absent={"i"}) == "all end\n]]\n"


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("echo a [--i ${{inputs.i}}] b", "a --i ${{inputs.i}} b", "a b"),
        ("echo [--i=${{inputs.i}}/x]; echo c", "--i=${{inputs.i}}/x\nc", "\nc"),
        ("echo [-n [-i ${{inputs.i}}]", "[-n -i ${{inputs.i}}", "[-n"),
        ("echo [a-c] [x${{parameters.x}}]", "[a-c] [x1]", "[a-c] [x1]"),
        ("echo '[--i' [${{inputs.needed}}] x[1]", "[--i [${{inputs.needed}}] x[1]", "[--i [${{inputs.needed}}] x[1]"),
        ('echo [--i "${{inputs.i}}"] | cat', "--i ${{inputs.i}}", ""),
    ],
)
def test_brackets_make_a_piece_where_an_optional_input_stands_in_them(
    text: str, there: str, absent: str, tmp_path: Path
) -> None:
    values = {"x": "1"}
    assert run(text, values, tmp_path, optional={"i"}) == f"{there}\n"
    assert run(text, values, tmp_path, optional={"i"}, absent={"i"}) == f"{absent}\n"
    found = parse(text, {"i"})
    assert Placeholder("inputs", "i") not in found.required


def test_a_test_of_bash_is_no_piece() -> None:
    found = parse("[ -f ${{inputs.i}} ] && arr=[${{inputs.i}}]", {"i"})
    assert found.required == [Placeholder("inputs", "i")] * 2


def test_it_ends_with_the_first_failure(tmp_path: Path) -> None:
    for text in ("false\necho on", "false | cat\necho on"):
        ended = subprocess.run(bash_argv(parse(text), {}), cwd=tmp_path, capture_output=True, check=False)
        assert (ended.returncode, ended.stdout) == (1, b"")


def test_line_numbers_are_those_of_the_text(tmp_path: Path) -> None:
    argv = bash_argv(parse("echo ${{parameters.v}}\nnothing-of-that-name"), {"v": "x"})
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "line 2:" in ended.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("echo 'a", "A quotation mark (') is opened and never closed. Close it."),
        ('echo "a', 'A quotation mark (") is opened and never closed. Close it.'),
        ("echo $(ls", "A bracket is opened and never closed. Close it."),
        ("echo $[[ a", "$[[ is opened and never closed. Write ]] at the end of what may be left out."),
        ("echo $[[ a $[[ b ]]", "$[[ stands within another $[[. Close the first with ]] before."),
        ("echo ${{inputs}}", "“${{inputs}}” is no placeholder. Write one as ${{inputs.NAME}}."),
        (
            "cat <<'EOF'\n${{inputs.a}}\nEOF",
            "Nothing is put in within <<'EOF'. Write <<EOF without quotes, or use a variable.",
        ),
    ],
)
def test_what_is_not_said_well(text: str, problem: str) -> None:
    assert parse(text).problems == (problem,)


def test_placeholders_of_a_comment_are_none() -> None:
    found = parse("# ${{inputs.old}}\nls ${{inputs.new}}")
    assert found.placeholders == [Placeholder("inputs", "new")]


def test_a_long_command_is_read_in_one_go() -> None:
    assert parse("echo x\n" * 15_000).texts == ["echo x\n" * 15_000]
