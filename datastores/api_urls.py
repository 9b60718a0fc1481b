"""Addresses of data in the REST API, below `/api/`."""

from django.urls import include, path

from datastores import api

_datastores = [
    path("", api.DatastoresView.as_view(), name="api-datastores"),
    path("<int:datastore_id>/", api.DatastoreDetailView.as_view(), name="api-datastore"),
    path("<int:datastore_id>/files/", api.FilesView.as_view(), name="api-datastore-files"),
    path("<int:datastore_id>/folders/", api.FoldersView.as_view(), name="api-datastore-folders"),
    path("<int:datastore_id>/download/", api.DownloadView.as_view(), name="api-datastore-download"),
    path("<int:datastore_id>/upload/", api.UploadView.as_view(), name="api-datastore-upload"),
]
_datasets = [
    path("", api.DatasetsView.as_view(), name="api-datasets"),
    path("preview/", api.DatasetPreviewView.as_view(), name="api-dataset-preview"),
    path("<int:dataset_id>/", api.DatasetDetailView.as_view(), name="api-dataset"),
    path("<int:dataset_id>/versions/", api.DatasetVersionsView.as_view(), name="api-dataset-versions"),
    path(
        "<int:dataset_id>/versions/<int:number>/files/",
        api.DatasetVersionFilesView.as_view(),
        name="api-dataset-version-files",
    ),
]

urlpatterns = [
    path("workspaces/<slug:slug>/datastores/", include(_datastores)),
    path("workspaces/<slug:slug>/datasets/", include(_datasets)),
]
