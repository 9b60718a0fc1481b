"""Every address of the studio."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from studio.installation import sdk_pages
from studio.installation.health import healthz

handler404 = "studio.lib.no_such_address.not_found"
handler500 = "studio.lib.unreadable.failed"

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("sdk/", sdk_pages.download, name="sdk"),
    path("sdk/simple/", sdk_pages.index, name="sdk-index"),
    path("sdk/simple/studio-sdk/", sdk_pages.files, name="sdk-files"),
    path("sdk/names/", sdk_pages.names, name="sdk-names"),
    path("sdk/<str:name>", sdk_pages.file, name="sdk-file"),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-browser"),
    path("api/", include("studio.workspaces.api_urls")),
    path("api/", include("datastores.api_urls")),
    path("api/", include("compute.api_urls")),
    path("api/", include("pipelines.api_urls")),
    path("", include("studio.workspaces.urls")),
    path("", include("datastores.urls")),
    path("", include("compute.urls")),
    path("", include("pipelines.urls")),
]
