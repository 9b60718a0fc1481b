"""Every address of the studio."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from studio.installation.health import healthz

rooms = ["studio.workspaces", "pipelines", "compute", "datastores"]
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-browser"),
    *(path("api/", include(f"{room}.api_urls")) for room in rooms if find_spec(f"{room}.api_urls")),
    *(path("", include(f"{room}.urls")) for room in rooms if find_spec(f"{room}.urls")),
]
