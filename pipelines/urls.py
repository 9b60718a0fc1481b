"""Addresses of the pages about pipelines and runs."""

from django.urls import include, path

from pipelines import builder_views, lineage_views, run_views, views

pipelines = [
    path("", views.pipeline_list, name="list"),
    path("new/", builder_views.new, name="new"),
    path("<int:pipeline_id>/", views.pipeline_detail, name="detail"),
    path("<int:pipeline_id>/edit/", builder_views.edit, name="edit"),
]
runs = [
    path("", views.run_list, name="list"),
    path("<int:run_id>/", run_views.detail, name="detail"),
    path("<int:run_id>/failure/", run_views.failure, name="failure"),
    path("<int:run_id>/timeline/", run_views.timeline_figure, name="timeline"),
    path("<int:run_id>/steps/<str:name>/usage/", run_views.step_usage, name="usage"),
]

lineage = [
    path("", lineage_views.page, name="page"),
    path("versions/<int:version_id>/", lineage_views.of_version, name="of_version"),
]

urlpatterns = [
    path("w/<slug:slug>/pipelines/", include((pipelines, "pipelines"))),
    path("w/<slug:slug>/runs/", include((runs, "runs"))),
    path("w/<slug:slug>/lineage/", include((lineage, "lineage"))),
    path("help/", views.help_page, name="help"),
]
