"""What shows a run while it goes on."""

from __future__ import annotations

from studio_sdk.widgets.run_details import RunDetails

__all__ = ["RunDetails"]
