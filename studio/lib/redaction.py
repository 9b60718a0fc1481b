"""Words without the secrets that an installation is set up with, for what people other than its operator may read."""

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from django.conf import settings

HIDDEN = "***"
_SHORTEST = 4  # a password of three letters is part of many words
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@]*:[^\s/@]*@", re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` without keys and passwords from the settings, and without credentials in any address."""
    for secret in _secrets():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text) if "@" in text else text


def _secrets() -> tuple[str, ...]:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    passwords = [str(database.get("PASSWORD") or "") for database in settings.DATABASES.values()]
    addresses = (settings.REDIS_URL, settings.CELERY_BROKER_URL)
    return _long_enough((*keys, *passwords, *(_password_in(address) for address in addresses)))


@lru_cache(maxsize=4)
def _long_enough(given: tuple[str, ...]) -> tuple[str, ...]:
    every = {form for secret in given for form in (secret, unquote(secret)) if len(form) >= _SHORTEST}
    return tuple(sorted(every, key=len, reverse=True))


def _password_in(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""
