"""Addresses of compute's REST API, below `/api/`."""

from django.urls import path

from compute import api

urlpatterns = [
    path("workspaces/<slug:slug>/compute/", api.TargetsView.as_view(), name="api-compute"),
    path("workspaces/<slug:slug>/compute/<int:target_id>/", api.TargetView.as_view(), name="api-compute-target"),
    path(
        "workspaces/<slug:slug>/datastores/<int:datastore_id>/checks/",
        api.ChecksView.as_view(),
        name="api-datastore-checks",
    ),
    path(
        "workspaces/<slug:slug>/datastores/<int:datastore_id>/checks/<int:check_id>/",
        api.CheckView.as_view(),
        name="api-datastore-check",
    ),
    path("workspaces/<slug:slug>/environments/", api.EnvironmentsView.as_view(), name="api-environments"),
    path(
        "workspaces/<slug:slug>/environments/<int:environment_id>/",
        api.EnvironmentView.as_view(),
        name="api-environment",
    ),
]
