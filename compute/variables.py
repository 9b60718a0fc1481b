"""Environment variables that people give to what runs: which names they may choose, and what a value may be. Pure."""

import re

MAX_VARIABLES = 100
MAX_VALUE_LENGTH = 4000
_NAME = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
# What the node itself says to a step.
_TAKEN = frozenset({"PATH", "HOME", "TMPDIR", "VIRTUAL_ENV", "PYTHONHOME", "CUDA_VISIBLE_DEVICES", "LD_PRELOAD"})
_OF_THE_STUDIO = "STUDIO_"
_FREE = frozenset({"STUDIO_WARM_STARTS"})  # of the studio's own, what anybody may say
# A variable is shown to everybody who sees what it belongs to. `TOKENIZERS_PARALLELISM` is no secret.
_SECRET = re.compile(r"(password|passwd|secret|token(?!iz)|api_?key|private_?key|credential)", re.IGNORECASE)


def name_problem(name: str) -> str | None:
    """A sentence where nobody may choose this name."""
    if not _NAME.match(name):
        return f"“{name[:80]}” is no name for a variable: use letters, digits and _."
    if name in _TAKEN or (name.startswith(_OF_THE_STUDIO) and name not in _FREE):
        return f"The node itself sets {name} for each step. Leave it out."
    if _SECRET.search(name):
        return (
            f"{name} sounds like a secret, and everybody in the workspace can read it here. Keep credentials in a "
            "datastore instead."
        )
    return None


def value_problem(name: str, value: str) -> str | None:
    """A sentence where no process could, or should, be given this value."""
    if len(value) > MAX_VALUE_LENGTH or "\0" in value:
        return f"{name} must be a text of at most {MAX_VALUE_LENGTH:,} characters."
    return None
