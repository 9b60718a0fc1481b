"""The name that groups runs."""

from __future__ import annotations


class Experiment:
    """Of the run that asks: its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name})"
