"""Writing all secrets anew with the newest key, while the studio runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import models

from studio.lib.problems import UserError
from studio.lib.secrets import Sealed, sealed_fields

BATCH = 500


@dataclass
class Rotation:
    """What was found: written anew, written with the newest key before, and opened by no key (as people name them)."""

    renewed: int = 0
    current: int = 0
    lost: list[str] = field(default_factory=list)


def rotate_secrets() -> Rotation:
    """Write every secret that an older key opens with the newest one. Broken off or done twice, it does no harm."""
    rotation = Rotation()
    for model, name in sealed_fields():
        for pk, sealed in _rows(model, name):
            _renew(model, name, pk, sealed, rotation)
    return rotation


def _rows(model: type[models.Model], name: str) -> Iterator[tuple[int, Sealed]]:
    """All rows, a batch at a time: removed ones too."""
    rows = model._base_manager.exclude(**{name: None}).order_by("pk")  # noqa: SLF001 (documented)
    after = None
    while True:
        batch = list((rows if after is None else rows.filter(pk__gt=after)).values_list("pk", name)[:BATCH])
        yield from batch
        if len(batch) < BATCH:
            return
        after = batch[-1][0]


def _renew(model: type[models.Model], name: str, pk: int, sealed: Sealed, rotation: Rotation) -> None:
    if sealed.is_current:
        rotation.current += 1
        return
    try:
        renewed = sealed.renewed()
    except UserError:
        row = model._base_manager.defer(name).get(pk=pk)  # noqa: SLF001
        rotation.lost.append(f"{model._meta.verbose_name} “{row}” ({pk})")  # noqa: SLF001
        return
    # Somebody may enter new ones meanwhile: theirs, sealed with the newest key, stand.
    unchanged = model._base_manager.filter(pk=pk, **{name: sealed})  # noqa: SLF001
    rotation.renewed += unchanged.update(**{name: renewed})
