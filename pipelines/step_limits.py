"""Whether what a step says about further attempts and about its limits makes sense, field by field."""

import math
from collections.abc import Iterator

from compute.retrying import exit_codes
from compute.spec import Limits, Retry
from studio.lib.problems import Problem

MAX_ATTEMPTS = 100
MAX_NODE_LOSSES = 100
MAX_WAIT_S = 7 * 24 * 3600
MAX_FACTOR = 100
MAX_CODES = 200  # characters of the list of exit codes
LEAST_MEMORY_BYTES = 16_000_000  # less than an interpreter takes to begin
LEAST_LOG_BYTES = 10_000
LEAST_CPUS, MOST_CPUS = 0.1, 4096
MOST_BYTES = 10**15

Loc = tuple[str | int, ...]


def retry_problems(retry: Retry, loc: Loc) -> Iterator[Problem]:
    if not 1 <= retry.max_attempts <= MAX_ATTEMPTS:
        yield Problem((*loc, "max_attempts"), f"Attempts can be 1 (no further one) to {MAX_ATTEMPTS}.")
    if retry.max_attempts > 1 and not retry.on:
        yield Problem((*loc, "on"), "Choose after which failures it is tried again, or allow one attempt only.")
    if len(retry.exit_codes) > MAX_CODES:
        yield Problem(
            (*loc, "exit_codes"), f"This has more than {MAX_CODES} characters. Write ranges, as in “3, 10-20”."
        )
    else:
        try:
            exit_codes(retry.exit_codes)
        except ValueError as error:
            yield Problem((*loc, "exit_codes"), str(error))
    for name in ("backoff_s", "max_backoff_s"):
        if not 0 <= getattr(retry, name) <= MAX_WAIT_S:
            yield Problem((*loc, name), f"A wait is 0 to {MAX_WAIT_S:,} seconds (a week).")
    if not 1 <= retry.backoff_factor <= MAX_FACTOR:
        yield Problem((*loc, "backoff_factor"), f"Each wait is 1 to {MAX_FACTOR} times as long as the one before.")
    if not 0 <= retry.max_node_losses <= MAX_NODE_LOSSES:
        yield Problem((*loc, "max_node_losses"), f"Lost nodes can be 0 to {MAX_NODE_LOSSES}.")


def limit_problems(limits: Limits, loc: Loc) -> Iterator[Problem]:
    memory, cpus = limits.memory_bytes, limits.cpus
    if memory is not None and not LEAST_MEMORY_BYTES <= memory <= MOST_BYTES:
        yield Problem((*loc, "memory_bytes"), "A memory limit is 16 MB to 1 PB. Leave it empty for none.")
    if cpus is not None and not LEAST_CPUS <= cpus <= MOST_CPUS:
        yield Problem((*loc, "cpus"), f"A CPU limit is {LEAST_CPUS} to {MOST_CPUS} CPUs. Leave it empty for none.")
    if limits.output_bytes is not None and not 1 <= limits.output_bytes <= MOST_BYTES:
        yield Problem((*loc, "output_bytes"), "An output's limit is 1 byte to 1 PB. Leave it empty for none.")
    if limits.log_bytes is not None and not LEAST_LOG_BYTES <= limits.log_bytes <= MOST_BYTES:
        yield Problem((*loc, "log_bytes"), "A log's limit is 10,000 bytes to 1 PB. Leave it empty for the node's own.")


def time_problems(timeout_s: float | None, loc: Loc) -> Iterator[Problem]:
    if timeout_s is not None and not 0 < timeout_s < math.inf:
        yield Problem(loc, "A time limit is a number of seconds above 0. Leave it empty for none.")
