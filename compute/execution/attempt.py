"""The story of one attempt: prepare, run, record. It decides nothing about the job; it reports an outcome."""

import logging
import re
import shlex
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from compute.data.attempt import AttemptData
from compute.data.desk import Desk
from compute.database import patiently
from compute.environments.building import BuiltEnvironment, make_ready
from compute.execution.devices import devices_visible, thread_hints
from compute.execution.folders import AttemptFolders
from compute.execution.handle import Handle, InterruptedByWish, Wish
from compute.execution.processes import MARKER
from compute.execution.reasons import (
    StepFailure,
    is_full_disk,
    of_exit,
    of_full_disk,
    of_ours,
    of_spawn,
    of_timeout,
)
from compute.execution.supervision import Cause, Ended, Supervisor, spawn
from compute.logs.lines import Stream
from compute.logs.writer import LeaseLostError, LogFullError, LogWriter
from compute.retrying import Failure
from compute.services.leases import Lease, Outcome, start
from compute.states import JobStatus

logger = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs)\.([^\s{}]+?)\s*\}\}")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Attempt:
    """Runs on the thread of its slot."""

    lease: Lease
    handle: Handle
    log: LogWriter

    def __post_init__(self) -> None:
        self.folders = AttemptFolders(self.lease)
        self.data = AttemptData(self.lease, self.folders.root, Desk(self.handle, self.log))

    def run(self) -> Outcome:
        """Never raises but LeaseLostError: whatever goes wrong is the attempt's outcome."""
        try:
            with self.data:
                return self._run()
        except InterruptedByWish as interruption:
            return self._interrupted(interruption.wish)
        except StepFailure as failure:
            return self._failed(failure.reason, failure="passing" if failure.may_retry else None)
        except LogFullError:
            return self._failed(_of_full_log())
        except LeaseLostError:
            raise
        except Exception as error:
            if is_full_disk(error):
                return self._failed(of_full_disk("the step could not be prepared or recorded"))
            logger.exception("attempt %s of job %s broke", self.lease.attempt, self.lease.job_id)
            return self._failed(of_ours(error, "run this step"))

    def _run(self) -> Outcome:
        self.handle.check()
        environment = make_ready(self.lease.spec.environment, handle=self.handle, say=self._feed)
        self.folders.make(environment.home)
        self.data.bring()
        self.handle.check()
        ended = self._execute(environment)
        if ended.cause is not None:
            return self._made_to_end(ended, ended.cause)
        if ended.exit_code != 0:
            reason = of_exit(ended.exit_code, folder_gone=not self.folders.code.exists())
            return self._failed(reason, exit_code=ended.exit_code, failure="exit")
        result = self.data.take_away()
        return Outcome(JobStatus.COMPLETED, exit_code=0, result=result)

    def _execute(self, environment: BuiltEnvironment) -> Ended:
        command = self._command(environment)
        try:
            process = spawn(command, cwd=str(self.folders.code), env=self._variables(environment))
        except OSError as error:
            raise StepFailure(of_spawn(error, self.lease.spec.command[0])) from error
        self.handle.root = process.pid
        supervisor = Supervisor(process, log=self.log, handle=self.handle, timeout_s=self.lease.spec.timeout_s)
        started_at = timezone.now()

        def say_that_it_runs() -> None:
            if not patiently(lambda: start(self.lease, started_at), go_on=lambda: self.handle.wish != "fence"):
                raise LeaseLostError

        try:
            return supervisor.watch(first=say_that_it_runs)
        finally:
            self.handle.root = None

    def _command(self, environment: BuiltEnvironment) -> list[str]:
        places = {
            **{("inputs", name): place for name, place in self.data.inputs.items()},
            **{("outputs", name): str(output.folder) for name, output in self.data.outputs.items()},
        }

        def place(match: re.Match[str]) -> str:
            found = places.get((match[1], match[2]))
            if found is None:
                raise StepFailure(f"The arguments name {match[0]}, and the step has no such {match[1][:-1]}.")
            return found

        command = [_PLACEHOLDER.sub(place, part) for part in self.lease.spec.command]
        if not command or any("\0" in part for part in command):
            raise StepFailure(f"This is no command: {shlex.join(command)!r}.")
        return [str(environment.python), *command[1:]] if command[0] == "python" else command

    def _variables(self, environment: BuiltEnvironment) -> dict[str, str]:
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
            **self.lease.spec.environment_variables,
            # Nobody gives themselves a device: another step may have it.
            **devices_visible(self.lease.gpus),
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
            case "log full":
                return self._failed(_of_full_log(), exit_code=ended.exit_code)
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

    def _failed(self, reason: str, *, failure: Failure | None = None, exit_code: int | None = None) -> Outcome:
        self._say(reason)
        return Outcome(JobStatus.FAILED, exit_code=exit_code, reason=reason, failure=failure)

    def _say(self, text: str) -> None:
        """Last words. A log that is full does without them."""
        try:
            self.log.say(text)
        except LogFullError:
            logger.info("the log of job %s is full", self.lease.job_id)


def _of_full_log() -> str:
    limit = settings.LOG_LIMIT_BYTES
    size = f"{limit / 1024**3:g} GB" if limit >= 1024**3 else f"{limit:,} bytes"
    return f"The step's log grew beyond its limit of {size} and the step was ended: write large output to a file."
