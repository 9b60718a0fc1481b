"""What a process that serves a mounted file system tells the node: one JSON object a line, on its standard output."""

import json
import os
from typing import Any

Order = dict[str, Any]


class Answers:
    """To one order: each holds its number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def give(self, said: dict[str, Any]) -> None:
        """Nobody listens any more where the node is gone."""
        try:
            os.write(1, json.dumps({"number": self.number, **said}).encode() + b"\n")
        except BrokenPipeError:
            os._exit(1)
