"""Addresses of compute's REST API, below `/api/`."""

from django.urls import path

from compute.api import checks, environments, nodes, quotas, targets

urlpatterns = [
    path("workspaces/<slug:slug>/compute/", targets.TargetsView.as_view(), name="api-compute"),
    path("workspaces/<slug:slug>/compute/<int:target_id>/", targets.TargetView.as_view(), name="api-compute-target"),
    path(
        "workspaces/<slug:slug>/compute/<int:target_id>/queue/",
        targets.QueueView.as_view(),
        name="api-compute-queue",
    ),
    path(
        "workspaces/<slug:slug>/compute/<int:target_id>/nodes/<int:node_id>/",
        targets.NodeView.as_view(),
        name="api-compute-node",
    ),
    path(
        "workspaces/<slug:slug>/compute/<int:target_id>/figures/",
        nodes.NodeFiguresView.as_view(),
        name="api-compute-figures",
    ),
    path(
        "workspaces/<slug:slug>/compute/<int:target_id>/nodes/<int:node_id>/log/",
        nodes.NodeLogView.as_view(),
        name="api-compute-node-log",
    ),
    path(
        "workspaces/<slug:slug>/compute/<int:target_id>/nodes/<int:node_id>/stop/",
        nodes.StopNodeView.as_view(),
        name="api-compute-node-stop",
    ),
    path(
        "workspaces/<slug:slug>/compute/<int:target_id>/nodes/<int:node_id>/start/",
        nodes.StartNodeView.as_view(),
        name="api-compute-node-start",
    ),
    path(
        "workspaces/<slug:slug>/datastores/<int:datastore_id>/checks/",
        checks.ChecksView.as_view(),
        name="api-datastore-checks",
    ),
    path(
        "workspaces/<slug:slug>/datastores/<int:datastore_id>/checks/<int:check_id>/",
        checks.CheckView.as_view(),
        name="api-datastore-check",
    ),
    path("workspaces/<slug:slug>/quotas/", quotas.QuotasView.as_view(), name="api-quotas"),
    path("workspaces/<slug:slug>/environments/", environments.EnvironmentsView.as_view(), name="api-environments"),
    path(
        "workspaces/<slug:slug>/environments/<int:environment_id>/",
        environments.EnvironmentView.as_view(),
        name="api-environment",
    ),
    path(
        "workspaces/<slug:slug>/environments/<int:environment_id>/versions/",
        environments.EnvironmentVersionsView.as_view(),
        name="api-environment-versions",
    ),
    path(
        "workspaces/<slug:slug>/environments/<int:environment_id>/lock/",
        environments.EnvironmentLockView.as_view(),
        name="api-environment-lock",
    ),
    path(
        "workspaces/<slug:slug>/environments/<int:environment_id>/rebuild/",
        environments.EnvironmentRebuildView.as_view(),
        name="api-environment-rebuild",
    ),
    path(
        "workspaces/<slug:slug>/environments/<int:environment_id>/builds/",
        environments.EnvironmentBuildsView.as_view(),
        name="api-environment-builds",
    ),
    path(
        "workspaces/<slug:slug>/environments/builds/<int:build_id>/",
        environments.EnvironmentBuildView.as_view(),
        name="api-environment-build",
    ),
]
