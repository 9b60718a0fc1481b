"""What is wrong with the shape of a document, as pydantic finds it, in words that say what to do."""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from studio.lib.problems import Problem

MAX_TOLD = 50
_TAG = "kind"  # of a union: the field that says which one it is
_LISTED = 30  # names of fields
_PLAIN_TYPES = frozenset({"str", "int", "float", "bool"})
_A_VALUE = "Write a text, a number, true or false here."
_WANTED: Mapping[str, str] = MappingProxyType({
    "missing": "This is missing. Give it.",
    "string_type": "Write a text here.",
    "int_type": "Write a whole number here.",
    "int_parsing": "Write a whole number here.",
    "int_from_float": "Write a whole number here.",
    "float_type": "Write a number here.",
    "float_parsing": "Write a number here.",
    "finite_number": "Write a finite number here.",
    "bool_type": "Write true or false here.",
    "bool_parsing": "Write true or false here.",
    "list_type": "Write a list here, as in [1, 2].",
    "model_type": "Write an object here, as in {}.",
    "model_attributes_type": "Write an object here, as in {}.",
    "dict_type": "Write an object here, as in {}.",
    "union_tag_not_found": f"Say of which kind it is, as “{_TAG}”.",
})  # fmt: skip


def shape_problems(error: ValidationError, shape: Any, *, below: tuple[str | int, ...] = ()) -> list[Problem]:
    """One for each field, at its path in what was given; the first `MAX_TOLD`.

    `shape` is what that was to be: a model, or an annotation that speaks of models, as in `list[A | B]`.
    """
    models = list(dict.fromkeys(_models_in(shape)))
    found: dict[tuple[str | int, ...], str] = {}
    for each in error.errors():
        loc = _plain(each["loc"], models)
        is_branch = each["loc"] and each["loc"][-1] in _PLAIN_TYPES and loc[-1:] != each["loc"][-1:]
        found.setdefault(loc, _A_VALUE if is_branch else _sentence(each, models))
    return [Problem((*below, *loc), sentence) for loc, sentence in list(found.items())[:MAX_TOLD]]


def _sentence(error: Any, models: list[type[BaseModel]]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _WANTED:
        return _WANTED[kind]
    if kind == "extra_forbidden":
        name = str(error["loc"][-1])
        return no_such_field(name, _fields_at(error["loc"][:-1], models))
    if kind == "literal_error":
        return f"Choose one of these: {context['expected'].replace(' or ', ', ')}."
    if kind == "union_tag_invalid":
        return f"Choose a {context['discriminator'].strip(chr(39))} of these: {context['expected_tags']}."
    if kind == "value_error":  # of a validator of ours
        return f"{error['msg'].removeprefix('Value error, ').rstrip('.')}."
    return f"This can't be read: {error['msg']}."


def no_such_field(name: str, fields: Collection[str]) -> str:
    """A sentence with the one that may have been meant, or those that there are."""
    return f"There is no field “{name}” here.{_meant(name, fields)}"


def _meant(name: str, fields: Collection[str]) -> str:
    names = sorted(fields)
    if guesses := get_close_matches(name, names, n=1, cutoff=0.7):
        return f" Did you mean “{guesses[0]}”?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f" There are: {', '.join(names[:_LISTED])}{more}." if names else ""


def _plain(loc: tuple[str | int, ...], models: list[type[BaseModel]]) -> tuple[str | int, ...]:
    """pydantic's path without the tags of a union's branches, which are no fields."""
    return tuple(part for part, is_field in _walked(loc, models) if is_field)


def _fields_at(loc: tuple[str | int, ...], models: list[type[BaseModel]]) -> Collection[str]:
    """Of the object that a path leads to; none where that is not known."""
    for part in loc:
        models = _next(part, models)
    return models[0].model_fields if len(models) == 1 else ()


def _walked(loc: tuple[str | int, ...], models: list[type[BaseModel]]) -> Iterator[tuple[str | int, bool]]:
    """Each part of a path, and whether it names a field or a place in a list."""
    for index, part in enumerate(loc):
        is_last_field = index == len(loc) - 1 and any(part in each.model_fields for each in models)
        is_field = isinstance(part, int) or is_last_field or not (_is_tag(part, models) or _is_type(part, models))
        yield part, is_field
        models = _next(part, models)


def _next(part: str | int, models: list[type[BaseModel]]) -> list[type[BaseModel]]:
    if isinstance(part, int):
        return models
    if _is_tag(part, models):
        return [each for each in models if _tag(each) == part]
    fields = [each.model_fields[part].annotation for each in models if part in each.model_fields]
    return list(dict.fromkeys(found for annotation in fields for found in _models_in(annotation)))


def _is_tag(part: str | int, models: list[type[BaseModel]]) -> bool:
    return len(models) > 1 and any(_tag(each) == part for each in models)


def _is_type(part: str | int, models: list[type[BaseModel]]) -> bool:
    """A branch of a union of plain values."""
    return not models and part in _PLAIN_TYPES


def _tag(model: type[BaseModel]) -> Any:
    return model.model_fields[_TAG].default if _TAG in model.model_fields else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)
