"""What a text is made of, guessed from its beginning."""

import pytest

from datastores.tabular.names import unique_names
from datastores.tabular.partitions import parsed
from datastores.tabular.sniffing import encoding_of, has_header, quote_of, separator_of, type_of_cells
from studio.lib.problems import UserError


def test_a_character_cut_in_two_is_still_utf_8() -> None:
    assert encoding_of("größe".encode()[:3], is_all=False) == "utf-8"
    assert encoding_of("größe".encode()[:3], is_all=True) == "cp1252"
    assert encoding_of(b"caf\x81", is_all=True) == "latin-1"


def test_a_separator_within_quotes_does_not_count() -> None:
    assert separator_of('a;b\n"1,2";"3,4"\n"5,6,7";8\n', quote='"') == ";"
    assert separator_of("one column\nof words, now\n", quote='"') == ","
    assert separator_of("a\tb\n1\t2\n", quote='"', name="x.tsv") == "\t"


def test_single_quotes() -> None:
    assert quote_of("a,b\n'x,y',1\n") == "'"
    assert quote_of('it\'s,"x"\n') == '"'


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["a", "b"], ["1", "2"]], True),
        ([["1", "2"], ["3", "4"]], False),
        ([["a", ""], ["1", "2"]], True),
        ([["name", "town"], ["anna", "bern"], ["otto", "ulm"]], True),
        ([["anna", "bern"], ["anna", "ulm"], ["otto", "bern"]], False),
        ([["", ""], ["a", "b"]], False),
        ([], False),
    ],
)
def test_a_header_is_unlike_what_stands_below_it(rows: list[list[str]], expected: bool) -> None:
    assert has_header(rows) is expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", ""], "integer"),
        (["1", "2.5", "1e3", "nan"], "number"),
        (["007", "1"], "string"),
        (["12345678901234567890", "1"], "string"),
        (["2026-02-30"], "string"),
        (["2026-02-28", "2026-02-28 10:00:00"], "timestamp"),
        (["true", "1"], "string"),
        ([""], None),
    ],
)
def test_the_type_that_all_cells_have(cells: list[str], expected: str | None) -> None:
    assert type_of_cells(cells) == expected


def test_names() -> None:
    assert unique_names(["a", "A", None, " a ", "a_2", "x\0y", "n" * 300])[0] == [
        "a", "A_2", "column_3", "a_3", "a_2_2", "xy", "n" * 200,
    ]  # fmt: skip


def test_a_partition_format() -> None:
    form = parsed("/{year}/{when:yyyy-MM-dd}/*.{kind}")
    assert form.names == ["year", "when", "kind"]
    assert form.values(["data/2026/2026-07-01/a.csv"]) == [["2026", "2026-07-01 00:00:00", "csv"]]
    for path, said in (("2026/a.csv", "doesn't end"), ("2026/2026-13-01/a.csv", "no date")):
        with pytest.raises(UserError, match=said):
            form.values([path])


@pytest.mark.parametrize("text", ["a.csv", "{a}/{A}", "{}", "{a", "{a}}", "{when:MM}", "{when:yyyy/yyyy}"])
def test_what_is_no_partition_format(text: str) -> None:
    with pytest.raises(UserError) as refused:
        parsed(text)
    assert refused.value.problems[0].loc == ("partition_format",)


def test_a_hostile_partition_format_is_no_pattern() -> None:
    form = parsed("(a+)+$/{x}")
    with pytest.raises(UserError):
        form.values(["a" * 5000 + "/b"])
