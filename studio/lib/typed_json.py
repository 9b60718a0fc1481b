"""A JSON column with a schema: a pydantic model in Python, a versioned object in the database."""

from collections.abc import Sequence
from typing import Any, Union

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.fields.json import KeyTransform
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from studio.lib.unreadable import UnreadableDocumentError


class Document(BaseModel):
    """Base of every JSON column's schema: frozen, no unknown keys, and `schema_version` says which shape it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1


class DocumentField(models.JSONField):
    """Stores one `Document`. Reading gives the document back; writing takes a document or its plain object.

    Where there are several classes, a plain object becomes the one whose shape it has.

    Raises pydantic's `ValidationError` where the object does not fit the schema, and UnreadableDocumentError where one
    that was stored does not.
    """

    def __init__(self, *documents: type[Document], **kwargs: Any) -> None:
        shapes: Any = Union[documents or (Document,)]  # noqa: UP007 (made at run time)
        self._schema: TypeAdapter[Document] = TypeAdapter(shapes)
        kwargs.setdefault("encoder", DjangoJSONEncoder)
        super().__init__(**kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, _path, args, kwargs = super().deconstruct()
        # In a migration a plain JSON column is enough: schemas move, old migrations stay.
        return name, "django.db.models.JSONField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        plain = super().from_db_value(value, expression, connection)
        if plain is None or isinstance(expression, KeyTransform):  # a part of the document is no document
            return plain
        try:
            return self._schema.validate_python(plain)
        except ValidationError as error:
            raise UnreadableDocumentError.of(error) from error

    def to_python(self, value: Any) -> Any:
        return self._schema.validate_python(value) if isinstance(value, dict) else value

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            value = self._schema.validate_python(value)
        if isinstance(value, Document):
            value = value.model_dump(mode="json")
        return super().get_prep_value(value)

    def value_to_string(self, obj: models.Model) -> Any:
        value = self.value_from_object(obj)
        return value.model_dump(mode="json") if isinstance(value, Document) else value
