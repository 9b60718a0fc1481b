"""Much work on rows in small transactions, so that nobody waits for long, and whoever comes between has a turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

_LONGEST_REST_S = 0.5


@contextmanager
def in_turn() -> Iterator[None]:
    """One transaction of many. Afterwards rests for as long as it took.

    SQLite has one writer at a time and no queue before it: whoever writes again at once may keep all others out.
    """
    began = time.monotonic()
    with transaction.atomic():
        yield
    time.sleep(min(_LONGEST_REST_S, time.monotonic() - began))


def delete_in_batches(rows: "QuerySet[Any]", size: int) -> Iterator[int]:
    """Delete all of `rows`, so many in a transaction, and what hangs on them with each. Yields how many these were.

    Whoever stops asking stops it: what is left is deleted by the next call.
    """
    model = rows.model
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:size]):
        with in_turn():
            model._base_manager.filter(pk__in=batch).delete()  # noqa: SLF001 (documented)
        yield len(batch)
