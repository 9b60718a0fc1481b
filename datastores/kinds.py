"""What a kind of datastore must be told: fields for forms, and which of them matter, from its Config and Secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from datastores.backends import Store

Part = Literal["config", "credentials"]

# What may change while credentials are kept. Anything else could lead them to a machine that only asks for them.
SAME_SERVER = frozenset(
    {
        *("auth", "user", "username"),
        *("bucket", "container", "database", "schema", "region"),
        *("folder", "path", "prefix", "root"),
    }
)


@dataclass(frozen=True, slots=True)
class KindField:
    """One field. `when`: it matters only where these other fields of the config have one of these values."""

    part: Part
    name: str
    label: str
    help: str
    type: Literal["text", "number", "decimal", "boolean", "choice", "secret"]
    required: bool
    default: Any
    is_long: bool
    is_fixed: bool  # chosen once, when the datastore is registered
    choices: list[tuple[str, str]]
    when: Mapping[str, list[str]]

    def matters(self, config: Mapping[str, Any]) -> bool:
        return all(_text(config.get(name)) in values for name, values in self.when.items())


def fields_of(store: type[Store]) -> list[KindField]:
    """The config in the order of its class; the secrets beside whose they are, or how they are chosen."""
    config = [_field("config", name, info) for name, info in store.Config.model_fields.items()]
    secrets = [_field("credentials", name, info) for name, info in store.Secrets.model_fields.items()]
    names = [field.name for field in config]
    beside = next((name for name in ("user", "auth") if name in names), names[-1])
    place = names.index(beside) + 1
    return [*config[:place], *secrets, *config[place:]]


def defaults_of(store: type[Store]) -> dict[str, Any]:
    return {
        name: info.get_default(call_default_factory=True)
        for name, info in store.Config.model_fields.items()
        if not info.is_required()
    }


def that_matter(store: type[Store], part: Part, given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """`given` without what does not matter beside this config: a key that was typed before a password was chosen."""
    effective = {**defaults_of(store), **config}
    idle = {field.name for field in fields_of(store) if field.part == part and not field.matters(effective)}
    return {name: value for name, value in given.items() if name not in idle}


def _field(part: Part, name: str, info: FieldInfo) -> KindField:
    extra: dict[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind = _without_none(info.annotation)
    labels: Mapping[str, str] = extra.get("choices", {})
    values = [str(value) for value in get_args(kind)] if get_origin(kind) is Literal else []
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    return KindField(
        part=part,
        name=name,
        label=info.title or name.replace("_", " ").capitalize(),
        help=info.description or "",
        type=_type(kind),
        required=info.is_required(),
        default=None if isinstance(default, SecretStr) else default,
        is_long=extra.get("widget") == "textarea",
        is_fixed=bool(extra.get("fixed")),
        choices=[(value, labels.get(value, value)) for value in values],
        when={other: [_text(value) for value in values] for other, values in extra.get("when", {}).items()},
    )


def _type(kind: Any) -> Literal["text", "number", "decimal", "boolean", "choice", "secret"]:
    if get_origin(kind) is Literal:
        return "choice"
    if kind is SecretStr:
        return "secret"
    if kind is bool:
        return "boolean"
    if kind is int:
        return "number"
    return "decimal" if kind is float else "text"


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation
    rest = [each for each in get_args(annotation) if each is not type(None)]
    return rest[0] if len(rest) == 1 else annotation


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
