"""Data from one place to another: files to any datastore, a table to files, files or a table to a table."""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from compute.spec import NodeWork
from pipelines.kinds.interface import Example, Opens, Place, SourceFiles, StepBase
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders

_PROGRAM = "transfer"
_DATABASE = "database"
_MOST_CHARACTERS = 63  # of a table's name, on the strictest of the servers
_TO_A_TABLE = "Ran: it writes to a table, and an earlier run's result says nothing about what is there now."


class TransferStep(StepBase):
    """Moves its one input to its one output, or to a table.

    Files stay as they are, or what they hold as a table is written in another `format`; the rows of a table are written
    as Parquet unless told otherwise. Every file is verified by size and SHA-256 where it arrives, and a further attempt
    moves only what has not arrived. The node does it: the credentials of the datastores reach no script.
    """

    label: ClassVar[str] = "Data transfer"
    icon: ClassVar[str] = "arrows-exchange"
    summary: ClassVar[str] = "Moves data between datastores, to and from tables, and verifies what arrives."
    card_field: ClassVar[str] = "table"
    takes_inputs: ClassVar[Literal["any", "one", "none"]] = "one"
    works: ClassVar[Mapping[str, str]] = MappingProxyType({_PROGRAM: "compute.work.transfer.work"})

    kind: Literal["transfer"] = "transfer"
    format: Literal["", "parquet", "csv", "json_lines"] = Field(
        default="",
        title="Format",
        description="For another one, the files are read as one table, and its rows written anew.",
        json_schema_extra={
            "choices": {
                "": "Files as they are, tables as Parquet",
                "parquet": "Parquet",
                "csv": "CSV",
                "json_lines": "JSON lines",
            }
        },
    )
    existing: Literal["fail", "replace", "skip"] = Field(
        default="fail",
        title="What is there already",
        description="What no file of the input has the name of stays in any case.",
        json_schema_extra={
            "choices": {
                "fail": "Fail, and change nothing",
                "replace": "Replace it",
                "skip": "Leave files of the same content, replace the others",
            }
        },
    )
    datastore: str = Field(
        default="",
        title="Database",
        description="For a table as the destination: the step has no output then.",
        json_schema_extra={"widget": "datastore", "fed": "text"},
    )
    table: str = Field(
        default="",
        title="Table",
        description="As in sales, or public.sales. It is made where there is none. All rows come at once, or none.",
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (it always does)
        return Example({})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {}

    def opens(self) -> Mapping[Place, Opens]:
        if not self.datastore:
            return {}
        return {"datastore": Opens(_DATABASE, self.datastore, "tables", writes=True)}

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:  # noqa: ARG002 (it has none)
        if not self.inputs:
            yield "inputs", "Add the input that is to be moved: a dataset, a path or another step's output."
        for index, given in enumerate(self.inputs):
            if index:
                yield ("inputs", index, "name"), "A transfer moves one input. Add another step for this one."
            elif given.optional:
                yield ("inputs", index, "optional"), "What is moved can't be absent: let the input be required."
        yield from self._table_problems() if self.datastore or self.table else self._output_problems()

    def _table_problems(self) -> Iterator[tuple[Place, str]]:
        parts = self.table.split(".")
        if not self.datastore:
            yield "datastore", "Choose the database that the table lies in."
        if not self.table:
            yield "table", "Name the table, as in “sales”."
        elif "${{" in self.table:
            yield "table", "Nothing is put into the name of a table: write it out, as in “sales”."
        elif len(parts) > 2 or not all(part.strip() and part.isprintable() for part in parts):
            yield "table", "Name a table, as in “sales”, or with its schema, as in “public.sales”."
        elif any(len(part) > _MOST_CHARACTERS for part in parts):
            yield "table", f"The name of a table can have {_MOST_CHARACTERS} characters."
        if self.existing == "skip":
            yield "existing", "Rows of a table can't be left where they are the same. Let it fail, or replace them."
        if self.format:
            yield "format", "The destination is a table, and no file is written. Take the format away."
        for index in range(len(self.outputs)):
            yield ("outputs", index, "name"), "The destination is a table. Take the output away, or the table."

    def _output_problems(self) -> Iterator[tuple[Place, str]]:
        if not self.outputs:
            yield "outputs", "Add the output that the data goes to, or name a table."
        for index in range(1, len(self.outputs)):
            yield ("outputs", index, "name"), "A transfer has one destination. Add another step for this one."

    @property
    def subtitle(self) -> str:
        if self.table:
            return f"to the table {self.table}"
        output = self.outputs[0] if self.outputs else None
        place = ": ".join(filter(None, (output.datastore, output.path))) if output else ""
        return f"to {place}" if place else ""

    @property
    def never_reused(self) -> str:
        return _TO_A_TABLE if self.datastore else ""

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:  # noqa: ARG002
        return []

    def work(self, values: Mapping[str, ParameterValue]) -> NodeWork:  # noqa: ARG002 (no text holds any)
        settings: dict[str, JsonValue] = {"format": self.format, "existing": self.existing, "table": self.table}
        return NodeWork(program=_PROGRAM, settings=settings, resumes=not (self.format or self.table))
