"""Durations and points in time as people write them. Pure."""

import re
from datetime import UTC, datetime, timedelta

LONGEST = timedelta(days=366)
DURATION_EXAMPLES = "“90” for seconds, “5 min”, “2 h”, “1 d” or “1 h 30 min”"
_MAX_TEXT = 100
_UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*(sec|min|s|m|h|d)?", re.ASCII)
_CLOCK = re.compile(r"\A([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\Z", re.ASCII)


def read_duration(text: str) -> timedelta:
    """Of a text as in `90`, `5 min` or `1 h 30 min`; a number alone counts seconds. Raises ValueError: a sentence."""
    seconds, at, said = 0.0, 0, text.strip()
    if len(said) > _MAX_TEXT:
        raise ValueError(f"This is too long for a duration. Write {DURATION_EXAMPLES}.")
    parts = 0
    while at < len(said):
        match = _PART.match(said, at)
        if match is None or (match[2] is None and (parts or match.end() < len(said))):
            raise ValueError(f"“{said}” is no duration. Write {DURATION_EXAMPLES}.")
        seconds += float(match[1]) * _UNITS[match[2] or "s"]
        at, parts = match.end(), parts + 1
    if not parts or seconds <= 0:
        raise ValueError(f"A duration is more than 0. Write {DURATION_EXAMPLES}.")
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"This is more than {LONGEST.days} days. Choose a shorter time.")
    return timedelta(seconds=seconds)


def read_moment(text: str, *, now: datetime) -> datetime:
    """Of a text as in `2026-12-24 18:00`, with `+02:00` or in UTC, or `18:00`: the next time that it is so late in UTC.

    Raises ValueError: a sentence. One that is over already is a moment like any other.
    """
    said = text.strip()
    if clock := _CLOCK.match(said):
        hour, minute, second = (int(part or 0) for part in clock.groups())
        today = now.astimezone(UTC).replace(hour=hour, minute=minute, second=second, microsecond=0)
        return today if today >= now else today + timedelta(days=1)
    try:
        moment = datetime.fromisoformat(said) if len(said) <= _MAX_TEXT else None
        moment = moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        shown = said if len(said) <= _MAX_TEXT else f"{said[:_MAX_TEXT]}…"
        raise ValueError(
            f"“{shown}” is no time. Write one as in “2026-12-24 18:00” or “18:00” (UTC), or “2026-12-24T18:00+02:00”."
        )
    if moment - now > LONGEST:
        raise ValueError(f"This is more than {LONGEST.days} days away. Choose an earlier time.")
    return moment


def in_words(moment: datetime) -> str:
    """To the second, as in `2026-12-24 18:00:00 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
