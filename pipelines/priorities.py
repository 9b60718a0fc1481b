"""Who may let their runs go before those of others, and how far. Pure."""

from collections.abc import Mapping

from studio.lib.problems import Problem
from studio.workspaces.models import Role

LOWEST = -100
HIGHEST: Mapping[Role, int] = {Role.READER: 0, Role.CONTRIBUTOR: 10, Role.OWNER: 100}


def priority_problems(role: Role, priority: int) -> list[Problem]:
    """What is wrong with a priority that somebody of this role gives their run."""
    highest = HIGHEST[role]
    if LOWEST <= priority <= highest:
        return []
    more = "" if role == Role.OWNER else f" An owner of the workspace can go up to {HIGHEST[Role.OWNER]}."
    return [Problem(("priority",), f"Give a priority from {LOWEST} to {highest}.{more}")]
