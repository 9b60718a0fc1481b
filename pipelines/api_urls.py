"""Addresses of the REST API of pipelines and runs, below `/api/`."""

from django.urls import URLPattern, URLResolver, include, path

from pipelines.api import lineage, pipelines, runs, sources

_PIPELINES = [
    path("", pipelines.PipelinesView.as_view(), name="api-pipelines"),
    path("validate/", pipelines.ValidateView.as_view(), name="api-validate"),
    path("<int:pipeline_id>/", pipelines.PipelineView.as_view(), name="api-pipeline"),
    path("<int:pipeline_id>/versions/", pipelines.VersionsView.as_view(), name="api-versions"),
    path("<int:pipeline_id>/versions/<int:number>/", pipelines.VersionView.as_view(), name="api-version"),
    path("<int:pipeline_id>/runs/", pipelines.SubmitView.as_view(), name="api-submit"),
]
_SOURCES = [
    path("", sources.SourcesView.as_view(), name="api-sources"),
    path("edit/", sources.EditSourcesView.as_view(), name="api-edit-sources"),
    path("<str:digest>/", sources.SourceView.as_view(), name="api-source"),
    path("<str:digest>/file/", sources.SourceFileView.as_view(), name="api-source-file"),
]
_STEP: list[URLPattern | URLResolver] = [
    path("", runs.StepView.as_view(), name="api-step"),
    path("log/", runs.LogView.as_view(), name="api-step-log"),
    path("log/search/", runs.LogSearchView.as_view(), name="api-step-log-search"),
    path("log/download/", runs.LogDownloadView.as_view(), name="api-step-log-download"),
    path("outputs/<str:output>/", runs.OutputView.as_view(), name="api-step-output"),
    path("outputs/<str:output>/download/", runs.OutputDownloadView.as_view(), name="api-step-output-download"),
    path("code/", runs.CodeView.as_view(), name="api-step-code"),
    path("usage/", runs.UsageView.as_view(), name="api-step-usage"),
]
_RUNS: list[URLPattern | URLResolver] = [
    path("", runs.RunsView.as_view(), name="api-runs"),
    path("<int:run_id>/", runs.RunView.as_view(), name="api-run"),
    path("<int:run_id>/events/", runs.EventsView.as_view(), name="api-run-events"),
    path("<int:run_id>/cancel/", runs.CancelView.as_view(), name="api-run-cancel"),
    path("<int:run_id>/steps/<str:name>/", include(_STEP)),
]

urlpatterns = [
    path("workspaces/<slug:slug>/pipelines/", include(_PIPELINES)),
    path("workspaces/<slug:slug>/sources/", include(_SOURCES)),
    path("workspaces/<slug:slug>/runs/", include(_RUNS)),
    path("workspaces/<slug:slug>/lineage/", lineage.LineageView.as_view(), name="api-lineage"),
]
