"""What a person said of a datastore, checked and filled in: for a new one, and over one that is registered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from datastores.backends import Credentials, Store, store_class
from datastores.backends.interface import BackendConfig
from datastores.kinds import SAME_SERVER, fields_of, that_matter
from datastores.models import Datastore
from studio.lib.problems import Problem, UserError

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Settled:
    """A kind's own words, whole. `credentials` shows no secret when it is printed."""

    config: BackendConfig
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Change:
    """What a registered datastore becomes, and the names of the fields that differ."""

    settled: Settled
    fields: list[str]


def settled(
    store: type[Store],
    config: Mapping[str, Any],
    credentials: Mapping[str, Any],
    *,
    workspace_id: int | None,
    name: str,
) -> Settled:
    """Raises UserError with problems at `("config", FIELD)` and `("credentials", FIELD)`.

    Without a workspace the shapes alone are checked, and nothing is made.
    """
    problems: list[Problem] = []
    given_config = _validated(store.Config, that_matter(store, "config", config, config), "config", problems)
    secrets = {key: value for key, value in credentials.items() if value is not None and value != ""}
    given_secrets = _validated(
        store.Secrets, that_matter(store, "credentials", secrets, config), "credentials", problems
    )
    if given_config is None or given_secrets is None:
        raise UserError(problems)
    if workspace_id is not None:
        given_config = store.settle(given_config, given_secrets, workspace_id=workspace_id, name=name)
    return Settled(given_config, given_secrets)


def changed(datastore: Datastore, config: Mapping[str, Any], credentials: Mapping[str, Any]) -> Change:
    """`datastore` with these fields of its config and these credentials: None takes one away, an empty one stays.

    Raises UserError as `settled` does; at `("credentials", FIELD)` also where credentials that were kept would be sent
    to another machine than the one that they were given for.
    """
    store = store_class(datastore.kind)
    whole = {**datastore.config, **config}
    given = {key: value for key, value in credentials.items() if value != ""}
    differs = sorted(key for key in whole if whole[key] != datastore.config.get(key))
    if not differs and not given:
        return Change(_as_stored(datastore, store), [])
    kept = secrets_of(datastore)
    if set(differs) - SAME_SERVER:
        _require_anew(store, kept, given, whole)
    secrets = {key: value for key, value in {**kept, **given}.items() if value is not None}
    result = settled(store, whole, secrets, workspace_id=datastore.workspace_id, name=datastore.name)
    return Change(result, [*differs, *sorted(given)])


def _as_stored(datastore: Datastore, store: type[Store]) -> Settled:
    return Settled(store.Config.model_validate(datastore.config), store.Secrets.model_validate(secrets_of(datastore)))


def secrets_of(datastore: Datastore) -> dict[str, str]:
    """The secrets that are there; none where they can't be opened any more: they are entered again."""
    try:
        return datastore.credentials.open() if datastore.credentials else {}
    except UserError:
        return {}


def _require_anew(
    store: type[Store], kept: Mapping[str, str], given: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    missing = that_matter(store, "credentials", {key: "" for key in kept if key not in given}, config)
    labels = {field.name: field.label for field in fields_of(store) if field.part == "credentials"}
    if missing:
        raise UserError(
            [
                Problem(
                    ("credentials", key),
                    f"Enter “{labels.get(key, key)}” again: it was given for another address, and is not sent to a "
                    "new one.",
                )
                for key in missing
            ]
        )


def _validated(model: type[M], given: Mapping[str, Any], part: str, problems: list[Problem]) -> M | None:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        problems += [Problem((part, *found["loc"]), _sentence(found["type"], found["msg"])) for found in error.errors()]
        return None


_SENTENCES = {
    "missing": "Fill this in.",
    "extra_forbidden": "This kind of datastore has no such field.",
}


def _sentence(kind: str, message: str) -> str:
    words = message.removeprefix("Value error, ").rstrip(".")
    return _SENTENCES.get(kind, f"{words}.")
