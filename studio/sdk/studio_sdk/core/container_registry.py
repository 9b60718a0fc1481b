"""Where images lie. Steps run without containers, so nothing of it is used."""

from __future__ import annotations


class ContainerRegistry:
    """Kept with an environment's `docker` section, which says when a step is made of it that there are no images."""

    def __init__(self) -> None:
        self.address: str | None = None
        self.username: str | None = None
        self.password: str | None = None
