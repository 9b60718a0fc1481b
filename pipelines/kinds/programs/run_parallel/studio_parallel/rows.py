"""A table in batches of rows: a folder of Parquet, or of CSV that becomes Parquet first. pyarrow is loaded for it only.

A batch says where its rows lie, and the process that works on it reads just these: stretches of row groups, or, by
keys, the row groups that hold some of a combination, of which it takes what belongs to it.
"""

import os
from collections import OrderedDict

from .files import files_below, printable
from .planning import Batch, slices
from .refusal import Refused

_KEPT = 2  # row groups that a process holds, for the next batch may lie in the same
_GROUP_ROWS = 128 * 1024
_CSV = {".csv": ",", ".tsv": "\t"}


def require_packages():
    missing = []
    for name in ("pandas", "pyarrow"):
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise Refused("{} of the step's environment can't be imported: {}.".format(name, error))
            missing.append(name)
    if missing:
        packages, them = " and ".join(missing), "them" if len(missing) > 1 else "it"
        raise Refused(
            "The step's environment has no {}, which batches of rows need. Add {} to its packages.".format(
                packages, them
            )
        )


def row_batches(path, size, scratch):
    """Batches of `size` rows, or of as many as `size` bytes are likely to hold. Raises Refused."""
    parts = row_groups(path, scratch)
    rows = size.count
    if rows is None:
        total = sum(count for _, count, _ in parts)
        weight = sum(weight for _, _, weight in parts)
        rows = max(1, size.size_bytes * total // weight) if weight else 1
    at = 1
    for number, group in enumerate(slices(((place, count) for place, count, _ in parts), rows), start=1):
        items = sum(stop - start for _, start, stop in group)
        label = "rows {:,} to {:,}".format(at, at + items - 1) if items > 1 else "row {:,}".format(at)
        work = {"slices": [[*place, start, stop] for place, start, stop in group]}
        yield Batch(number, items, work, label)
        at += items


def key_batches(path, keys, scratch):
    """A batch for each combination of values of the columns `keys`, ordered by these as texts. Raises Refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts, places = {}, {}
    for (file, group), _, _ in row_groups(path, scratch):
        try:
            reader = pq.ParquetFile(file)
            check_keys(keys, reader.schema_arrow.names)
            columns = texts_of(reader.read_row_group(group, columns=keys), keys)
        except (pa.ArrowException, OSError) as error:
            raise Refused("“{}” can't be read as a table: {}".format(printable(os.path.basename(file)), error))
        for combination in zip(*(column.to_pylist() for column in columns)):
            counts[combination] = counts.get(combination, 0) + 1
            lie = places.setdefault(combination, [])
            if not lie or lie[-1] != [file, group]:
                lie.append([file, group])
    ordered = sorted(counts, key=lambda combination: [(value is not None, value or "") for value in combination])
    for number, combination in enumerate(ordered, start=1):
        said = ("{}={}".format(key, "" if value is None else value) for key, value in zip(keys, combination))
        work = {"groups": places[combination], "keys": dict(zip(keys, combination))}
        yield Batch(number, counts[combination], work, printable(", ".join(said)))


def check_keys(keys, columns):
    for key in keys:
        if key not in columns:
            raise Refused(
                "The table has no column “{}” to split it by. It has: {}.".format(key, ", ".join(map(str, columns)))
            )


def texts_of(table, keys):
    """The columns as texts, by which values are equal or not. Raises Refused for what has none."""
    import pyarrow as pa

    try:
        return [table.column(key).cast(pa.string()).combine_chunks() for key in keys]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Refused("A table can't be split by {}: {}".format(" and ".join(keys), error))


def row_groups(path, scratch):
    """`((file, number), rows, bytes)` of each, in the order of the files' paths. Raises Refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for index, file in enumerate(tables_of(path)):
        try:
            read = as_parquet(file, os.path.join(scratch, "table-{}.parquet".format(index)))
            about = pq.ParquetFile(read).metadata
        except (pa.ArrowException, OSError) as error:
            raise Refused("“{}” can't be read as a table: {}".format(printable(os.path.basename(file)), error))
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            found.append(((read, number), group.num_rows, group.total_byte_size))
    return found


def tables_of(path):
    files = [path] if os.path.isfile(path) else files_below(path)
    files = [file for file in files if not is_hidden(file, path)]
    for file in files:
        if ending_of(file) not in (".parquet", *_CSV):
            raise Refused(
                "“{}” is no table: rows come from files that end in .parquet, .csv or .tsv.".format(
                    printable(os.path.basename(file))
                )
            )
    return files


def is_hidden(file, path):
    """A file of some tool's own, or one in its folder: `_SUCCESS`, `.ipynb_checkpoints/a.csv`."""
    below = os.path.relpath(file, path) if file != path else os.path.basename(file)
    return any(part.startswith((".", "_")) for part in below.split(os.sep))


def as_parquet(file, target):
    """The path of the same rows as Parquet: CSV is read once, a block at a time where the first tells the types."""
    if ending_of(file) not in _CSV:
        return file
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    if not os.path.getsize(file):
        raise OSError("it is empty")
    options = csv.ParseOptions(delimiter=_CSV[ending_of(file)], newlines_in_values=True)
    try:
        with csv.open_csv(file, parse_options=options) as reader, pq.ParquetWriter(target, reader.schema) as writer:
            for block in reader:
                writer.write_batch(block)
    except pa.ArrowInvalid:  # a later block has other types than the first
        pq.write_table(csv.read_csv(file, parse_options=options), target, row_group_size=_GROUP_ROWS)
    return target


def ending_of(file):
    return os.path.splitext(file)[1].lower()


class RowReader:
    """Frames of batches, in one process."""

    def __init__(self):
        self._kept = OrderedDict()

    def frame(self, work):
        """A pandas DataFrame."""
        import pandas as pd

        if "keys" in work:
            tables = [self._of_keys(self._group(*place), work["keys"]) for place in work["groups"]]
        else:
            tables = [
                self._group(file, number).slice(start, stop - start) for file, number, start, stop in work["slices"]
            ]
        # By pandas' own metadata columns would become an index, and be gone.
        frames = [table.to_pandas(ignore_metadata=True) for table in tables]
        return frames[0].reset_index(drop=True) if len(frames) == 1 else pd.concat(frames, ignore_index=True)

    def _of_keys(self, table, keys):
        import pyarrow.compute as pc

        for key, value in keys.items():
            (column,) = texts_of(table, [key])
            table = table.filter(pc.is_null(column) if value is None else pc.equal(column, value))
        return table

    def _group(self, file, number):
        import pyarrow.parquet as pq

        place = (file, number)
        if place not in self._kept:
            while len(self._kept) >= _KEPT:
                self._kept.popitem(last=False)
            self._kept[place] = pq.ParquetFile(file).read_row_group(number)
        self._kept.move_to_end(place)
        return self._kept[place]
