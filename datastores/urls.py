"""Addresses of the data pages, below `/w/<slug>/`."""

from django.urls import include, path

from datastores.pages import (
    dataset_form_views,
    dataset_parts,
    dataset_views,
    datastore_views,
    derive_views,
    file_views,
    profile_views,
    table_views,
)

_datastores = [
    path("", datastore_views.datastore_list, name="list"),
    path("new/", datastore_views.datastore_new, name="new"),
    path("<int:datastore_id>/", datastore_views.browse, name="browse"),
    path("<int:datastore_id>/file/", file_views.file, name="file"),
    path("<int:datastore_id>/download/", file_views.download, name="download"),
    path("<int:datastore_id>/image/", file_views.image, name="image"),
    path("<int:datastore_id>/audio/", file_views.audio, name="audio"),
    path("<int:datastore_id>/thumbnail/", file_views.thumbnail_of, name="thumbnail"),
    path("<int:datastore_id>/zip/", datastore_views.folder_zip, name="zip"),
    path("<int:datastore_id>/folders/", datastore_views.folder_new, name="folder_new"),
    path("<int:datastore_id>/delete-path/", datastore_views.path_delete, name="path_delete"),
    path("<int:datastore_id>/edit/", datastore_views.datastore_edit, name="edit"),
    path("<int:datastore_id>/default/", datastore_views.datastore_default, name="make_default"),
    path("<int:datastore_id>/delete/", datastore_views.datastore_delete, name="delete"),
]
_datasets = [
    path("", dataset_views.dataset_list, name="list"),
    path("new/", dataset_form_views.dataset_new, name="new"),
    path("new/table/", table_views.table_part, name="table_part"),
    path("<int:dataset_id>/", dataset_views.dataset_detail, name="detail"),
    path("compare/", profile_views.compare, name="compare"),
    path("compare/columns/<int:position>/", profile_views.compare_column, name="compare_column"),
    path("<int:table_id>/versions/<int:number>/profile/", profile_views.profile, name="profile"),
    path("<int:table_id>/versions/<int:number>/profile/cancel/", profile_views.profile_cancel, name="profile_cancel"),
    path(
        "<int:table_id>/versions/<int:number>/profile/columns/<int:position>/",
        profile_views.profile_column,
        name="profile_column",
    ),
    path("<int:dataset_id>/versions/new/", dataset_form_views.version_new, name="version_new"),
    path("<int:dataset_id>/versions/<int:number>/files/", dataset_parts.files, name="files"),
    path("<int:table_id>/versions/<int:number>/preview/", dataset_parts.preview, name="preview"),
    path("<int:dataset_id>/versions/<int:number>/changes/", dataset_parts.changes, name="changes"),
    path("<int:dataset_id>/versions/<int:number>/again/", dataset_parts.version_again, name="version_again"),
    path("<int:table_id>/versions/<int:number>/derive/", derive_views.derive, name="derive"),
    path("<int:table_id>/versions/<int:number>/derive/part/", derive_views.derive_part, name="derive_part"),
    path("<int:dataset_id>/edit/", dataset_views.dataset_edit, name="edit"),
    path("<int:dataset_id>/delete/", dataset_views.dataset_delete, name="delete"),
]

urlpatterns = [
    path("w/<slug:slug>/datastores/", include((_datastores, "datastores"))),
    path("w/<slug:slug>/datasets/", include((_datasets, "datasets"))),
]
