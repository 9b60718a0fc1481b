"""HTTP and sockets."""

import os
from importlib import import_module
from importlib.util import find_spec

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

http = get_asgi_application()  # sets Django up: the routes import models

rooms = ["studio.workspaces", "pipelines", "compute"]
sockets = [
    route
    for room in rooms
    if find_spec(f"{room}.routing")
    for route in import_module(f"{room}.routing").websocket_urlpatterns
]

application = ProtocolTypeRouter(
    {
        "http": http,
        # A page of another site may open a socket here with this site's cookies: the origin is checked, then who it is.
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(sockets))),
    }
)
