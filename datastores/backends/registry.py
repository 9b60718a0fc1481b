"""The kinds of datastore. A kind's module is imported only when one of its datastores is used."""

from collections.abc import Mapping

from django.utils.module_loading import import_string

from datastores.backends.interface import Backend
from studio.lib.problems import UserError

BACKENDS: Mapping[str, str] = {
    "local": "datastores.backends.local.LocalFolder",
}


def backend_class(kind: str) -> type[Backend]:
    """Raises UserError where there is no such kind."""
    dotted_path = BACKENDS.get(kind)
    if dotted_path is None:
        known = ", ".join(sorted(BACKENDS))
        raise UserError(f"There is no kind of datastore “{kind}”. The kinds are: {known}.", loc=("kind",))
    backend: type[Backend] = import_string(dotted_path)
    return backend


def backend_classes() -> list[type[Backend]]:
    return [backend_class(kind) for kind in BACKENDS]
