"""Secrets at rest: encrypted columns whose content can't be seen by accident, and whose keys can be changed.

The keys are made from `SECRET_KEY` and `SECRET_KEY_FALLBACKS` (the setting STUDIO_SECRET_KEY, newest first): the first
one encrypts, every one decrypts, and `manage.py rotate_secrets` writes all anew with the first.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.db import models

from studio.lib.problems import UserError

_PURPOSE = b"studio secrets at rest, 1"


class Sealed:
    """Named secrets, encrypted. Printing, logging or serialising it shows nothing."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    @classmethod
    def seal(cls, secrets: Mapping[str, str]) -> "Sealed":
        return cls(_cipher(_keys()).encrypt(json.dumps(dict(secrets)).encode()).decode())

    def open(self) -> dict[str, str]:
        """The secrets by name. Raises UserError where no key of the settings fits."""
        try:
            opened: dict[str, str] = json.loads(_cipher(_keys()).decrypt(self.token.encode()))
        except InvalidToken:
            # Nothing of the token goes on: an exception's text ends up in logs.
            raise UserError(
                "These credentials were encrypted with a key that STUDIO_SECRET_KEY no longer holds: add the old key "
                "at its end, or enter the credentials again.",
                loc=("credentials",),
            ) from None
        return opened

    def renewed(self) -> "Sealed":
        """The same secrets under the newest key. Raises UserError as `open` does."""
        return Sealed.seal(self.open())

    @property
    def is_current(self) -> bool:
        """Whether the newest key opens it."""
        try:
            _cipher(_keys()[:1]).decrypt(self.token.encode())
        except InvalidToken:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)

    def __repr__(self) -> str:
        return "Sealed(…)"

    def __reduce__(self) -> str:
        raise TypeError("Sealed secrets are not sent anywhere: open them where they are used.")


class SealedField(models.TextField):  # type: ignore[type-arg] # not subscriptable when it runs
    """A column of `Sealed` secrets; null where there are none."""

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Sealed | None:
        return None if value is None else Sealed(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> str | None:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError("Seal secrets before they are stored: Sealed.seal({...}).")
        return None if value is None else value.token

    def value_to_string(self, obj: models.Model) -> str:
        """Of a dump: the encrypted text."""
        value = self.value_from_object(obj)
        return value.token if isinstance(value, Sealed) else ""


def sealed_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Every column of secrets in the installation: its model and its name."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:  # noqa: SLF001 (documented, in spite of its name)
            if isinstance(field, SealedField):
                yield model, field.name


def _keys() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=8)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    raw = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(raw)
