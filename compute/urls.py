"""Addresses of the compute pages, below `/w/<slug>/`."""

from django.urls import include, path

from compute.pages import environment_views, node_views, pool_views, quota_views, target_views

_targets = [
    path("", target_views.target_list, name="list"),
    path("new/", target_views.target_new, name="new"),
    path("quotas/", quota_views.quotas, name="quotas"),
    path("new/pool/<slug:provider>/", pool_views.pool_new, name="pool-new"),
    path("try-hosts/", pool_views.pool_try, name="pool-try"),
    path("<int:target_id>/", target_views.target_detail, name="detail"),
    path("<int:target_id>/edit/", target_views.target_edit, name="edit"),
    path("<int:pool_id>/pool/", pool_views.pool_edit, name="pool-edit"),
    path("<int:target_id>/delete/", target_views.target_delete, name="delete"),
    path("<int:target_id>/intake/", target_views.target_intake, name="intake"),
    path("<int:target_id>/nodes/<int:node_id>/", node_views.node_detail, name="node"),
    path("<int:target_id>/nodes/<int:node_id>/stop/", node_views.node_stop, name="node_stop"),
    path("<int:target_id>/nodes/<int:node_id>/start/", node_views.node_start, name="node_start"),
    path("<int:target_id>/nodes/<int:node_id>/intake/", target_views.node_intake, name="node_intake"),
    path("<int:target_id>/nodes/<int:node_id>/remove/", target_views.node_remove, name="node_remove"),
]
_environments = [
    path("", environment_views.environment_list, name="list"),
    path("new/", environment_views.environment_new, name="new"),
    path("builds/", environment_views.build_list, name="builds"),
    path("builds/<int:build_id>/", environment_views.build_detail, name="build"),
    path("<int:environment_id>/", environment_views.environment_detail, name="detail"),
    path("<int:environment_id>/build/", environment_views.environment_build, name="build_ahead"),
    path("<int:environment_id>/rebuild/", environment_views.environment_rebuild, name="rebuild"),
]

urlpatterns = [
    path("w/<slug:slug>/compute/", include((_targets, "compute"))),
    path("w/<slug:slug>/environments/", include((_environments, "environments"))),
]
