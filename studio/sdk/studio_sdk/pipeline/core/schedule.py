"""Schedules, which the studio does not have yet. What a recurrence says can be written down."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from studio_sdk.pipeline.core._later import Later

__all__ = ["Schedule", "ScheduleRecurrence", "TimeZone"]

_FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Schedule(Later):
    """Raises NotSupportedException: there are no schedules yet."""

    _WHAT = "schedules"
    _INSTEAD = "let cron, or another scheduler, run the program that submits the pipeline"
    _CALLS = (
        "create",
        "create_for_pipeline_endpoint",
        "get",
        "get_all",
        "list",
        "get_schedules_for_pipeline_id",
        "get_schedules_for_pipeline_endpoint_id",
        "load_yaml",
    )


class _TimeZones(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("UTC") or name.endswith("StandardTime"):
            return re.sub(r"(?<=[a-z.])(?=[A-Z])", " ", name)
        raise AttributeError(f"There is no time zone {name}: one is UTC, or PacificStandardTime.")


class TimeZone(metaclass=_TimeZones):
    """Time zones by Windows' names, as azureml has them: `TimeZone.PacificStandardTime`."""


class ScheduleRecurrence:
    """How often: every `interval` minutes, hours, days, weeks or months.

    ```python
    ScheduleRecurrence("Week", 1, week_days=["Monday"], time_of_day="06:30")
    ```
    """

    def __init__(
        self,
        frequency: str,
        interval: int,
        start_time: dt.datetime | str | None = None,
        time_zone: Any = None,
        hours: Sequence[int] | None = None,
        minutes: Sequence[int] | None = None,
        week_days: Sequence[str] | None = None,
        time_of_day: str | None = None,
    ) -> None:
        self.frequency = frequency
        self.interval = interval
        self.start_time = start_time
        self.time_zone = time_zone
        self.hours = list(hours) if hours is not None else None
        self.minutes = list(minutes) if minutes is not None else None
        self.week_days = list(week_days) if week_days is not None else None
        self.time_of_day = time_of_day
        self.validate()

    def validate(self) -> None:
        """Raises ValueError for what is no recurrence."""
        if self.frequency not in _FREQUENCIES:
            raise ValueError(f"frequency is one of {', '.join(_FREQUENCIES)}, and not {self.frequency!r}.")
        if not isinstance(self.interval, int) or self.interval < 1:
            raise ValueError("interval is a whole number from 1 on.")
        unknown = [day for day in self.week_days or [] if day not in _DAYS]
        if unknown:
            raise ValueError(f"There is no day {unknown[0]!r}: {', '.join(_DAYS)}.")
        if self.time_of_day is not None and (self.hours or self.minutes):
            raise ValueError("Give time_of_day, or hours and minutes.")
