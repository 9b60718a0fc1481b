"""All of an archive: `run.sh`, the code, the lock of the environment, what the step read or how to fetch it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from django.urls import reverse

from compute import programs
from compute.execution.devices import thread_hints
from compute.execution.sdk import SDK, SDK_PACKAGE
from compute.services.locks import lock_of
from compute.spec import EnvironmentLock, JobInput
from datastores import snapshots
from datastores.content import CHUNK_BYTES, ContentStore
from datastores.models import Snapshot
from datastores.places import Places
from pipelines.branching import as_it_runs
from pipelines.models import StepRun
from pipelines.parts import Output
from pipelines.reproduction import readme
from pipelines.reproduction.inputs import members_of, stands_for
from pipelines.reproduction.run_script import PROGRAM, Place, Script
from pipelines.services.git_facts import DIFF_FILE
from pipelines.services.reading import Inputs
from studio.lib.problems import UserError
from studio.lib.zip_stream import Member, zip_pieces
from studio.workspaces.models import Workspace

_PROGRAM_FILE = Path(__file__).with_name("program.py")


@dataclass(frozen=True, slots=True)
class Archive:
    name: str  # of the file
    pieces: Iterator[bytes]


def archive_of(workspace: Workspace, step: StepRun, *, with_inputs: bool, studio: str) -> Archive:
    """`studio` is the address that the archive fetches from what it does not hold.

    Raises UserError where nobody knows yet what the step reads or runs in. The bytes raise FolderBroke where a file
    breaks while it is read.
    """
    if step.frozen.work is not None:
        raise UserError(
            "The node itself did this step, with credentials that no script sees: there is nothing to run elsewhere. "
            "Its settings are on its page."
        )
    if not step.frozen.step.has_job:
        raise UserError(f"“{step.name}” is a {step.frozen.step.label.lower()}: the studio does it, and nothing runs.")
    data = inputs_of(step)
    made = _Making(workspace, step, data, _lock(step), studio)
    top = f"{step.name}-of-run-{step.run_id}"
    texts = made.texts()
    code = _code(workspace.pk, step.frozen.snapshot)
    inputs = (
        member for name, given in data.items() for member in members_of(name, given, workspace.pk, below="inputs/")
    )
    members = chain(texts, code, inputs if with_inputs else ())
    return Archive(f"{top}.zip", zip_pieces(_below(top, members)))


def input_archive(workspace: Workspace, step: StepRun, name: str) -> Archive:
    """One input alone, as the archive has it below `inputs/`. Raises UserError; KeyError where there is none."""
    data = inputs_of(step)[name]
    return Archive(f"{name}.zip", zip_pieces(members_of(name, data, workspace.pk)))


def inputs_of(step: StepRun) -> dict[str, JobInput]:
    """What a step reads. Raises UserError where it is not known yet."""
    step.frozen = as_it_runs(step.run, step)
    known = Inputs.of([step])
    if missing := known.missing(step):
        raise UserError(f"{missing} Download this when the step before it is done.")
    return known.data(step)


def _place(output: Output) -> Place:
    folder = f"outputs/{output.name}"
    return Place(f"{folder}/{output.file}" if output.file else folder)


def _below(top: str, members: Iterator[Member]) -> Iterator[Member]:
    for each in members:
        yield Member(f"{top}/{each.path}", each.content, each.size_bytes, each.changed_at, each.is_executable)


def _lock(step: StepRun) -> EnvironmentLock | None:
    """Raises UserError where there should be one."""
    spec = step.frozen.environment
    lock = lock_of(spec.digest) if spec.is_managed else None
    if lock is None and spec.is_managed and (spec.pip or spec.conda):
        raise UserError(
            f"The environment {step.frozen.environment_name} was never built, so its exact packages are not known. "
            "Run the step, or build the environment, and download this then."
        )
    return lock


def _code(workspace_id: int, digest: str) -> Iterator[Member]:
    """Raises UserError where the studio lost it, before the first of its bytes is sent."""
    if not digest:
        return iter(())
    snapshot = Snapshot.objects.filter(workspace_id=workspace_id, digest=digest).first()
    store = ContentStore(workspace_id)
    files = snapshot.manifest.files if snapshot is not None else ()
    lost = next((file.path for file in files if not store.path(file.sha256).exists()), None)
    if snapshot is None or lost is not None:
        raise UserError(f"The studio has lost the code of this step{f': {lost}' if lost else ''}.")
    return (
        Member(f"code/{file.path}", _content(store, file.sha256), file.size_bytes, is_executable=bool(file.executable))
        for file in files
    )


def _content(store: ContentStore, sha256: str) -> Iterator[bytes]:
    with store.open(sha256) as stream:
        yield from iter(lambda: stream.read(CHUNK_BYTES), b"")


@dataclass(frozen=True, slots=True)
class _Making:
    workspace: Workspace
    step: StepRun
    data: Mapping[str, JobInput]
    lock: EnvironmentLock | None
    studio: str

    def texts(self) -> Iterator[Member]:
        frozen, spec = self.step.frozen, self.step.frozen.environment
        places = self._places()
        script = Script(
            title=f"“{self.step.name}” of run {self.step.run_id}",
            command=frozen.command,
            variables=frozen.environment_variables,
            hints=thread_hints(frozen.resources),
            places=places,
            outputs=[output.name for output in frozen.step.all_outputs],
            environment=spec,
            lock=self.lock,
            has_code=bool(frozen.snapshot),
            reads=bool(self.data),
        )
        yield Member.of_text("README.md", readme.text(self.step, self.lock, self.data, places))
        yield Member.of_text("run.sh", script.text(), is_executable=True)
        yield Member.of_text(PROGRAM, _PROGRAM_FILE.read_text(), is_executable=True)
        yield Member.of_text("step.json", f"{json.dumps(self._facts(places), indent=2)}\n")
        for file in sorted((SDK / SDK_PACKAGE).rglob("*.py")):
            yield Member.of_text(f"sdk/{file.relative_to(SDK)}", file.read_text())
        for path, file in self._programs():
            yield Member.of_text(f"programs/{path}", file.read_text())
        if spec.is_managed:
            yield Member.of_text("environment/requirements.txt", self.lock.requirements if self.lock else "")
        if self.lock is not None and self.lock.tool == "conda":
            yield Member.of_text("environment/conda.txt", self.lock.conda)
        if (changes := self._uncommitted()) is not None:
            yield Member.of_text(DIFF_FILE, changes)
        if spec.setup_script:
            yield Member.of_text("environment/setup.sh", f"{spec.setup_script.rstrip()}\n")

    def _places(self) -> dict[tuple[str, str], Place]:
        step = self.step.frozen.step
        outputs = {("outputs", output.name): _place(output) for output in step.all_outputs}
        used = {("programs", name): Place(f"programs/{file}") for name, file in self._program_names().items()}
        with Places(self.workspace.pk) as places:
            places.load(path for data in self.data.values() for path in data.paths)
            read = {("inputs", name): stands_for(name, data, places) for name, data in self.data.items()}
        return {**outputs, **used, **read}

    def _program_names(self) -> dict[str, str]:
        return {name: Path(file).name for name, file in self.step.frozen.step.programs.items()}

    def _programs(self) -> Iterator[tuple[str, Path]]:
        for name in self._program_names():
            if (program := programs.file_of(name)) is not None:
                yield from programs.members_of(program)

    def _uncommitted(self) -> str | None:
        """What its files have besides those of their commit; None where that is not kept."""
        git = self.step.frozen.step.git
        snapshot = Snapshot.objects.filter(workspace=self.workspace, digest=git.diff).first() if git else None
        try:
            return snapshots.read_text(snapshot, DIFF_FILE)[1] if snapshot else None
        except (KeyError, FileNotFoundError):
            return None

    def _facts(self, places: Mapping[tuple[str, str], Place]) -> dict[str, Any]:
        """What the program of the archive knows of the step."""
        records = self.step.outputs.outputs if self.step.outputs else {}
        git = self.step.frozen.step.git
        return {
            "run": f"run {self.step.run_id}",
            "step": self.step.name,
            "studio": self.studio,
            "git": git.model_dump(exclude={"diff", "source"}) if git else None,
            "inputs": [
                {
                    "name": name,
                    "download": None if places["inputs", name].is_address else self._download(name),
                }
                for name in self.data
            ],
            "outputs": [
                {
                    "name": output.name,
                    "file": output.file,
                    "fingerprint": records[output.name].fingerprint if output.name in records else None,
                }
                for output in self.step.frozen.step.all_outputs
            ],
        }

    def _download(self, name: str) -> str:
        return reverse("api-step-input-download", args=[self.workspace.slug, self.step.run_id, self.step.name, name])
