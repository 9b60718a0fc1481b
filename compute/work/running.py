"""A node's own work seen from the node: the order is made where the database is, and the report becomes a result."""

import logging
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from compute.data.desk import Desk
from compute.execution.bounds.step_bounds import limits_of
from compute.execution.handle import Handle
from compute.execution.processes import MARKER
from compute.execution.reasons import StepFailure, of_empty_output, of_large_output
from compute.execution.supervision import PlainProcess, spawn
from compute.services.leases import Lease
from compute.spec import JobResult, NodeWork, OutputRecord
from compute.work import registry
from compute.work.order import OrderMessage, Report, Source, StoreMessage, Target
from datastores.models import Datastore
from datastores.sources import FileDefinition, datastores_of
from datastores.tabular.isolated import quiet_environment, settings_that_open
from datastores.tabular.stores import specs_of
from studio.lib.problems import UserError

logger = logging.getLogger(__name__)

SAME = "all"  # in the place of the attempt's number, where each goes on with what those before it left


@dataclass
class OwnWork:
    """Of one attempt. `folder` is made by it."""

    lease: Lease
    work: NodeWork
    folder: Path
    handle: Handle
    desk: Desk

    @property
    def _answer(self) -> Path:
        return self.folder / "answer.json"

    def order(self) -> OrderMessage:
        """Raises StepFailure where a datastore is not the workspace's, or can't be opened."""
        function = registry.path_of(self.work.program)
        if function is None:
            raise StepFailure(f"This node's studio has no program “{self.work.program}”: install it there, too.")
        stores = self.desk.from_database(self._stores)
        spec = self.lease.spec
        limits = limits_of(spec.limits)
        return OrderMessage(
            function=function,
            settings=self.work.settings,
            datastores={name: each.datastore_id for name, each in self.work.datastores.items()},
            stores=stores,
            has_web=any(path.is_web for given in spec.inputs.values() for path in given.paths),
            inputs={
                name: Source(paths=each.paths, folders=each.folders, table=each.table)
                for name, each in spec.inputs.items()
            },
            outputs={name: self._target(name) for name in spec.outputs},
            folder=str(self.folder / "files"),
            timeout_s=spec.timeout_s,
            output_bytes=limits.output_bytes,
            memory_bytes=limits.memory_bytes,
            attempt=self.lease.attempt,
            django=settings_that_open(),
        )

    def begin(self, order: OrderMessage) -> PlainProcess:
        """Raises OSError."""
        (self.folder / "files").mkdir(parents=True)
        reading, writing = os.pipe()
        try:
            process = spawn(
                [sys.executable, "-m", "compute.work.process", str(self._answer)],
                cwd=str(settings.BASE_DIR),
                env={
                    **quiet_environment(),
                    "TMPDIR": str(self.folder / "files"),
                    "PYTHONUNBUFFERED": "1",
                    MARKER: self.handle.marker,
                },
                stdin=reading,
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        # It may be more than a pipe holds, and who should read it may die.
        threading.Thread(target=_hand_over, args=(writing, order.model_dump_json()), daemon=True).start()
        return PlainProcess(process)

    def report(self) -> Report | None:
        """None where it ended without one."""
        try:
            report = Report.model_validate_json(self._answer.read_bytes())
        except (OSError, ValueError):
            return None
        if report.trace:
            logger.error("the work of job %s broke: %s", self.lease.job_id, report.trace)
        return report

    def result(self, report: Report) -> JobResult:
        """Raises StepFailure where a required output is empty, or one is too large."""
        records: dict[str, OutputRecord] = {}
        limit = limits_of(self.lease.spec.limits).output_bytes
        for name, written in report.outputs.items():
            target, output = self._target(name), self.lease.spec.outputs[name]
            if output.required and not written.file_count:
                raise StepFailure(of_empty_output(name, output.file))
            if limit is not None and written.size_bytes > limit:
                raise StepFailure(of_large_output(name, written.size_bytes, limit))
            is_file = target.file is not None and written.file_count == 1
            records[name] = OutputRecord(
                datastore_id=target.datastore_id,
                path=f"{target.path}/{target.file}" if is_file else target.path,
                is_file=is_file,
                **written.model_dump(),
            )
        return JobResult(outputs=records)

    def _target(self, name: str) -> Target:
        output = self.lease.spec.outputs[name]
        return Target(
            datastore_id=output.datastore_id,
            path=output.path.replace("{attempt}", SAME if self._resumes else str(self.lease.attempt)),
            file=output.file,
            notes=f"{self.work.notes}/{name}",
            is_own=self._resumes and "{attempt}" in output.path,
        )

    @property
    def _resumes(self) -> bool:
        """Rows have no names by which a further attempt would find those that arrived."""
        return self.work.resumes and all(given.table is None for given in self.lease.spec.inputs.values())

    def _stores(self) -> dict[int, StoreMessage]:
        spec = self.lease.spec
        wanted = {each.datastore_id for each in self.work.datastores.values()}
        wanted |= {output.datastore_id for output in spec.outputs.values()}
        for given in spec.inputs.values():
            wanted |= datastores_of(given.table or FileDefinition(paths=given.paths))
        found = Datastore.objects.filter(workspace_id=self.lease.workspace_id).in_bulk(wanted)
        if missing := wanted - found.keys():
            removed = Datastore.everything.filter(workspace_id=self.lease.workspace_id, pk__in=missing).first()
            name = f"“{removed.name}”" if removed else str(min(missing))
            raise StepFailure(f"Datastore {name} has been removed. Choose another one for this step.")
        try:
            specs = specs_of(found.values())
        except UserError as error:
            raise StepFailure(str(error)) from error
        return {
            pk: StoreMessage(kind=each.kind, name=each.name, config=dict(each.config), secrets=dict(each.secrets))
            for pk, each in specs.specs.items()
        }


def _hand_over(writing: int, text: str) -> None:
    with suppress(BrokenPipeError), os.fdopen(writing, "w") as pipe:
        pipe.write(text)
