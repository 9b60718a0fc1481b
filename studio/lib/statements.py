"""Single statements for the few places where each millisecond counts.

Django needs some five times as long to put a simple statement together as SQLite needs to run it. These are put
together by hand, from the model's own columns and conversions; everywhere else querysets read better.
"""
# ruff: noqa: SLF001 (`_meta` and `_default_manager` are documented, in spite of their names)

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    Field,
    IntegerField,
    Model,
    PositiveBigIntegerField,
    PositiveIntegerField,
    PositiveSmallIntegerField,
    SmallIntegerField,
    TextField,
)
from django.db.models.base import ModelState
from django.db.models.expressions import DatabaseDefault

M = TypeVar("M", bound=Model)
# The types of values that no conversion changes, by type of field; a class made of one of these may convert.
_AS_THEY_ARE: Mapping[type, tuple[type, ...]] = {
    **dict.fromkeys((AutoField, BigAutoField, IntegerField, BigIntegerField, SmallIntegerField), (int, type(None))),
    **dict.fromkeys((PositiveIntegerField, PositiveBigIntegerField, PositiveSmallIntegerField), (int, type(None))),
    **dict.fromkeys((CharField, TextField), (str, type(None))),
    BooleanField: (bool, type(None)),
}
_MOST_PARAMETERS = 30_000  # in one statement: SQLite takes 32,766


def update_where(model: type[Model], changes: Mapping[str, Any], where: Mapping[str, Any]) -> int:
    """`UPDATE … SET changes WHERE …`, by field names. A list in `where` means any of its values.

    Plain values only, no expressions. Returns the number of rows changed.
    """
    connection = connections[router.db_for_write(model)]
    with connection.cursor() as cursor:
        cursor.execute(_update(model, changes, where, connection), _parameters(model, changes, where, connection))
        return int(cursor.rowcount)


def update_each(model: type[Model], rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
    """`update_where` for many rows, each with changes of its own: the same fields in all, in the same order.

    Returns the number of rows changed by all of them.
    """
    if not rows:
        return 0
    connection = connections[router.db_for_write(model)]
    statement = _update(model, *rows[0], connection)
    prepared = [_parameters(model, changes, where, connection) for changes, where in rows]
    with connection.cursor() as cursor:
        cursor.executemany(statement, prepared)
        return int(cursor.rowcount)


def insert_rows(model: type[Model], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """`INSERT` these values of these fields; the database gives the keys, which are not read back."""
    connection = connections[router.db_for_write(model)]
    columns = ", ".join(_column(model, name, connection) for name in names)
    places = ", ".join(["%s"] * len(names))
    table = connection.ops.quote_name(model._meta.db_table)
    fields = [_field(model, name) for name in names]
    writers = [_writer(field, connection) for field in fields]
    prepared = [[write(value) for write, value in zip(writers, row, strict=True)] for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", prepared)  # noqa: S608


def insert_alike(rows: Sequence[Model], differing: Sequence[str]) -> None:
    """`INSERT` new rows of one model that differ in these fields alone, and give them the keys that they get."""
    if not rows:
        return
    model = type(rows[0])
    connection = connections[router.db_for_write(model)]
    own = [_field(model, name) for name in differing]
    others = [field for field in model._meta.concrete_fields if not field.primary_key and field not in own]
    # The database has a default for what was never given.
    values = [(field, field.pre_save(rows[0], add=True)) for field in others]
    same = [(field, value) for field, value in values if not isinstance(value, DatabaseDefault)]
    columns = [connection.ops.quote_name(str(field.column)) for field in [*own, *(field for field, _ in same)]]
    into = f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({', '.join(columns)})"
    row_marks = f"({', '.join(['%s'] * len(columns))})"
    shared = [field.get_db_prep_save(value, connection) for field, value in same]
    writers = [(field, _writer(field, connection)) for field in own]
    at_once = max(1, _MOST_PARAMETERS // len(columns))
    with connection.cursor() as cursor:
        for batch in (rows[start : start + at_once] for start in range(0, len(rows), at_once)):
            parameters = [
                each
                for row in batch
                for each in (*(write(field.pre_save(row, True)) for field, write in writers), *shared)
            ]
            key = connection.ops.quote_name(str(model._meta.pk.column))
            cursor.execute(f"{into} VALUES {', '.join([row_marks] * len(batch))} RETURNING {key}", parameters)
            for row, (pk,) in zip(batch, cursor.fetchall(), strict=True):
                row.pk, row._state.adding, row._state.db = pk, False, connection.alias


def copy_of(row: M, **changes: Any) -> M:
    """A new row with the values of one that is not saved yet, and these by attribute, without asking each field."""
    made = type(row).__new__(type(row))
    made.__dict__.update(row.__dict__, **changes)
    made._state = ModelState()
    made._state.fields_cache = dict(row._state.fields_cache)
    return made


def read_rows(model: type[M], names: Collection[str], condition: str, parameters: Sequence[Any]) -> list[M]:
    """Rows with these fields (the others are read when asked for), by a condition in SQL."""
    connection = connections[router.db_for_write(model)]
    columns = ", ".join(_column(model, name, connection) for name in names)
    table = connection.ops.quote_name(model._meta.db_table)
    return list(model._default_manager.raw(f"SELECT {columns} FROM {table} WHERE {condition}", parameters))  # noqa: S608


def now_sql() -> str:
    """The database's clock, as a condition in SQL writes it: machines may differ about the time, and it decides."""
    sqlite = connections[DEFAULT_DB_ALIAS].vendor == "sqlite"
    return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')" if sqlite else "STATEMENT_TIMESTAMP()"


def for_update(model: type[Model]) -> str:
    """What to append to a condition so that its rows are held; nothing where a transaction holds everything."""
    return " FOR UPDATE" if connections[router.db_for_write(model)].features.has_select_for_update else ""


def _update(
    model: type[Model], changes: Mapping[str, Any], where: Mapping[str, Any], connection: BaseDatabaseWrapper
) -> str:
    assignments = ", ".join(f"{_column(model, name, connection)} = %s" for name in changes)
    conditions = [
        f"{_column(model, name, connection)} IN ({', '.join(['%s'] * len(_values(value)))})"
        for name, value in where.items()
    ]
    table = connection.ops.quote_name(model._meta.db_table)
    return f"UPDATE {table} SET {assignments} WHERE {' AND '.join(conditions)}"  # noqa: S608


def _parameters(
    model: type[Model], changes: Mapping[str, Any], where: Mapping[str, Any], connection: BaseDatabaseWrapper
) -> list[Any]:
    pairs = [*changes.items(), *((name, each) for name, value in where.items() for each in _values(value))]
    return [_prepared(model, name, value, connection) for name, value in pairs]


def _writer(field: "Field[Any, Any]", connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """What a column of this field takes for a value. Most values go as they are, and asking Django takes longest."""
    plain: tuple[type, ...] = _AS_THEY_ARE.get(type(getattr(field, "target_field", field)), ())

    def write(value: Any) -> Any:
        return value if type(value) in plain else field.get_db_prep_save(value, connection)

    return write


def _values(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field: Field[Any, Any] = model._meta.get_field(name)  # type: ignore[assignment]
    return field


def _column(model: type[Model], name: str, connection: BaseDatabaseWrapper) -> str:
    column = _field(model, name).column
    assert column is not None, "a field with a column of its own"
    quoted: str = connection.ops.quote_name(column)
    return quoted


def _prepared(model: type[Model], name: str, value: Any, connection: BaseDatabaseWrapper) -> Any:
    return _field(model, name).get_db_prep_save(value, connection)
