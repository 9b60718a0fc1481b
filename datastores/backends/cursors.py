"""What a page of a listing gives to ask for the next one: opaque to whoever holds it, and never trusted."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from studio.lib.problems import UserError

_BETWEEN = "\0"  # in no name


def packed(*parts: str) -> str:
    return urlsafe_b64encode(_BETWEEN.join(parts).encode(errors="surrogateescape")).decode()


def unpacked(after: str, *, count: int) -> list[str]:
    """The `count` parts that were packed. Raises UserError where `after` is something else."""
    try:
        parts = urlsafe_b64decode(after.encode("ascii")).decode(errors="surrogateescape").split(_BETWEEN)
    except ValueError as error:
        raise no_cursor() from error
    if len(parts) != count:
        raise no_cursor()
    return parts


def no_cursor() -> UserError:
    return UserError("`after` must be what the last page gave.", loc=("after",))


NameKey = tuple[bool, str, str]  # not a folder, the name whatever its case, the name


def packed_name(key: NameKey) -> str:
    return packed(str(int(key[0])), key[2])


def unpacked_name(after: str) -> NameKey:
    """Raises UserError as `unpacked`."""
    group, name = unpacked(after, count=2)
    if group not in {"0", "1"}:
        raise no_cursor()
    return group == "1", name.casefold(), name
