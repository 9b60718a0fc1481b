"""Addresses of the pages about pipelines and runs."""

from django.urls import include, path

from pipelines import (
    artifact_views,
    builder_views,
    comparing_views,
    import_views,
    lineage_views,
    model_version_views,
    model_views,
    module_views,
    run_views,
    source_views,
    trash_views,
    trial_views,
    views,
)

pipelines = [
    path("", views.pipeline_list, name="list"),
    path("new/", builder_views.new, name="new"),
    path("import/", import_views.page, name="import"),
    path("<int:pipeline_id>/", views.pipeline_detail, name="detail"),
    path("<int:pipeline_id>/edit/", builder_views.edit, name="edit"),
]
runs = [
    path("", views.run_list, name="list"),
    path("compare/", comparing_views.page, name="compare"),
    path("compare/metrics/", comparing_views.metrics, name="compare_metrics"),
    path("compare/steps/<str:name>/", comparing_views.step, name="compare_step"),
    path("<int:run_id>/", run_views.detail, name="detail"),
    path("<int:run_id>/failure/", run_views.failure, name="failure"),
    path("<int:run_id>/approvals/", run_views.approvals, name="approvals"),
    path("<int:run_id>/timeline/", run_views.timeline_figure, name="timeline"),
    path("<int:run_id>/metrics/", run_views.metrics, name="metrics"),
    path("<int:run_id>/steps/<str:name>/usage/", run_views.step_usage, name="usage"),
    path("<int:run_id>/steps/<str:name>/reuse/", run_views.step_reuse, name="reuse"),
    path("<int:run_id>/steps/<str:name>/trials/", trial_views.trials, name="trials"),
    path("<int:run_id>/steps/<str:name>/notebook/", run_views.step_notebook, name="notebook"),
    path("<int:run_id>/steps/<str:name>/artifact/", artifact_views.look, name="artifact"),
]

lineage = [
    path("", lineage_views.page, name="page"),
    path("versions/<int:version_id>/", lineage_views.of_version, name="of_version"),
]

models = [
    path("", model_views.model_list, name="list"),
    path("register/", model_views.register, name="register"),
    path("<int:model_id>/", model_views.model_detail, name="detail"),
    path("<int:model_id>/edit/", model_version_views.model_edit, name="edit"),
    path("<int:model_id>/delete/", model_version_views.model_delete, name="delete"),
    path("<int:model_id>/versions/<int:number>/files/", model_version_views.files, name="files"),
    path("<int:model_id>/versions/<int:number>/lineage/", model_version_views.lineage, name="lineage"),
    path("<int:model_id>/versions/<int:number>/download/", model_version_views.download, name="download"),
    path("<int:model_id>/versions/<int:number>/stage/", model_version_views.stage, name="stage"),
    path("<int:model_id>/versions/<int:number>/edit/", model_version_views.version_edit, name="version_edit"),
    path("<int:model_id>/versions/<int:number>/delete/", model_version_views.version_delete, name="version_delete"),
]

modules = [
    path("", module_views.module_list, name="list"),
    path("publish/", module_views.publish, name="publish"),
    path("<int:module_id>/", module_views.detail, name="detail"),
]

sources = [path("<str:digest>/changes/", source_views.changes, name="changes")]

trash = [
    path("trash/", trash_views.trash, name="list"),
    path("trash/runs/<int:run_id>/delete/", trash_views.delete, name="delete"),
    path("retention/", trash_views.retention, name="retention"),
]

urlpatterns = [
    path("w/<slug:slug>/pipelines/", include((pipelines, "pipelines"))),
    path("w/<slug:slug>/runs/", include((runs, "runs"))),
    path("w/<slug:slug>/models/", include((models, "models"))),
    path("w/<slug:slug>/modules/", include((modules, "modules"))),
    path("w/<slug:slug>/sources/", include((sources, "sources"))),
    path("w/<slug:slug>/lineage/", include((lineage, "lineage"))),
    path("w/<slug:slug>/", include((trash, "trash"))),
    path("help/", views.help_page, name="help"),
]
