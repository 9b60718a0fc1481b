"""HTTP and sockets."""

import os
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import re_path

from studio.lib.streamed_requests import get_streaming_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

http = get_streaming_application()  # sets Django up: the routes import models

from pipelines.routing import websocket_urlpatterns  # noqa: E402


async def no_such_socket(_scope: Any, receive: Any, send: Any) -> None:
    """Accepted and closed with a code that the browser is shown; a refused handshake would tell it nothing."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4404})


routes: list[Any] = [*websocket_urlpatterns, re_path("", no_such_socket)]  # type: ignore[arg-type]
application = ProtocolTypeRouter(
    {
        "http": http,
        # A page of another site may open a socket here with this site's cookies: the origin is checked, then who it is.
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes))),
    }
)
