"""What a profile says of a column."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from datastores.sources import ColumnType

Kind = Literal["number", "time", "text", "binary", "boolean"]
KINDS: dict[ColumnType, Kind] = {
    "integer": "number",
    "number": "number",
    "decimal": "number",
    "date": "time",
    "time": "time",
    "timestamp": "time",
    "boolean": "boolean",
    "binary": "binary",
    "string": "text",
    "other": "text",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class TopValue(_Part):
    value: str
    count: int
    is_cut: bool = False  # the value goes on


class Histogram(_Part):
    """`counts[i]` values lie in [`edges[i]`, `edges[i + 1]`), in the last bin its upper edge too.

    Edges of dates and timestamps are seconds since 1970 in UTC, of times of day since midnight.
    """

    edges: list[float]
    counts: list[int]
    rule: str  # for people: how the bins were made


class Lengths(_Part):
    """Of texts in characters, of binary values in bytes."""

    minimum: int
    mean: float
    maximum: int


class ColumnProfile(_Part):
    """One column. Numbers that are not finite are counted apart, and in nothing else. Times are as in `Histogram`."""

    name: str
    type: ColumnType
    count: int  # rows
    missing: int
    not_a_number: int = 0
    infinite: int = 0
    distinct: int
    distinct_is_exact: bool = True
    minimum: str | None = None  # as text: an integer may be larger than any float
    maximum: str | None = None
    mean: float | None = None
    standard_deviation: float | None = None  # of the sample; of times in seconds
    quantiles: dict[str, float] = {}  # by "0.25"
    quantiles_are_exact: bool = True
    top: list[TopValue] = []  # none where all values differ
    top_is_exact: bool = True
    histogram: Histogram | None = None
    lengths: Lengths | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]
