"""How numbers, times and states are written on pages. `static/src/lib/format.js` writes them the same way."""

import json
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

NOTHING = mark_safe('<span class="muted">–</span>')
_SIZE_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


@cache
def _statuses() -> dict[str, dict[str, str]]:
    """The one status palette, shared with the browser."""
    palette: dict[str, dict[str, str]] = json.loads(
        (settings.BASE_DIR / "static" / "src" / "lib" / "statuses.json").read_text()
    )
    return palette


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    """An icon of the sprite. Decorative: the words beside it say what it means."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>',
        css_class,
        static("studio/icons.svg"),
        name,
    )


@register.inclusion_tag("components/status_badge.html")
def status_badge(status: str) -> dict[str, str]:
    """A status by shape, word and colour. One that the palette doesn't know is shown by its own name."""
    return _look(status)


@register.inclusion_tag("components/state_box.html")
def state_box(box: Any) -> dict[str, Any]:
    """A state in a picture of states: `box` has its status, x and y."""
    return {**_look(box.status), "x": box.x, "y": box.y}


def _look(status: str) -> dict[str, str]:
    known = _statuses().get(str(status))
    if known is None:
        return {"status": "unknown", "word": str(status), "icon": "help-circle", "tone": "idle"}
    return {"status": str(status), **known}


_VERBS = {
    "create": "made",
    "delete": "deleted",
    "change": "changed",
    "rename": "renamed",
    "add": "added",
    "remove": "removed",
    "role": "changed the role of",
    "submit": "submitted",
    "cancel": "cancelled",
    "profile": "profiled",
    "cancel_profile": "cancelled the profile of",
    "upload": "uploaded",
    "save": "saved",
    "trash": "put in the trash",
    "restore": "restored",
    "purge": "deleted for good",
    "pin": "pinned",
    "unpin": "took the pin off",
    "register": "registered",
    "stage": "set the stage of",
    "revoke": "took away",
}


@register.filter
def verb(word: str) -> str:
    """An audit event's verb for people: `pipeline.delete` is `deleted a pipeline`."""
    thing, _, action = word.rpartition(".")
    thing = thing.replace("_", " ").replace(".", " ")
    article = "an" if thing[:1] in set("aeiou") else "a"
    return f"{_VERBS.get(action, action.replace('_', ' '))} {article} {thing}" if thing else word


@register.filter
def pairs(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Names with their values: `values.items` would find a value that is called “items”."""
    return list(values.items())


@register.filter
def duration(seconds: float | str | None) -> str:
    """A stretch of time in at most two units: `0.4 s`, `12 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None or seconds == "":
        return "–"
    seconds = max(0.0, float(seconds))
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    if whole < 86400:
        return _two(whole // 3600, "h", whole % 3600 // 60, "min")
    return _two(whole // 86400, "d", whole % 86400 // 3600, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


@register.filter
def filesize(size_bytes: float | str | None) -> str:
    """A size in powers of 1000: `999 B`, `1.5 KB`, `240 MB`."""
    if size_bytes is None or size_bytes == "":
        return "–"
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(_SIZE_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.1f} {_SIZE_UNITS[unit]}" if unit and value < 9.95 else f"{int(value + 0.5)} {_SIZE_UNITS[unit]}"


@register.filter
def relative(instant: datetime | None) -> str:
    """`just now`, `12 s ago`, `5 min ago`, `in 2 h`, and a date beyond 30 days."""
    if not instant:
        return "–"
    seconds = (timezone.now() - instant).total_seconds()
    distance = abs(seconds)
    if distance < 5:
        return "just now"
    if distance >= 30 * 86400:
        return f"{instant.day} {instant:%b %Y}"
    if distance < 60:
        amount = f"{int(distance)} s"
    elif distance < 3600:
        amount = f"{int(distance // 60)} min"
    elif distance < 86400:
        amount = f"{int(distance // 3600)} h"
    else:
        amount = f"{int(distance // 86400)} d"
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"


# These two stand within sentences: a template's file would put the newline at its end behind them.
@register.simple_tag
def when(instant: datetime | None) -> SafeString:
    """An instant, relative to now and kept so by the browser, with the absolute one in its title."""
    if not instant:
        return NOTHING
    shown = f"{instant.day} {instant:%b %Y, %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>', instant.isoformat(), shown, relative(instant)
    )


@register.simple_tag
def elapsed(started_at: datetime | None, finished_at: datetime | None = None) -> SafeString:
    """The time between two instants; ticks in the browser while the second is missing."""
    if not started_at:
        return NOTHING
    spent = duration(((finished_at or timezone.now()) - started_at).total_seconds())
    if finished_at:
        return format_html('<span class="num">{}</span>', spent)
    return format_html('<span class="num" data-since="{}">{}</span>', started_at.isoformat(), spent)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The page's query string with some values changed; None and "" take one away. A new filter starts at page one."""
    request: HttpRequest = context["request"]
    values = request.GET.copy()
    for name in ("page", "before", "after"):
        values.pop(name, None)
    for name, value in changes.items():
        values.pop(name, None)
        if value not in (None, ""):
            values[name] = str(value)
    return f"?{urlencode(list(values.lists()), doseq=True)}" if values else "?"


@register.inclusion_tag("components/sort_link.html", takes_context=True)
def sort_link(context: template.Context, key: str, label: str, current: str, first: str = "up") -> dict[str, Any]:
    """A column's heading that sorts by it; a second click turns the order round."""
    up, down = key, f"-{key}"
    following = down if current == up else up if current == down else (down if first == "down" else up)
    return {
        "label": label,
        "address": query(context, sort=following),
        "is_up": current == up,
        "is_down": current == down,
    }


@register.simple_tag
def sorted_by(key: str, current: str) -> SafeString:
    """`aria-sort` for a column's heading."""
    direction = {key: "ascending", f"-{key}": "descending"}.get(current)
    return format_html(' aria-sort="{}"', direction) if direction else SafeString("")


@register.filter
def json_safe(text: str) -> SafeString:
    """JSON that may stand in a <script> element: no character of it can end the element."""
    return SafeString(text.translate(_JSON_ESCAPES))


_JSON_ESCAPES = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}


@register.filter
def as_written(value: str | float | bool) -> str:
    """A parameter's value as one would type it: `true`, `0.5`, `""`."""
    return value if isinstance(value, str) and value else json.dumps(value)


@register.simple_tag(takes_context=True)
def here(context: template.Context, *namespaces: str) -> SafeString:
    """`aria-current` for a navigation link whose part of the studio the page belongs to."""
    request: HttpRequest | None = context.get("request")
    match = request.resolver_match if request else None
    if match is None:
        return SafeString("")
    return SafeString(' aria-current="page"' if {match.namespace, match.view_name} & set(namespaces) else "")
