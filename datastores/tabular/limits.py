"""What a process that reads data may take; said once by whoever started it."""

_memory_bytes = 2 * 1024**3


def memory_bytes() -> int:
    """How much the work of this process may take."""
    return _memory_bytes


def allow_memory(bytes_: int) -> None:
    global _memory_bytes  # noqa: PLW0603 (one process, one call)
    _memory_bytes = bytes_
