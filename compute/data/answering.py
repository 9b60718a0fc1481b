"""What the process of a mounted file system tells the node: one JSON object a line, on its standard output."""

import json
import os
from typing import Any

Order = dict[str, Any]


def answer(said: dict[str, Any]) -> None:
    """Nobody listens any more where the node is gone."""
    try:
        os.write(1, json.dumps(said).encode() + b"\n")
    except BrokenPipeError:
        os._exit(1)
