"""Addresses of the sockets."""

from django.urls import path

from pipelines.consumers import LiveConsumer, RunConsumer

websocket_urlpatterns = [
    path("ws/w/<slug:slug>/runs/<int:run_id>/", RunConsumer.as_asgi()),  # type: ignore[arg-type]
    path("ws/w/<slug:slug>/live/", LiveConsumer.as_asgi()),  # type: ignore[arg-type]
]
