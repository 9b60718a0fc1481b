"""SQL on a datastore that is a database: statements with values, and what the last one answers as an output.

Settings: `statements`, `values` by name, `reads_only`, and `format` of the rows. The datastore is `database`.
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from compute.data.retrying import StoppedError
from compute.execution.reasons import StepFailure
from compute.work.order import Order, Report, Written
from compute.work.row_files import RowFormat, leave_rows
from datastores.backends.database import SqlValue
from datastores.backends.statements import Statement, statements_of
from datastores.tabular.stores import OpenStores

if TYPE_CHECKING:
    import pyarrow as pa

MARGIN_S = 2.0  # the server ends a query so long before the node ends the step: it says more about it


def work(order: Order) -> Report:
    values = cast("dict[str, SqlValue]", order.settings.get("values", {}))
    with OpenStores(order.specs) as stores:
        database = stores.database(order.datastores["database"])
        statements = statements_of(str(order.settings["statements"]), database.tongue)
        if missing := {name for each in statements for name in each.names} - values.keys():
            raise StepFailure(f"There is no value for {', '.join(sorted(missing))}.")
        teller = _Teller(order, len(statements))
        limit_s = None if order.timeout_s is None else max(1.0, order.timeout_s - MARGIN_S)
        with database.carried_out(
            statements,
            values,
            writes=not order.settings.get("reads_only", True),
            timeout_s=limit_s,
            ending=order.stop.ending,
            before=teller.before,
            after=teller.after,
        ) as rows:
            outputs = _left(order, rows)
            if order.stop.wanted.is_set():
                raise StoppedError
        return Report(outputs=outputs)


def _left(order: Order, rows: "Iterator[pa.RecordBatch] | None") -> dict[str, Written]:
    if not order.outputs:
        if rows is not None:
            count = sum(batch.num_rows for batch in rows)
            order.say(f"It answers with {count:,} rows. No output takes them, so they are left.")
        return {}
    if rows is None:
        raise StepFailure(
            "The last statement answers with no rows, and the step has an output for them. Let it end with a SELECT, "
            "or take the output away. Nothing was changed."
        )
    (name,) = order.outputs
    row_format = cast("RowFormat", order.settings.get("format", "parquet"))
    return {name: leave_rows(order, name, rows, row_format=row_format)}


class _Teller:
    """Of each statement, and of what it did."""

    def __init__(self, order: Order, many: int) -> None:
        self.order, self.many, self.number, self.began_s = order, many, 0, 0.0

    def before(self, statement: Statement) -> None:
        self.number += 1
        self.began_s = time.monotonic()
        self.order.say(f"Statement {self.number} of {self.many}, line {statement.line}: {statement.shown}")

    def after(self, changed: int) -> None:
        rows = "" if changed < 0 else "1 row, " if changed == 1 else f"{changed:,} rows, "
        self.order.say(f"  {rows}{time.monotonic() - self.began_s:.1f} s")
