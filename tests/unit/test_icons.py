"""Every icon that a template, a script or a class names is one of the sprite: one that isn't is a gap on its page."""

import re
from pathlib import Path

from django.conf import settings

TOP = Path(settings.BASE_DIR)
NAMED = {
    "templates/**/*.html": [r'{% icon "([^"]+)"', r'\bicon="([a-z0-9-]+)"'],
    "static/src/**/*.js": [r'[iI]con\(\s*"([a-z0-9-]+)"', r'\bicon: "([a-z0-9-]+)"'],
    **{
        f"{app}/**/*.py": [r'\bicon(?:: ClassVar\[str\])? = "([a-z0-9-]+)"', r'"icon": "([a-z0-9-]+)"']
        for app in ("studio", "datastores", "compute", "pipelines")
    },
}


def named_in(pattern: str) -> dict[str, str]:
    """The icons that the files name, each with a file that does."""
    return {
        name: str(path.relative_to(TOP))
        for path in TOP.glob(pattern)
        for words in NAMED[pattern]
        for name in re.findall(words, path.read_text())
    }


def test_the_sprite_has_every_icon_that_is_named() -> None:
    drawn = set((TOP / "static/src/icons.txt").read_text().split())
    named = {pattern: named_in(pattern) for pattern in NAMED}
    assert all(named[pattern] for pattern in ("templates/**/*.html", "static/src/**/*.js", "pipelines/**/*.py"))
    missing = {name: file for found in named.values() for name, file in found.items() if name not in drawn}
    assert missing == {}
