"""The API's way into a workspace. Not beside `access`: workers know that, and no REST framework."""

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from studio.workspaces.access import Access, authorise
from studio.workspaces.bearer import token_of
from studio.workspaces.permissions import Permission


class WorkspaceAPIView(APIView):
    """Base of every API view below `/api/workspaces/<slug>/`: sets `self.access` before the handler runs.

    `permission` is asked for GET and HEAD, `write_permission` for every other method.
    """

    permission: Permission = Permission.VIEW
    write_permission: Permission = Permission.EDIT_PIPELINES
    access: Access

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        needed = self.permission if request.method in {"GET", "HEAD", "OPTIONS"} else self.write_permission
        self.access = authorise(request.user, kwargs["slug"], needed, token=token_of(request))
