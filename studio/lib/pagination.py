"""Pages of the REST API."""

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination, PageNumberPagination
from rest_framework.request import Request


class Pages(PageNumberPagination):
    """50 rows a page unless `page_size` (at most 200) says otherwise."""

    page_size_query_param = "page_size"
    max_page_size = 200


class NewestFirst(CursorPagination):
    """For what only grows, as runs: `next` and `previous` lead on, and page 1,000 costs what page 1 does."""

    ordering = "-pk"
    page_size_query_param = "page_size"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Raises NotFound for one that was not given out here."""
        cursor = super().decode_cursor(request)
        position = "0" if cursor is None or cursor.position is None else str(cursor.position)
        if not (position.isascii() and position.isdecimal() and len(position) < 19):
            raise NotFound(self.invalid_cursor_message)
        return cursor
