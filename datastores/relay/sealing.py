"""Whoever reaches Redis, and does not have the studio's key, can neither read what is relayed nor ask for anything."""

import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_PURPOSE = b"studio folders over Redis, 1"
_NONCE_BYTES = 12


class NotOurs(Exception):  # noqa: N818 (an answer, more than an error)
    """No key of the settings opens it."""


def seal(message: bytes, *, about: str) -> bytes:
    """`about` is what the message belongs to: it opens for nothing else."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(settings.SECRET_KEY).encrypt(nonce, message, about.encode())


def opened(sealed: bytes, *, about: str) -> bytes:
    """Raises NotOurs."""
    nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _cipher(key).decrypt(nonce, content, about.encode())
        except (InvalidTag, ValueError):
            continue
    raise NotOurs


@lru_cache(maxsize=16)
def _cipher(secret: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode()))
