"""The story of one attempt: prepare, run, record. It decides nothing about the job; it reports an outcome."""

import contextlib
import json
import logging
import re
import shlex
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from compute.data.artifacts import Artifacts
from compute.data.attempt import AttemptData
from compute.data.desk import Desk
from compute.database import patiently
from compute.environments.building import ready_environment
from compute.environments.places import BuiltEnvironment
from compute.execution.bounds.out_of_memory import MachineMemory
from compute.execution.bounds.step_bounds import Bounds, StepBounds, limits_of
from compute.execution.devices import devices_visible, thread_hints
from compute.execution.folders import AttemptFolders
from compute.execution.handle import Handle, InterruptedByWish, Wish
from compute.execution.processes import MARKER
from compute.execution.reasons import (
    StepFailure,
    is_full_disk,
    of_exit,
    of_full_disk,
    of_killed_for_memory,
    of_large_output,
    of_memory_limit,
    of_ours,
    of_spawn,
    of_timeout,
)
from compute.execution.sandbox.isolation import Isolation
from compute.execution.sandbox.planning import plan_for
from compute.execution.sandbox.process import CommandNotStartedError
from compute.execution.sdk import DATA, SPOOL, UPLOADS, sdk_variables
from compute.execution.starting import Start, begin, expect
from compute.execution.supervision import Cause, Ended, StepProcess, Supervisor
from compute.execution.usage.folders import is_larger
from compute.execution.usage.meter import Meter
from compute.execution.usage.sampler import Sampler
from compute.execution.usage.series import UsageSeries, UsageTotals
from compute.execution.warm.process import WarmProcess
from compute.execution.web_access import web_variables
from compute.logs.lines import Stream
from compute.logs.writer import LeaseLostError, LogFullError, LogWriter
from compute.metrics.spool import SpoolFile
from compute.metrics.writer import MetricWriter
from compute.programs import lay_out
from compute.retrying import Failure
from compute.services.builds import Builder
from compute.services.leases import Lease, Outcome
from compute.services.leases import start as record_start
from compute.sizes import size_words
from compute.spec import JobResult, NodeWork
from compute.states import JobStatus
from compute.work.running import OwnWork
from studio.lib.clock import clock

