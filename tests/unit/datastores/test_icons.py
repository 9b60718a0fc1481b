"""Every icon that stands for a file is one of the sprite: one that isn't is a gap in the list."""

from pathlib import Path

from datastores.backends import Entry
from datastores.icons import _BY_SUFFIX, icon_of

SPRITE = Path(__file__).parents[3] / "static/src/icons.txt"


def test_every_icon_is_in_the_sprite() -> None:
    files = [f"a{suffix}" for suffixes in _BY_SUFFIX.values() for suffix in suffixes]
    icons = {icon_of(Entry(name, "file")) for name in (*files, "a.unknown")}
    icons |= {icon_of(Entry("a", "folder")), icon_of(Entry("a", "other"))}
    assert icons <= set(SPRITE.read_text().split())
