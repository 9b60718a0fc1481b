"""What differs, in lines and words, and which earlier step is the nearest."""

import time

from pipelines.earlier import Earlier, nearest
from pipelines.explaining.lines import Line, Words, line_difference, word_difference
from pipelines.fingerprints import differences
from pipelines.models import Ingredients
from pipelines.services.reusing import listed


def _with(**digests: str) -> Ingredients:
    return Ingredients(digests={name.replace("_", " "): digest for name, digest in digests.items()})


def _earlier(pk: int, status: str = "completed", **digests: str) -> Earlier:
    return Earlier(pk, pk * 10, "a", status, _with(**digests) if digests else None, "f" * 64, None)


def test_the_nearest_has_the_fewest_differences_then_it_is_the_newest() -> None:
    mine = _with(code="1", arguments="2", input_x="3")
    far = _earlier(4, code="1", arguments="9", input_x="9")
    near = _earlier(2, code="1", arguments="2", input_x="9")
    newer = _earlier(3, code="9", arguments="2", input_x="3")
    found = nearest(mine, [far, newer, near])
    assert found is not None
    assert found[0] is newer
    assert [each.words for each in found[1]] == ["the code"]


def test_one_that_completed_goes_before_one_that_is_nearer() -> None:
    mine = _with(code="1", arguments="2")
    completed, failed = _earlier(1, code="9", arguments="9"), _earlier(2, "failed", code="1", arguments="2")
    found = nearest(mine, [failed, completed, _earlier(3)])
    assert found is not None
    assert found[0] is completed
    assert nearest(mine, [_earlier(3)]) is None
    assert nearest(mine, []) is None


def test_all_that_differs_is_named_what_came_and_what_went_as_well() -> None:
    found = differences(_with(code="1", input_x="1", variable_A="1"), _with(code="2", input_y="1", variable_A="1"))
    words = ["the code", "the data of input “x”", "the data of input “y”"]
    assert [each.words for each in found] == words
    assert listed(words) == "the code, the data of input “x” and the data of input “y”"
    assert listed(words[:1]) == "the code"
    assert differences(_with(code="1"), _with(code="1")) == []


def test_lines_are_those_of_a_unified_diff_with_the_numbers_of_the_files() -> None:
    before = "".join(f"line {number}\n" for number in range(1, 101))
    lines = line_difference(before, before.replace("line 50\n", "line fifty\nand more\n"))
    assert lines is not None
    assert lines[0] == Line("place", "@@ -47,7 +47,8 @@")
    assert [line for line in lines if line.kind in {"added", "removed"}] == [
        Line("removed", "line 50"),
        Line("added", "line fifty"),
        Line("added", "and more"),
    ]
    assert len(lines) == 10


def test_a_change_at_the_beginning_or_the_end_and_whole_texts() -> None:
    assert line_difference("a\nb\n", "z\na\nb\n") is not None
    assert line_difference("", "a\nb\n") == [Line("place", "@@ -0,0 +1,2 @@"), Line("added", "a"), Line("added", "b")]
    assert line_difference("a\n", "") == [Line("place", "@@ -1 +0,0 @@"), Line("removed", "a")]
    ends = line_difference("a\r\nb\n", "a\nb")
    assert ends == [Line("place", "Only the ends of lines differ, or whether the last one has one.")]


def test_long_texts_cost_little() -> None:
    long = [f"{number}\n" for number in range(200_000)]
    changed = [*long[:100_000], "new\n", *long[100_000:]]
    began = time.perf_counter()
    assert [line.text for line in line_difference("".join(long), "".join(changed)) or [] if line.kind == "added"] == [
        "new"
    ]
    assert line_difference("".join(long), "".join(f"x{line}" for line in long)) is None
    assert time.perf_counter() - began < 10
    (line,) = [line for line in line_difference("a", "b" * 10_000) or [] if line.kind == "added"]
    assert len(line.text) == 500


def test_arguments_stand_side_by_side_word_by_word() -> None:
    assert word_difference(["python", "main.py", "--rate", "0.1"], ["python", "main.py", "--rate", "0.2", "-v"]) == [
        Words(is_same=True, before="python main.py --rate", after="python main.py --rate"),
        Words(is_same=False, before="0.1", after="0.2 -v"),
    ]
    script = word_difference(["sh", "-c", "echo one\necho two"], ["sh", "-c", "echo one\necho three"])
    assert script[-1] == Words(is_same=False, before="two", after="three")
    assert word_difference(["a", ""], ["a"])[-1] == Words(is_same=False, before="''", after="")
    (whole,) = word_difference(["a"] * 3000, ["b"] * 3000)
    assert not whole.is_same
    assert len(whole.before) == 500


def test_one_word_here_and_there_takes_no_minute() -> None:
    started = time.monotonic()
    (whole,) = word_difference(["x"] * 1000, ["x", "y"] * 500)
    assert time.monotonic() - started < 1
    assert not whole.is_same