logger = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs|programs)\.([^\s{}]+?)\s*\}\}")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Attempt:
    """Runs on the thread of its slot."""

    lease: Lease
    handle: Handle
    log: LogWriter
    bounds: Bounds
    sampler: Sampler
    isolation: Isolation

    def __post_init__(self) -> None:
        self.limits = limits_of(self.lease.spec.limits)
        self.totals = UsageTotals()
        self.series: UsageSeries | None = None
        self.folders = AttemptFolders(self.lease)
        self.artifacts = Artifacts(self.lease, self.folders, limit_bytes=self.limits.output_bytes)
        self.environment = contextlib.ExitStack()  # holds it as long as the attempt lasts
        self.metrics: MetricWriter | None = None
        self.data = AttemptData(self.lease, self.folders.root, Desk(self.handle, self.log))

    def run(self) -> Outcome:
        """Never raises but LeaseLostError: whatever goes wrong is the attempt's outcome."""
        try:
            with self.environment, self.data:
                return self._run()
        except InterruptedByWish as interruption:
            return self._interrupted(interruption.wish)
        except StepFailure as failure:
            return self._failed_for(failure)
        except LogFullError:
            return self._failed(self._of_full_log())
        except LeaseLostError:
            raise
        except Exception as error:
            if self.handle.wish == "fence":
                raise LeaseLostError from error  # whatever it was: nobody asks how this attempt ended
            if is_full_disk(error):
                return self._failed(of_full_disk("the step could not be prepared or recorded"))
            logger.exception("attempt %s of job %s broke", self.lease.attempt, self.lease.job_id)
            return self._failed(of_ours(error, "run this step"))

    def _run(self) -> Outcome:
        self.handle.check()
        if self.lease.spec.work is not None:
            return self._work(self.lease.spec.work)
        environment = self.environment.enter_context(
            ready_environment(
                self.lease.spec.environment,
                builder=self._builder(),
                handle=self.handle,
                say=self._feed,
                isolation=self.isolation,
            )
        )
        expect(self._start(self.lease.spec.command, self.lease.spec.environment_variables, environment))
        self.folders.make(environment.home)
        self.artifacts.remember_source()
        self.metrics = self._metrics()
        self.data.bring()
        self.handle.check()
        outcome = self._outcome(self._execute(environment))
        if outcome.status in {JobStatus.FAILED, JobStatus.CANCELLED}:
            outcome = replace(outcome, result=self.data.keep(limit_bytes=self.limits.output_bytes))
        return self._with_artifacts(outcome)

    def _with_artifacts(self, outcome: Outcome) -> Outcome:
        """What a step leaves beside its outputs is kept however it ended, but where it begins anew."""
        if outcome.status == JobStatus.QUEUED:
            return outcome
        artifacts = self.artifacts.keep(self.data.desk)
        if artifacts is None:
            return outcome
        return replace(outcome, result=(outcome.result or JobResult()).model_copy(update={"artifacts": artifacts}))

    def _work(self, work: NodeWork) -> Outcome:
        """What the node does itself: it needs no environment, and moves its data on its own."""
        self.folders.make_root()
        own = OwnWork(self.lease, work, self.folders.root / "work", self.handle, Desk(self.handle, self.log))
        order = own.order()
        self.handle.check()
        ended = self._bounded(lambda _bounds: own.begin(order))
        if ended.cause is not None:
            return self._made_to_end(ended, ended.cause)
        report = own.report()
        if report is not None and report.failure:
            raise StepFailure(report.failure, may_retry=report.may_retry)
        if ended.exit_code != 0 or report is None:
            return self._failed_by_itself(ended)
        return Outcome(JobStatus.COMPLETED, exit_code=0, result=own.result(report))

    def _outcome(self, ended: Ended) -> Outcome:
        if ended.cause is not None:
            return self._made_to_end(ended, ended.cause)
        if ended.exit_code != 0:
            return self._failed_by_itself(ended)
        try:
            self._refuse_large_outputs()
            return Outcome(JobStatus.COMPLETED, exit_code=0, result=self.data.take_away())
        except StepFailure as failure:
            return self._failed_for(failure)
        except InterruptedByWish as interruption:
            return self._interrupted(interruption.wish)

    def _builder(self) -> Builder:
        lease = self.lease
        return Builder(lease.node_id, lease.node_name, socket.gethostname(), lease.target_id)

    def _metrics(self) -> MetricWriter:
        """Closed with the environment. Raises OSError."""
        spool = SpoolFile(self.folders.spool)
        self.environment.callback(spool.close)
        return MetricWriter(
            spool,
            job_id=self.lease.job_id,
            owner=self.lease.owner,
            attempt_id=self.lease.attempt_id,
            attempt=self.lease.attempt,
            say=self.log.say,
            go_on=lambda: self.handle.wish != "fence",
        )

    def _tell_places(self) -> None:
        """For `Run.input_datasets`. In a file, since a variable may be too short for many inputs. Raises OSError."""
        inputs = self.lease.spec.inputs
        said = {
            "inputs": {
                name: {"path": path, "is_table": inputs[name].table is not None}
                for name, path in self.data.inputs.items()
            },
            "outputs": {name: str(output.place) for name, output in self.data.outputs.items()},
        }
        self.folders.data.write_text(json.dumps(said))

    def _execute(self, environment: BuiltEnvironment) -> Ended:
        self._tell_places()
        start = self._shut_in(self._start(self._command(), self._own_variables(), environment))
        return self._bounded(lambda bounds: begin(start, bounds.take_in))

    def _bounded(self, begin_process: Callable[[StepBounds], StepProcess]) -> Ended:
        """Within the attempt's limits."""
        with self.bounds.of_step(self.lease.token.hex, self.limits) as bounds:
            if words := bounds.words:
                self._say(f"Limits: {words}.")
            self.machine = MachineMemory()
            try:
                process = begin_process(bounds)
            except OSError as error:
                raise StepFailure(of_spawn(error, self._program)) from error
            return self._watched(process, bounds)

    def _watched(self, process: StepProcess, bounds: StepBounds) -> Ended:
        self.handle.root = process.pid
        if isinstance(process, WarmProcess):
            logger.debug("attempt %s of job %s starts warm", self.lease.attempt, self.lease.job_id)
        supervisor = Supervisor(
            process,
            log=self.log,
            handle=self.handle,
            timeout_s=self.lease.spec.timeout_s,
            metrics=self.metrics,
        )
        started_at = clock.now()

        def say_that_it_runs() -> None:
            if not patiently(lambda: record_start(self.lease, started_at), go_on=lambda: self.handle.wish != "fence"):
                raise LeaseLostError

        meter = self.meter = Meter(
            self.lease.attempt_id,
            self.handle,
            process.pid,
            self.limits,
            outputs={name: output.folder for name, output in self.data.outputs.items()},
            folders=[self.folders.code, self.folders.tmp],
            holds_memory=bounds.group is not None,
            cpus=bounds.cpus,
        )
        ended: Ended | None = None
        try:
            bounds.take_in(process.pid)
            self.sampler.begin(meter)
            ended = supervisor.watch(first=say_that_it_runs)
            if self.metrics is not None:
                self.metrics.read_rest()
        except CommandNotStartedError as error:
            raise StepFailure(of_spawn(error.error, self._program)) from error
        finally:
            self.handle.root = None
            process.close()
            self.sampler.end(meter)
            self.totals = meter.close(ended.account if ended else None)
            self.series = meter.series()
            self.was_killed_for_memory = bounds.group is not None and bounds.group.out_of_memory
        return ended

    def _failed_by_itself(self, ended: Ended) -> Outcome:
        """The command's exit code is not 0, and nobody here ended it."""
        code = ended.exit_code
        if self.was_killed_for_memory and self.limits.memory_bytes is not None:
            return self._failed(of_memory_limit(self.limits.memory_bytes), exit_code=code, failure="memory")
        ran_out = self.machine.ran_out()
        killed = self.machine.killed(self.meter.ever) if ran_out else None
        if killed is not None:
            reason = of_killed_for_memory(killed.name, killed.memory_bytes)
            return self._failed(reason, exit_code=code, failure="memory")
        folder_gone = self.lease.spec.work is None and not self.folders.code.exists()
        reason = of_exit(code, folder_gone=folder_gone, ran_out=ran_out)
        is_memory = ran_out and code in {-signal.SIGKILL, 128 + signal.SIGKILL}
        return self._failed(reason, exit_code=code, failure="memory" if is_memory else "exit")

    def _refuse_large_outputs(self) -> None:
        """Before anything of them is read or brought away. Raises StepFailure."""
        limit = self.limits.output_bytes
        if limit is None:
            return
        for name, output in self.data.outputs.items():
            size_bytes = is_larger(output.folder, limit)
            if size_bytes is not None:
                raise StepFailure(of_large_output(name, size_bytes, limit))

    def _start(self, command: list[str], own: Mapping[str, str], environment: BuiltEnvironment) -> Start:
        """`own` are the job's variables, before or after its places were filled in."""
        is_python = command[:1] == ["python"]
        said = {**self.lease.spec.environment.variables, **own}
        web = web_variables(said, self.lease)
        return Start(
            command=[str(environment.python), *command[1:]] if is_python else command,
            cwd=str(self.folders.code),
            variables=self._variables(said, web, environment),
            environment=environment,
            snapshot=self.lease.spec.snapshot,
            has_places_in_variables=self._has_places_in_variables,
            of_it_alone=frozenset(web),
        )

    def _shut_in(self, start: Start) -> Start:
        """In its sandbox, once all that it may see is there."""
        sandbox = self.isolation.sandbox
        if sandbox is None:
            self._say(self.isolation.sentence)
            return start
        plan = plan_for(
            sandbox,
            environment=start.environment,
            folders=self.folders,
            inputs=self.data.in_place,
            outputs=[output.folder for output in self.data.outputs.values() if not output.is_uploaded],
            has_gpus=bool(self.lease.gpus),
        )
        return replace(start, sandbox=sandbox, plan=plan)

    @property
    def _program(self) -> str:
        return self.lease.spec.work.program if self.lease.spec.work else self.lease.spec.command[0]

    def _command(self) -> list[str]:
        command = [self._placed(part, "arguments") for part in self.lease.spec.command]
        if not command or any("\0" in part for part in command):
            raise StepFailure(f"This is no command: {shlex.join(command)!r}.")
        return command

    def _own_variables(self) -> dict[str, str]:
        given = self.lease.spec.environment_variables
        return {name: self._placed(value, "environment variables") for name, value in given.items()}

    @property
    def _has_places_in_variables(self) -> bool:
        return any(map(_PLACEHOLDER.search, self.lease.spec.environment_variables.values()))

    def _placed(self, text: str, what: str) -> str:
        """With the paths that its placeholders stand for. Raises StepFailure."""

        def place(match: re.Match[str]) -> str:
            scope, name = match[1], match[2]
            if scope == "inputs" and name in self.data.inputs:
                return self.data.inputs[name]
            if scope == "outputs" and name in self.data.outputs:
                return str(self.data.outputs[name].place)
            program = lay_out(name, self.folders.programs) if scope == "programs" else None
            if program is None:
                raise StepFailure(f"The {what} name {match[0]}, and the step has no such {scope[:-1]}.")
            return str(program)

        return _PLACEHOLDER.sub(place, text)

    def _variables(
        self, said: Mapping[str, str], web: Mapping[str, str], environment: BuiltEnvironment
    ) -> dict[str, str]:
        """All that the process is told: nothing of the node's own environment."""
        return {
            "PATH": f"{environment.bin}:{_SYSTEM_PATH}",
            "HOME": str(self.folders.home),
            "TMPDIR": str(self.folders.tmp),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            "PIP_REQUIRE_VIRTUALENV": "1",
            "VIRTUAL_ENV": str(environment.folder),
            **thread_hints(self.lease.spec.resources),
            **said,
            # Nobody gives themselves a device: another step may have it.
            **devices_visible(self.lease.gpus),
            **sdk_variables(said, environment),
            **web,
            SPOOL: str(self.folders.spool),
            UPLOADS: str(self.folders.uploads),
            DATA: str(self.folders.data),
            MARKER: self.handle.marker,
        }

    def _feed(self, data: bytes) -> None:
        stream: Stream = "s"
        self.log.feed(stream, data)
        self.log.store_if_due()

    def _made_to_end(self, ended: Ended, cause: Cause) -> Outcome:
        match cause:
            case "timeout":
                assert self.lease.spec.timeout_s is not None
                return self._failed(of_timeout(self.lease.spec.timeout_s), exit_code=ended.exit_code, failure="timeout")
            case "breach":
                assert self.handle.breach is not None
                failure: Failure | None = "memory" if self.handle.breach.limit == "memory" else None
                return self._failed(self.handle.breach.reason, exit_code=ended.exit_code, failure=failure)
            case "log full":
                return self._failed(self._of_full_log(), exit_code=ended.exit_code)
            case "disk full":
                reason = of_full_disk("the step's log could not be stored")
                return self._failed(reason, exit_code=ended.exit_code)
            case _:
                return self._interrupted(cause, ended.exit_code)

    def _interrupted(self, wish: Wish, exit_code: int | None = None) -> Outcome:
        if wish == "fence":
            raise LeaseLostError
        if wish == "cancel":
            self._say("Cancelled: every process of the step has been ended.")
            return Outcome(JobStatus.CANCELLED, exit_code=exit_code, reason="Cancelled.")
        reason = "The node was stopped; the step starts again from its beginning."
        self._say(reason)
        return Outcome(JobStatus.QUEUED, exit_code=exit_code, reason=reason)

    def _failed_for(self, failure: StepFailure) -> Outcome:
        return self._failed(failure.reason, failure="passing" if failure.may_retry else None)

    def _failed(self, reason: str, *, failure: Failure | None = None, exit_code: int | None = None) -> Outcome:
        self._say(reason)
        return Outcome(JobStatus.FAILED, exit_code=exit_code, reason=reason, failure=failure)

    def _of_full_log(self) -> str:
        limit = size_words(self.log.limit_bytes)
        return f"The step's log grew beyond its limit of {limit} and the step was ended: write large output to a file."

    def _say(self, text: str) -> None:
        """Last words. A log that is full does without them."""
        try:
            self.log.say(text)
        except LogFullError:
            logger.info("the log of job %s is full", self.lease.job_id)
