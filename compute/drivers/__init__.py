"""How a target's jobs come to run: one interface of four verbs, one driver for each kind of target."""

from compute.drivers.interface import Driver, LogPiece, Sighting
from compute.drivers.registry import DRIVERS, by_driver, get_driver

__all__ = ["DRIVERS", "Driver", "LogPiece", "Sighting", "by_driver", "get_driver"]
