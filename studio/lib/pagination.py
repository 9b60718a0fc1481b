"""Pages of the REST API."""

from rest_framework.pagination import PageNumberPagination


class Pages(PageNumberPagination):
    """50 rows a page unless `page_size` (at most 200) says otherwise."""

    page_size_query_param = "page_size"
    max_page_size = 200
