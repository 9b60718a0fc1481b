"""Why an attempt ended, in words. A user's failure and our own are told apart by their first words."""

import errno
import signal

from compute.sizes import size_words

_MAX_LENGTH = 2000


class StepFailure(Exception):  # noqa: N818 (an outcome)
    """The step can't go on, for a reason that its author or an administrator can mend."""

    def __init__(self, reason: str, *, may_retry: bool = False) -> None:
        super().__init__(reason)
        self.reason = bounded(reason)
        self.may_retry = may_retry


def of_exit(code: int, *, folder_gone: bool = False, ran_out: bool | None = None) -> str:
    """`code` as Python reports it: negative for a signal. `ran_out`: whether the machine did meanwhile, if known."""
    if code < 0:
        reason = f"The script was {by_signal(-code)}."
        if -code == signal.SIGKILL:
            reason += f" The studio did not send it{_OF_MEMORY[ran_out]}"
        return reason
    reason = f"The script ended with exit code {code}."
    if code == 128 + signal.SIGKILL:
        reason += f" That often stands for SIGKILL{_OF_MEMORY[ran_out]}"
    elif code > 128 and code - 128 in {signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGBUS}:
        reason += f" That often stands for {signal.Signals(code - 128).name}."
    if folder_gone:
        reason += " It had deleted its working folder."
    return reason


_OF_MEMORY = {
    None: ": a machine that runs out of memory ends processes that way.",
    True: ", but the kernel ended processes on this machine for lack of memory meanwhile: this will be one of them.",
    False: ", and the machine did not run out of memory: somebody else did.",
}


def of_memory_limit(limit_bytes: int) -> str:
    """The kernel held the limit."""
    return f"It used all of its {size_words(limit_bytes)} memory limit and was ended by the kernel."


def of_killed_for_memory(name: str, memory_bytes: int) -> str:
    """The kernel's log names the process."""
    used = size_words(memory_bytes)
    return f"The node ran out of memory, and its kernel ended “{name}” of this step, which used {used}."


def of_large_output(name: str, size_bytes: int, limit_bytes: int) -> str:
    """Counting stops where it is known to be too much."""
    at_least, limit = size_words(size_bytes), size_words(limit_bytes)
    return f"Output “{name}” is larger than its limit of {limit}: {at_least} or more."


def of_empty_output(name: str, file: str | None) -> str:
    if file is not None:
        return f"Output “{name}” is required, and the script ended without its file “{file}”."
    return f"Output “{name}” is required, and the script ended without a file in it."


def by_signal(number: int) -> str:
    try:
        return f"killed by signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"killed by signal {number}"


def of_timeout(limit_s: float) -> str:
    return f"It ran longer than its time limit of {limit_s:g} s and was ended."


def of_spawn(error: OSError, command: str) -> str:
    """The process could not even be started."""
    if isinstance(error, FileNotFoundError):
        return f"The command “{command}” was not found in the step's environment."
    if isinstance(error, PermissionError):
        return f"The command “{command}” may not be executed."
    if error.errno == errno.E2BIG:
        return "The step's arguments are too long for the operating system: pass a file instead."
    if error.errno == errno.ENOEXEC:
        return f"The command “{command}” is not a program that this machine can run."
    return of_ours(error, "start the process")


def of_full_disk(where: str) -> str:
    return f"The disk is full: {where}. Make room and run it again."


def of_ours(error: Exception, doing: str) -> str:
    """Our fault, not the user's."""
    return bounded(f"The studio failed to {doing}: {type(error).__name__}: {error}")


def is_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return True
    text = str(error).lower()
    return "disk is full" in text or "no space left" in text


def bounded(text: str, limit: int = _MAX_LENGTH) -> str:
    """Fit for a column: bounded, and without the one character that PostgreSQL refuses."""
    text = text.replace("\0", "�")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
