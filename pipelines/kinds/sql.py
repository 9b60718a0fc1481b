"""Statements on a datastore that is a database; what the last one answers becomes an output."""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from compute.spec import NodeWork
from datastores.backends.statements import Tongue, statements_of
from pipelines.kinds.interface import Example, Opens, Place, SourceFiles, StepBase
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.value_text import parse
from studio.lib.problems import UserError

_PROGRAM = "sql"
_DATABASE = "database"
_TONGUES: tuple[Tongue, ...] = ("postgresql", "mysql", "sqlite")
_WRITES = "Ran: it may write to a database, and an earlier run's result says nothing about what is there now."
_UNTOLD = (
    "Ran: nobody can tell whether “{datastore}” still answers the same. Where it does for the same statements and "
    "values, its settings can say so."
)


class SqlStep(StepBase):
    """Runs `statements` on a SQL datastore, one after the other, as one transaction.

    `${{parameters.NAME}}` stands for a value, never for a part of a statement; an absent one is NULL. Where the step
    has an output, it gets the rows of the last statement as Parquet. The node does it: the credentials of the datastore
    reach no script.
    """

    label: ClassVar[str] = "SQL"
    icon: ClassVar[str] = "database"
    summary: ClassVar[str] = "Runs SQL on a database; what it answers becomes an output."
    card_field: ClassVar[str] = "statements"
    takes_inputs: ClassVar[Literal["any", "one", "none"]] = "none"
    works: ClassVar[Mapping[str, str]] = MappingProxyType({_PROGRAM: "compute.work.sql.work"})

    kind: Literal["sql"] = "sql"
    datastore: str = Field(
        default="",
        title="Database",
        description="A SQL datastore. To write to it, an owner must have turned on “Steps may write” in its settings.",
        json_schema_extra={"widget": "datastore", "fed": "text"},
    )
    statements: str = Field(
        default="",
        title="Statements",
        description="Separated by semicolons, and committed together at the end. A parameter's value goes to the "
        "server as a value: it needs no quotes. The rows of the last one become the output, as Parquet.",
        json_schema_extra={"widget": "sql"},
    )
    reads_only: bool = Field(
        default=True,
        title="Only read",
        description="Each statement is one SELECT, in a read-only transaction.",
    )
    may_be_reused: bool = Field(
        default=False,
        title="The same statements and values give the same rows",
        description="An earlier result may be taken then: the studio can't tell whether the tables have changed.",
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (it has no inputs)
        return Example({"statements": "SELECT 1 AS number, 'Hello from this step.' AS greeting"})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {"statements": parse(self.statements)}

    def opens(self) -> Mapping[Place, Opens]:
        return {"datastore": Opens(_DATABASE, self.datastore, "tables", writes=not self.reads_only)}

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:  # noqa: ARG002 (it has none)
        if not self.statements.strip():
            yield "statements", "Write a statement, as in “SELECT * FROM sales WHERE day = ${{parameters.day}}”."
        elif any(part.scope in {"inputs", "outputs"} for part in parse(self.statements).placeholders):
            yield "statements", "Only parameters can stand in SQL: a database sees no files."
        elif sentence := _unreadable(self.statements):
            yield "statements", sentence
        for index in range(len(self.inputs)):
            yield (
                ("inputs", index, "name"),
                "A SQL step reads its datastore and no inputs. Take it away; “Runs after” says what must come first.",
            )
        for index in range(1, len(self.outputs)):
            yield ("outputs", index, "name"), "The rows of the last statement are one output. Take this one away."

    @property
    def never_reused(self) -> str:
        if not self.reads_only:
            return _WRITES
        return "" if self.may_be_reused else _UNTOLD.format(datastore=self.datastore)

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:  # noqa: ARG002
        return []

    def work(self, values: Mapping[str, ParameterValue]) -> NodeWork:
        names = {part.name for part in parse(self.statements).placeholders}
        given: dict[str, JsonValue] = {name: values.get(name) for name in sorted(names)}
        settings: dict[str, JsonValue] = {"statements": self.statements, "values": given, "reads_only": self.reads_only}
        return NodeWork(program=_PROGRAM, settings=settings)


def _unreadable(text: str) -> str | None:
    """A sentence where no server could read it; which one it is for is known when it runs."""
    sentences: list[str] = []
    for tongue in _TONGUES:
        try:
            statements_of(text, tongue)
        except UserError as error:
            sentences.append(error.problems[0].message)
    return sentences[0] if len(sentences) == len(_TONGUES) else None
