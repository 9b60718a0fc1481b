"""Addresses of the data pages, below `/w/<slug>/`."""

from django.urls import include, path

from datastores import dataset_views, datastore_views, file_views

_datastores = [
    path("", datastore_views.datastore_list, name="list"),
    path("new/", datastore_views.datastore_new, name="new"),
    path("<int:datastore_id>/", datastore_views.browse, name="browse"),
    path("<int:datastore_id>/file/", file_views.file, name="file"),
    path("<int:datastore_id>/download/", file_views.download, name="download"),
    path("<int:datastore_id>/image/", file_views.image, name="image"),
    path("<int:datastore_id>/zip/", datastore_views.folder_zip, name="zip"),
    path("<int:datastore_id>/folders/", datastore_views.folder_new, name="folder_new"),
    path("<int:datastore_id>/delete-path/", datastore_views.path_delete, name="path_delete"),
    path("<int:datastore_id>/edit/", datastore_views.datastore_edit, name="edit"),
    path("<int:datastore_id>/default/", datastore_views.datastore_default, name="make_default"),
    path("<int:datastore_id>/delete/", datastore_views.datastore_delete, name="delete"),
]
_datasets = [
    path("", dataset_views.dataset_list, name="list"),
    path("new/", dataset_views.dataset_new, name="new"),
    path("<int:dataset_id>/", dataset_views.dataset_detail, name="detail"),
    path("<int:dataset_id>/versions/new/", dataset_views.version_new, name="version_new"),
    path("<int:dataset_id>/edit/", dataset_views.dataset_edit, name="edit"),
    path("<int:dataset_id>/delete/", dataset_views.dataset_delete, name="delete"),
]

urlpatterns = [
    path("w/<slug:slug>/datastores/", include((_datastores, "datastores"))),
    path("w/<slug:slug>/datasets/", include((_datasets, "datasets"))),
]
