"""What the process of a node's own work is told, and what it reports: plain JSON on both ways."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from datastores.sources import DataPath, TabularDefinition
from datastores.tabular.stores import StoreSpec, StoreSpecs


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Message):
    """An input: files, or the rows of a table."""

    paths: list[DataPath] = Field(default_factory=list)
    folders: list[str] = Field(default_factory=list)  # as of a `JobInput`
    table: TabularDefinition | None = None


class Target(Message):
    """An output: a folder of a datastore, of which `file` may be the one file. `notes` is a folder for our own notes,
    the same for all attempts of the step; `is_own` where the folder is, too, and nobody else writes there."""

    datastore_id: int
    path: str
    file: str | None = None
    notes: str = ""
    is_own: bool = False


class StoreMessage(Message):
    kind: str
    name: str
    config: dict[str, JsonValue]
    secrets: dict[str, str] = Field(repr=False)


class OrderMessage(Message):
    """All of it, on its way over the pipe."""

    function: str
    settings: dict[str, JsonValue]
    datastores: dict[str, int]
    stores: dict[int, StoreMessage] = Field(repr=False)
    has_web: bool
    inputs: dict[str, Source]
    outputs: dict[str, Target]
    folder: str
    timeout_s: float | None
    output_bytes: int | None
    memory_bytes: int | None
    attempt: int
    django: dict[str, Any]  # settings that decide what may be opened

    @property
    def specs(self) -> StoreSpecs:
        return StoreSpecs(
            {pk: StoreSpec(each.kind, each.name, each.config, each.secrets) for pk, each in self.stores.items()},
            self.has_web,
        )

    def order(self, stop: "Stop") -> "Order":
        return Order(
            settings=self.settings,
            datastores=self.datastores,
            specs=self.specs,
            inputs=self.inputs,
            outputs=self.outputs,
            folder=Path(self.folder),
            timeout_s=self.timeout_s,
            output_bytes=self.output_bytes,
            attempt=self.attempt,
            stop=stop,
        )


class Stop:
    """Somebody wants the end of the work: whoever waits for a server says how that is ended."""

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self._enders: list[Callable[[], None]] = []

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """While this lasts, `end` is called from another thread when the end is wanted."""
        self._enders.append(end)
        try:
            yield
        finally:
            self._enders.remove(end)

    def now(self) -> None:
        self.wanted.set()
        for end in list(self._enders):
            with suppress(Exception):
                end()


@dataclass(frozen=True)
class Order:
    """What there is to do. `specs` opens the stores of inputs, outputs and `datastores` (ids by the program's names).

    `folder` is empty, on this machine, and gone after the attempt. `timeout_s` is held by the node; who asks a server
    tells it, too. So are its other limits; that of the size of outputs is held by who writes them.
    """

    settings: Mapping[str, JsonValue]
    datastores: Mapping[str, int]
    specs: StoreSpecs = field(repr=False)
    inputs: Mapping[str, Source]
    outputs: Mapping[str, Target]
    folder: Path
    timeout_s: float | None = None
    output_bytes: int | None = None  # of each output
    attempt: int = 1
    stop: Stop = field(default_factory=Stop)

    def say(self, text: str) -> None:
        """A line of the step's log."""
        print(text, flush=True)  # noqa: T201 (that is the log)


class Written(Message):
    """What was left in an output; the fingerprint as `compute.execution.outputs` makes it."""

    fingerprint: str
    file_count: int
    size_bytes: int


class Report(Message):
    """How it went. A failure is a sentence; `may_retry` where another attempt may well go better."""

    outputs: dict[str, Written] = Field(default_factory=dict)
    failure: str = ""
    may_retry: bool = False
    trace: str = ""  # of a fault of ours, for the node's own log
