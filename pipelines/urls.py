"""Addresses of the pages about pipelines and runs."""

from importlib import import_module

from django.urls import include, path

from pipelines import views


def late(name: str):  # type: ignore[no-untyped-def]
    """A view by its dotted name, for the while in which its module is being written."""
    module, _, view = name.rpartition(".")

    def call(request, **kwargs):  # type: ignore[no-untyped-def]
        return getattr(import_module(module), view)(request, **kwargs)

    return call


pipelines = [
    path("", views.pipeline_list, name="list"),
    path("new/", late("pipelines.builder_views.new"), name="new"),
    path("<int:pipeline_id>/", views.pipeline_detail, name="detail"),
    path("<int:pipeline_id>/edit/", late("pipelines.builder_views.edit"), name="edit"),
]
runs = [
    path("", views.run_list, name="list"),
    path("<int:run_id>/", late("pipelines.run_views.detail"), name="detail"),
    path("<int:run_id>/failure/", late("pipelines.run_views.failure"), name="failure"),
    path("<int:run_id>/timeline/", late("pipelines.run_views.timeline_figure"), name="timeline"),
]

urlpatterns = [
    path("w/<slug:slug>/pipelines/", include((pipelines, "pipelines"))),
    path("w/<slug:slug>/runs/", include((runs, "runs"))),
    path("help/", views.help_page, name="help"),
]
