"""Pages of the REST API."""

from rest_framework.pagination import CursorPagination, PageNumberPagination


class Pages(PageNumberPagination):
    """50 rows a page unless `page_size` (at most 200) says otherwise."""

    page_size_query_param = "page_size"
    max_page_size = 200


class NewestFirst(CursorPagination):
    """For what only grows, as runs: `next` and `previous` lead on, and page 1,000 costs what page 1 does."""

    ordering = "-pk"
    page_size_query_param = "page_size"
    max_page_size = 200
