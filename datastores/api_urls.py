"""Addresses of data in the REST API, below `/api/`."""

from django.urls import include, path

from datastores.api import datasets, files, profiles, stores, tables, uploads

_datastores = [
    path("", stores.DatastoresView.as_view(), name="api-datastores"),
    path("kinds/", stores.DatastoreKindsView.as_view(), name="api-datastore-kinds"),
    path("test/", stores.ConnectionTestView.as_view(), name="api-datastore-test-new"),
    path("<int:datastore_id>/", stores.DatastoreDetailView.as_view(), name="api-datastore"),
    path("<int:datastore_id>/test/", stores.DatastoreTestView.as_view(), name="api-datastore-test"),
    path("<int:database_id>/tables/", stores.TablesView.as_view(), name="api-datastore-tables"),
    path("<int:datastore_id>/count/", files.CountView.as_view(), name="api-datastore-count"),
    path("<int:datastore_id>/zip/", files.FolderZipView.as_view(), name="api-datastore-zip"),
    path("<int:datastore_id>/uploads/", uploads.UploadsView.as_view(), name="api-datastore-uploads"),
    path(
        "<int:datastore_id>/uploads/<uuid:upload_id>/",
        uploads.ResumableUploadView.as_view(),
        name="api-datastore-resumable",
    ),
    path("<int:datastore_id>/files/", files.FilesView.as_view(), name="api-datastore-files"),
    path("<int:datastore_id>/folders/", files.FoldersView.as_view(), name="api-datastore-folders"),
    path("<int:datastore_id>/download/", files.DownloadView.as_view(), name="api-datastore-download"),
    path("<int:datastore_id>/upload/", files.UploadView.as_view(), name="api-datastore-upload"),
]
_datasets = [
    path("", datasets.DatasetsView.as_view(), name="api-datasets"),
    path("preview/", datasets.DatasetPreviewView.as_view(), name="api-dataset-preview"),
    path("infer/", datasets.TableInferView.as_view(), name="api-dataset-infer"),
    path("parquet/", tables.TableParquetView.as_view(), name="api-table-parquet"),
    path("<int:dataset_id>/", datasets.DatasetDetailView.as_view(), name="api-dataset"),
    path("<int:dataset_id>/versions/", datasets.DatasetVersionsView.as_view(), name="api-dataset-versions"),
    path("<int:dataset_id>/versions/<int:number>/", datasets.DatasetVersionView.as_view(), name="api-dataset-version"),
    path(
        "<int:table_id>/versions/<int:number>/rows/",
        datasets.DatasetVersionRowsView.as_view(),
        name="api-dataset-version-rows",
    ),
    path(
        "<int:table_id>/versions/<int:number>/parquet/",
        tables.DatasetVersionParquetView.as_view(),
        name="api-dataset-version-parquet",
    ),
    path(
        "<int:dataset_id>/versions/<int:number>/changes/",
        datasets.DatasetVersionChangesView.as_view(),
        name="api-dataset-version-changes",
    ),
    path(
        "<int:table_id>/versions/<int:number>/derive/",
        datasets.DatasetVersionDeriveView.as_view(),
        name="api-dataset-version-derive",
    ),
    path(
        "<int:dataset_id>/versions/<int:number>/files/",
        datasets.DatasetVersionFilesView.as_view(),
        name="api-dataset-version-files",
    ),
    path("<int:table_id>/versions/<int:number>/profile/", profiles.ProfileView.as_view(), name="api-dataset-profile"),
    path(
        "<int:table_id>/versions/<int:number>/profile/cancel/",
        profiles.ProfileCancelView.as_view(),
        name="api-dataset-profile-cancel",
    ),
    path("compare/", profiles.CompareView.as_view(), name="api-dataset-compare"),
]

urlpatterns = [
    path("workspaces/<slug:slug>/datastores/", include(_datastores)),
    path("workspaces/<slug:slug>/datasets/", include(_datasets)),
]
