"""Sizes in words, for reasons and logs."""

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def size_words(size_bytes: float) -> str:
    """In powers of 1000, three figures: `999 B`, `1.5 KB`, `2.03 GB`."""
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"
