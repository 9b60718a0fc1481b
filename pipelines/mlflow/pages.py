"""Pages of an answer: a token says where the next one begins, and of which question it is."""

import hashlib
import json
from typing import Any

from django.core import signing

from pipelines.mlflow.failures import unfit

_SALT = "pipelines.mlflow.pages"


def start_of(token: str, question: Any) -> int:
    """Raises MlflowError for a token that is none, or of another question."""
    if not token:
        return 0
    try:
        start, asked = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError) as error:
        raise unfit("This page token was not given by the studio.") from error
    if asked != _digest(question):
        raise unfit("This page token is of another search. Search without one first.")
    return int(start)


def token_at(start: int, question: Any) -> str:
    return signing.dumps([start, _digest(question)], salt=_SALT)


def _digest(question: Any) -> str:
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16]
