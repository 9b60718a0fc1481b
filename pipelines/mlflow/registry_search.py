"""Searches of the registry: filter, order and pages are the same for models and for their versions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import F

from pipelines.mlflow.failures import unfit
from pipelines.mlflow.filters import Comparison, UnfitFilterError, compares, parse_filter, parse_orders
from pipelines.mlflow.pages import start_of, token_at

PROMPT = "mlflow.prompt.is_prompt"


class Search(Protocol):
    """What such a request says."""

    @property
    def filter(self) -> str: ...
    @property
    def order_by(self) -> list[str]: ...
    @property
    def page_token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Searching:
    """`condition` gives what a comparison that is of no tag means in the database."""

    what: str  # as a sentence begins with it
    columns: Mapping[str, str]  # by which they can be sorted
    condition: Callable[[Comparison], Any]

    def page(
        self, rows: Any, asked: Search, question: list[Any], *, count: int, usual: Sequence[str]
    ) -> tuple[list[Any], dict[str, str]]:
        """So many rows at most, and what leads on; `usual` is the order of what is equal. Raises MlflowError."""
        start = start_of(asked.page_token, question)
        try:
            comparisons, orders = parse_filter(asked.filter), parse_orders(asked.order_by)
        except UnfitFilterError as error:
            raise unfit(str(error)) from error
        for each in comparisons:
            if each.entity != "tag":
                rows = rows.filter(self.condition(each))
        by: list[Any] = []
        for order in orders:
            if order.entity != "attribute" or order.key not in self.columns:
                raise unfit(f"{self.what} are sorted by {', '.join(self.columns)}, not by “{order.key[:80]}”.")
            column = F(self.columns[order.key])
            by.append(column.desc() if order.descending else column.asc())
        by_tag = [each for each in comparisons if each.entity == "tag"]
        found = _from(rows.order_by(*by, *usual), by_tag, start, count)
        token = {"next_page_token": token_at(start + count, question)} if len(found) > count else {}
        return found[:count], token


def _from(rows: Any, by_tag: Sequence[Comparison], start: int, count: int) -> list[Any]:
    """From `start` on, one more than `count`. Tags stand in a document each, and are compared here."""
    if not by_tag:
        return list(rows[start : start + count + 1])
    found = []
    for row in rows.iterator(chunk_size=500):
        if all(_tag_fits(row.tags.tags, each) for each in by_tag):
            found.append(row)
        if len(found) > start + count:
            break
    return found[start:]


def _tag_fits(tags: Mapping[str, str], asked: Comparison) -> bool:
    """What is no prompt need not say so: clients ask for models by that."""
    if asked.key == PROMPT:
        return compares(tags.get(PROMPT, "false"), asked)
    return compares(tags.get(asked.key), asked)
