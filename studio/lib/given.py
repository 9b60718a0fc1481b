"""What somebody sends to the API, as a serializer that passes nothing over in silence."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from studio.lib.misshapen import no_such_field

_OF_FORMS = frozenset({"csrfmiddlewaretoken"})
_TOLD = 20  # names that there are no fields of
_NAME_CHARS = 100


class Given(serializers.Serializer[Any]):
    """A field that it doesn't have is a mistake, told beside the others: a misspelt one would have had no effect."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown(data)
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if unknown and isinstance(error.detail, dict):
                raise serializers.ValidationError({**error.detail, **unknown}) from None
            raise
        if unknown:
            raise serializers.ValidationError(unknown)
        return value

    def _unknown(self, data: Any) -> dict[str, list[str]]:
        if not isinstance(data, Mapping):
            return {}
        names = [name for name in data if name not in self.fields and name not in _OF_FORMS]
        given = [name for name, field in self.fields.items() if not field.read_only]
        return {str(name)[:_NAME_CHARS]: [no_such_field(str(name)[:_NAME_CHARS], given)] for name in names[:_TOLD]}
