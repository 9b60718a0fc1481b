"""How columns are called on pages."""

from django import template

from datastores.definition_words import TYPES

register = template.Library()


@register.filter
def type_word(column_type: str) -> str:
    """A column's type for people: `integer` is a whole number."""
    return TYPES.get(column_type, "Other" if column_type == "other" else column_type.capitalize())
