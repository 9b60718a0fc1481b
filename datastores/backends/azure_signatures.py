"""When a shared access signature of Azure's is good: text only, nothing here asks anybody."""

from datetime import UTC, datetime
from urllib.parse import parse_qs


def why_not_now(token: str, now: datetime) -> str:
    """What `token` says itself of why a server refuses it at `now`; empty where it says nothing against it.

    A signature by a stored access policy says no times: only the server knows them.
    https://learn.microsoft.com/rest/api/storageservices/create-service-sas
    """
    said = parse_qs(token.removeprefix("?"))
    # The signature's own end, and that of the key by which a person's identity signed it.
    ends = [end for end in (_instant(said, "se"), _instant(said, "ske")) if end]
    if ends and min(ends) <= now:
        return f"expired on {_words(min(ends))}"
    start = _instant(said, "st")
    if start and now < start:
        return f"is good only from {_words(start)} on"
    return ""


def _instant(said: dict[str, list[str]], name: str) -> datetime | None:
    """ISO 8601 in UTC, with seconds, without, or a day alone."""
    try:
        found = datetime.fromisoformat(said[name][0].strip())
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _words(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%-d %B %Y at %H:%M:%S} UTC"
