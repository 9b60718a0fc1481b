"""The addresses that MLflow's clients put behind the tracking address that they were told, below `/api/`.

That is `http://HOST/api/mlflow/WORKSPACE`, or `http://HOST/api/mlflow` where the token says which workspace is meant.
"""

from django.urls import URLPattern, URLResolver, include, path

from pipelines.mlflow import artifacts, experiments, logged_models, model_versions, registered_models, runs, search
from pipelines.mlflow.protocol import Endpoint, EndpointView, NoEndpointView
from pipelines.mlflow.ways_in import WayInView
from studio.workspaces.permissions import Permission

_VIEW = Permission.VIEW
_EDIT = Permission.EDIT_MODELS


def _at(address: str, **endpoints: Endpoint) -> URLPattern:
    return path(address, EndpointView.as_view(endpoints=endpoints))


_EXPERIMENTS = [
    _at("create", POST=Endpoint(experiments.Create, experiments.create)),
    _at("get", GET=Endpoint(experiments.ById, experiments.get, _VIEW)),
    _at("get-by-name", GET=Endpoint(experiments.ByName, experiments.get_by_name, _VIEW)),
    _at("delete", POST=Endpoint(experiments.ById, experiments.delete, Permission.DELETE_RUNS)),
    _at("restore", POST=Endpoint(experiments.ById, experiments.restore, Permission.DELETE_RUNS)),
    _at("update", POST=Endpoint(experiments.Rename, experiments.rename)),
    _at("set-experiment-tag", POST=Endpoint(experiments.SetTag, experiments.set_tag)),
    _at("delete-experiment-tag", POST=Endpoint(experiments.DeleteTag, experiments.delete_tag)),
    _at(
        "search",
        GET=Endpoint(experiments.Search, experiments.search, _VIEW),
        POST=Endpoint(experiments.Search, experiments.search, _VIEW),
    ),
]
_RUNS = [
    _at("create", POST=Endpoint(runs.Create, runs.create)),
    _at("get", GET=Endpoint(runs.OfRun, runs.get, _VIEW)),
    _at("update", POST=Endpoint(runs.Update, runs.update)),
    _at("delete", POST=Endpoint(runs.OfRun, runs.delete, Permission.DELETE_RUNS)),
    _at("restore", POST=Endpoint(runs.OfRun, runs.restore, Permission.DELETE_RUNS)),
    _at("search", POST=Endpoint(search.Search, search.search, _VIEW)),
    _at("log-metric", POST=Endpoint(runs.LogMetric, runs.log_metric)),
    _at("log-parameter", POST=Endpoint(runs.LogParam, runs.log_param)),
    _at("log-batch", POST=Endpoint(runs.LogBatch, runs.log_batch)),
    _at("outputs", POST=Endpoint(logged_models.LogOutputs, logged_models.log_outputs)),
    _at("log-inputs", POST=Endpoint(runs.LogInputs, runs.log_inputs)),
    _at("set-tag", POST=Endpoint(runs.SetTag, runs.set_tag)),
    _at("delete-tag", POST=Endpoint(runs.DeleteTag, runs.delete_tag)),
]
_LOGGED_MODELS = [
    _at("search", POST=Endpoint(logged_models.Search, logged_models.search, _VIEW)),
    _at(
        "<str:model_id>",
        GET=Endpoint(logged_models.ById, logged_models.get, _VIEW),
        PATCH=Endpoint(logged_models.Finalize, logged_models.finalize),
        DELETE=Endpoint(logged_models.ById, logged_models.delete),
    ),
    _at("<str:model_id>/tags", PATCH=Endpoint(logged_models.SetTags, logged_models.set_tags)),
    _at("<str:model_id>/tags/<path:tag_key>", DELETE=Endpoint(logged_models.DeleteTag, logged_models.delete_tag)),
    _at("<str:model_id>/params", POST=Endpoint(logged_models.LogParams, logged_models.log_params)),
    _at("<str:model_id>/artifacts/directories", GET=Endpoint(logged_models.Files, logged_models.files, _VIEW)),
]
_REGISTERED_MODELS = [
    _at("create", POST=Endpoint(registered_models.Create, registered_models.create, _EDIT)),
    _at("get", GET=Endpoint(registered_models.ByName, registered_models.get, _VIEW)),
    _at("rename", POST=Endpoint(registered_models.Rename, registered_models.rename, _EDIT)),
    _at("update", PATCH=Endpoint(registered_models.Update, registered_models.update, _EDIT)),
    _at("delete", DELETE=Endpoint(registered_models.ByName, registered_models.delete, _EDIT)),
    _at("search", GET=Endpoint(registered_models.Search, registered_models.search, _VIEW)),
    _at("set-tag", POST=Endpoint(registered_models.SetTag, registered_models.set_tag, _EDIT)),
    _at("delete-tag", DELETE=Endpoint(registered_models.DeleteTag, registered_models.delete_tag, _EDIT)),
    _at(
        "get-latest-versions",
        GET=Endpoint(registered_models.Latest, registered_models.latest, _VIEW),
        POST=Endpoint(registered_models.Latest, registered_models.latest, _VIEW),
    ),
    _at(
        "alias",
        GET=Endpoint(registered_models.ByAlias, registered_models.by_alias, _VIEW),
        POST=Endpoint(registered_models.SetAlias, registered_models.set_alias, _EDIT),
        DELETE=Endpoint(registered_models.ByAlias, registered_models.delete_alias, _EDIT),
    ),
]
_MODEL_VERSIONS = [
    _at("create", POST=Endpoint(model_versions.Create, model_versions.create, _EDIT)),
    _at("get", GET=Endpoint(model_versions.ByVersion, model_versions.get, _VIEW)),
    _at("update", PATCH=Endpoint(model_versions.Update, model_versions.update, _EDIT)),
    _at("delete", DELETE=Endpoint(model_versions.ByVersion, model_versions.delete, _EDIT)),
    _at("search", GET=Endpoint(model_versions.Search, model_versions.search, _VIEW)),
    _at("get-download-uri", GET=Endpoint(model_versions.ByVersion, model_versions.download_uri, _VIEW)),
    _at("transition-stage", POST=Endpoint(model_versions.Transition, model_versions.transition, _EDIT)),
    _at("set-tag", POST=Endpoint(model_versions.SetTag, model_versions.set_tag, _EDIT)),
    _at("delete-tag", DELETE=Endpoint(model_versions.DeleteTag, model_versions.delete_tag, _EDIT)),
]
_SERVED: list[URLPattern | URLResolver] = [
    path("api/2.0/mlflow/experiments/", include(_EXPERIMENTS)),
    path("api/2.0/mlflow/runs/", include(_RUNS)),
    _at("api/2.0/mlflow/logged-models", POST=Endpoint(logged_models.Create, logged_models.create)),
    path("api/2.0/mlflow/logged-models/", include(_LOGGED_MODELS)),
    path("api/2.0/mlflow/registered-models/", include(_REGISTERED_MODELS)),
    path("api/2.0/mlflow/model-versions/", include(_MODEL_VERSIONS)),
    _at("api/2.0/mlflow/artifacts/list", GET=Endpoint(artifacts.List, artifacts.list_of_run, _VIEW)),
    _at("api/2.0/mlflow-artifacts/artifacts", GET=Endpoint(artifacts.ListBelow, artifacts.list_below, _VIEW)),
    path("api/2.0/mlflow-artifacts/artifacts/<path:artifact>", artifacts.FileView.as_view()),
    _at("api/2.0/mlflow/metrics/get-history", GET=Endpoint(runs.History, runs.history, _VIEW)),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", WayInView.as_view()),
    path("", include(_SERVED)),
    path("<slug:slug>/", WayInView.as_view()),
    path("<slug:slug>/", include(_SERVED)),
    path("<path:unserved>", NoEndpointView.as_view()),
]
