"""Moving data: files to another datastore, a table to files, files or a table to a table of a database.

Settings: `existing` says what becomes of what is there already, `format` of rows as files (empty: files stay as they
are), and `table` (as in `sales` or `public.sales`) where the datastore `database` is the destination.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, cast

from compute.data.desk import Rhythm
from compute.data.retrying import Patience, StoppedError
from compute.work.copying import Copying, Existing, require_nothing_there
from compute.work.ledger import Notes
from compute.work.order import Order, Report, Source, Written
from compute.work.row_files import RowFormat, leave_rows
from datastores.backends import Backend, Table
from datastores.sources import Column, TabularDefinition
from datastores.tabular.inference import FilesDraft
from datastores.tabular.stores import OpenStores

if TYPE_CHECKING:
    import pyarrow as pa

FileFormat = Literal["", "parquet", "csv", "json_lines"]


def work(order: Order) -> Report:
    (source,) = order.inputs.values()
    if "database" in order.datastores:
        _to_table(order, source)
        return Report()
    (name,) = order.outputs
    row_format = cast("FileFormat", order.settings.get("format", ""))
    if source.table is None and not row_format:
        with OpenStores(order.specs) as stores:
            existing = cast("Existing", order.settings.get("existing", "fail"))
            return Report(outputs={name: Copying(order, name, source, stores, existing).run()})
    return Report(outputs={name: _to_files(order, name, source, _rows_as(row_format))})


def _to_files(order: Order, name: str, source: Source, row_format: RowFormat) -> Written:
    target = order.outputs[name]
    with OpenStores(order.specs) as stores, _opened(order, source) as (_columns, batches):
        backend = stores.store(target.datastore_id)
        assert isinstance(backend, Backend), "outputs go to datastores of files"
        notes = Notes(backend, target.notes, order.attempt, Patience(order.stop.wanted))
        if order.settings.get("existing") == "fail" and not (order.attempt > 1 and notes.are_there()):
            require_nothing_there(backend, target)
        notes.begin()
        written = leave_rows(order, name, batches, row_format=row_format)
        notes.remove()
        return written


def _rows_as(row_format: FileFormat) -> RowFormat:
    return row_format or "parquet"


def _definition(order: Order, source: Source) -> TabularDefinition:
    """The table that is the input, or that its files hold. Raises UserError where they hold none."""
    if source.table is not None:
        return source.table
    from datastores.tabular.looking import look

    found = look(FilesDraft(paths=source.paths), {}, order.specs)
    for note in found.notes:
        order.say(note)
    columns = ", ".join(f"{column.name} ({column.type})" for column in found.definition.columns)
    order.say(f"The files are read as a table of these columns: {columns[:1000]}")
    return found.definition


@contextmanager
def _opened(order: Order, source: Source) -> "Iterator[tuple[list[Column], Iterator[pa.RecordBatch]]]":
    """The columns of the table, and all of its rows, as they come."""
    from datastores.tabular import relations

    definition = _definition(order, source)
    with relations.opened(definition, order.specs) as rows, order.stop.ending(rows.connection.interrupt):
        reader = rows.reader()

        def batches() -> "Iterator[pa.RecordBatch]":
            has_any = False
            for batch in reader:
                has_any = True
                if order.stop.wanted.is_set():
                    raise StoppedError
                yield batch
            if not has_any:  # an empty table has its columns, too
                yield from reader.schema.empty_table().to_batches() or [_empty(reader.schema)]

        yield [placed.column for placed in rows.columns], batches()


def _empty(schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _to_table(order: Order, source: Source) -> None:
    schema, _, name = str(order.settings["table"]).rpartition(".")
    rhythm = Rhythm()
    with OpenStores(order.specs) as stores, _opened(order, source) as (columns, batches):

        def counted() -> "Iterator[pa.RecordBatch]":
            count = 0
            for batch in batches:
                yield batch
                count += batch.num_rows
                if rhythm.is_due():
                    order.say(f"{count:,} rows so far")

        written = stores.database(order.datastores["database"]).filled(
            Table(schema=schema or None, name=name),
            columns,
            counted(),
            replaces=order.settings.get("existing") == "replace",
            ending=order.stop.ending,
        )
    order.say(f"{written:,} rows are in the table “{name}”, as many as were read.")
