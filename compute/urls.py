"""Addresses of the compute pages, below `/w/<slug>/`."""

from django.urls import include, path

from compute import views

_targets = [
    path("", views.target_list, name="list"),
    path("new/", views.target_new, name="new"),
    path("<int:target_id>/", views.target_detail, name="detail"),
    path("<int:target_id>/edit/", views.target_edit, name="edit"),
    path("<int:target_id>/delete/", views.target_delete, name="delete"),
]
_environments = [
    path("", views.environment_list, name="list"),
    path("new/", views.environment_new, name="new"),
    path("<int:environment_id>/", views.environment_detail, name="detail"),
]

urlpatterns = [
    path("w/<slug:slug>/compute/", include((_targets, "compute"))),
    path("w/<slug:slug>/environments/", include((_environments, "environments"))),
]
