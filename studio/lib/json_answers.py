"""How the REST API writes JSON."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer


class EscapedJSON(JSONRenderer):
    ensure_ascii = True


class EncodableJSON(JSONRenderer):
    """JSON as UTF-8, and escaped to ASCII where an answer repeats half a character that somebody sent."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except UnicodeEncodeError:
            return EscapedJSON().render(data, accepted_media_type, renderer_context)
