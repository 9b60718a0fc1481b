"""Addresses of the REST API of workspaces, below `/api/`."""

from django.urls import path

from studio.workspaces import api, token_api

urlpatterns = [
    path("tokens/", token_api.TokensView.as_view(), name="api-tokens"),
    path("tokens/<int:token_id>/", token_api.TokenView.as_view(), name="api-token"),
    path("workspaces/", api.WorkspacesView.as_view(), name="api-workspaces"),
    path("workspaces/<slug:slug>/", api.WorkspaceView.as_view(), name="api-workspace"),
    path("workspaces/<slug:slug>/members/", api.MembersView.as_view(), name="api-members"),
    path("workspaces/<slug:slug>/members/<int:membership_id>/", api.MemberView.as_view(), name="api-member"),
]
