"""Addresses of the REST API of pipelines and runs, below `/api/`."""

from django.urls import URLPattern, URLResolver, include, path

from pipelines.api import (
    approvals,
    artifacts,
    batches,
    child_runs,
    comparing,
    inner,
    lineage,
    log_streams,
    metrics,
    models,
    modules,
    pipelines,
    reproducing,
    reuse,
    runs,
    sources,
    trash,
    trials,
    ways_on,
)

_PIPELINES = [
    path("", pipelines.PipelinesView.as_view(), name="api-pipelines"),
    path("validate/", pipelines.ValidateView.as_view(), name="api-validate"),
    path("interface/", inner.InterfaceView.as_view(), name="api-pipeline-interface"),
    path("<int:pipeline_id>/", pipelines.PipelineView.as_view(), name="api-pipeline"),
    path("<int:pipeline_id>/versions/", pipelines.VersionsView.as_view(), name="api-versions"),
    path("<int:pipeline_id>/versions/<int:number>/", pipelines.VersionView.as_view(), name="api-version"),
    path("<int:pipeline_id>/runs/", pipelines.SubmitView.as_view(), name="api-submit"),
    path("<int:pipeline_id>/restore/", trash.RestorePipelineView.as_view(), name="api-pipeline-restore"),
]
_MODULES = [
    path("", modules.ModulesView.as_view(), name="api-modules"),
    path("draft/", modules.ModuleDraftView.as_view(), name="api-module-draft"),
    path("interface/", modules.ModuleInterfaceView.as_view(), name="api-module-interface"),
    path("<int:module_id>/", modules.ModuleView.as_view(), name="api-module"),
    path("<int:module_id>/versions/", modules.ModuleVersionsView.as_view(), name="api-module-versions"),
    path("<int:module_id>/versions/<int:number>/", modules.ModuleVersionView.as_view(), name="api-module-version"),
    path("<int:module_id>/pipelines/", modules.ModuleUsesView.as_view(), name="api-module-pipelines"),
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
    path("log/stream/", log_streams.LogStreamView.as_view(), name="api-step-log-stream"),
    path("log/stream/download/", log_streams.LogStreamDownloadView.as_view(), name="api-step-log-stream-download"),
    path("outputs/<str:output>/", runs.OutputView.as_view(), name="api-step-output"),
    path("outputs/<str:output>/download/", runs.OutputDownloadView.as_view(), name="api-step-output-download"),
    path("artifacts/", artifacts.ArtifactsView.as_view(), name="api-step-artifacts"),
    path("artifacts/download/", artifacts.ArtifactDownloadView.as_view(), name="api-step-artifact-download"),
    path("artifacts/zip/", artifacts.ArtifactsZipView.as_view(), name="api-step-artifacts-zip"),
    path("code/", runs.CodeView.as_view(), name="api-step-code"),
    path("inputs/<str:given>/download/", reproducing.InputDownloadView.as_view(), name="api-step-input-download"),
    path("reproduce/", reproducing.ReproduceView.as_view(), name="api-step-reproduce"),
    path("answer/", approvals.AnswerStepView.as_view(), name="api-step-answer"),
    path("cancel/", ways_on.CancelStepView.as_view(), name="api-step-cancel"),
    path("edit/", ways_on.EditStepView.as_view(), name="api-step-edit"),
    path("rerun/", ways_on.RerunView.as_view(), name="api-step-rerun"),
    path("reuse/", reuse.StepReuseView.as_view(), name="api-step-reuse"),
    path("exclude-from-reuse/", reuse.ExcludeStepView.as_view(), name="api-step-exclude-from-reuse"),
    path("allow-reuse/", reuse.AllowStepView.as_view(), name="api-step-allow-reuse"),
    path("runs/", child_runs.StepRunsView.as_view(), name="api-step-runs"),
    path("trials/", trials.TrialsView.as_view(), name="api-step-trials"),
    path("batches/", batches.BatchesView.as_view(), name="api-step-batches"),
    path("usage/", runs.UsageView.as_view(), name="api-step-usage"),
    path("metrics/", metrics.StepMetricsView.as_view(), name="api-step-metrics"),
    path("metrics/points/", metrics.PointsView.as_view(), name="api-step-metric-points"),
    path("metrics/entries/", metrics.EntriesView.as_view(), name="api-step-metric-entries"),
    path("metrics/image/", metrics.ImageView.as_view(), name="api-step-metric-image"),
    path("tags/", metrics.StepTagsView.as_view(), name="api-step-tags"),
    path("pin/", trash.PinStepView.as_view(), name="api-step-pin"),
]
_RUNS: list[URLPattern | URLResolver] = [
    path("", runs.RunsView.as_view(), name="api-runs"),
    path("compare/", comparing.CompareRunsView.as_view(), name="api-compare-runs"),
    path("compare/steps/<str:name>/", comparing.CompareStepView.as_view(), name="api-compare-step"),
    path("trash/", trash.TrashRunsView.as_view(), name="api-runs-trash"),
    path("<int:run_id>/", runs.RunView.as_view(), name="api-run"),
    path("<int:run_id>/events/", runs.EventsView.as_view(), name="api-run-events"),
    path("<int:run_id>/cancel/", runs.CancelView.as_view(), name="api-run-cancel"),
    path("<int:run_id>/pause/", ways_on.PauseView.as_view(), name="api-run-pause"),
    path("<int:run_id>/resume/", ways_on.ResumeView.as_view(), name="api-run-resume"),
    path("<int:run_id>/continue/", ways_on.ContinueView.as_view(), name="api-run-continue"),
    path("<int:run_id>/resubmit/", ways_on.ResubmitView.as_view(), name="api-run-resubmit"),
    path("<int:run_id>/metrics/", metrics.RunMetricsView.as_view(), name="api-run-metrics"),
    path("<int:run_id>/tags/", metrics.RunTagsView.as_view(), name="api-run-tags"),
    path("<int:run_id>/exclude-from-reuse/", reuse.ExcludeRunView.as_view(), name="api-run-exclude-from-reuse"),
    path("<int:run_id>/allow-reuse/", reuse.AllowRunView.as_view(), name="api-run-allow-reuse"),
    path("<int:run_id>/clone/", ways_on.CloneView.as_view(), name="api-run-clone"),
    path("<int:run_id>/trash/", trash.TrashRunView.as_view(), name="api-run-trash"),
    path("<int:run_id>/restore/", trash.RestoreRunView.as_view(), name="api-run-restore"),
    path("<int:run_id>/purge/", trash.PurgeRunView.as_view(), name="api-run-purge"),
    path("<int:run_id>/pin/", trash.PinRunView.as_view(), name="api-run-pin"),
    path("<int:run_id>/steps/<str:name>/", include(_STEP)),
]
_MODELS = [
    path("", models.ModelsView.as_view(), name="api-models"),
    path("<int:model_id>/", models.ModelView.as_view(), name="api-model"),
    path("<int:model_id>/versions/", models.ModelVersionsView.as_view(), name="api-model-versions"),
    path("<int:model_id>/versions/<int:number>/", models.ModelVersionView.as_view(), name="api-model-version"),
    path("<int:model_id>/versions/<int:number>/files/", models.ModelFilesView.as_view(), name="api-model-files"),
    path(
        "<int:model_id>/versions/<int:number>/download/", models.ModelDownloadView.as_view(), name="api-model-download"
    ),
]

urlpatterns = [
    path("mlflow/", include("pipelines.mlflow.urls")),
    path("workspaces/<slug:slug>/pipelines/", include(_PIPELINES)),
    path("workspaces/<slug:slug>/modules/", include(_MODULES)),
    path("workspaces/<slug:slug>/sources/", include(_SOURCES)),
    path("workspaces/<slug:slug>/runs/", include(_RUNS)),
    path("workspaces/<slug:slug>/models/", include(_MODELS)),
    path("workspaces/<slug:slug>/approvals/", approvals.ApprovalsView.as_view(), name="api-approvals"),
    path("workspaces/<slug:slug>/trash/", trash.TrashView.as_view(), name="api-trash"),
    path("workspaces/<slug:slug>/retention/", trash.RetentionView.as_view(), name="api-retention"),
    path(
        "workspaces/<slug:slug>/retention/preview/", trash.RetentionPreviewView.as_view(), name="api-retention-preview"
    ),
    path("workspaces/<slug:slug>/lineage/", lineage.LineageView.as_view(), name="api-lineage"),
]
