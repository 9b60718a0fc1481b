"""Addresses of the pages about people and workspaces."""

from django.contrib.auth import views as auth
from django.urls import include, path

from studio.workspaces import token_views, views
from studio.workspaces.forms import SignInForm

workspaces = [
    path("workspaces/new/", views.new_workspace, name="new"),
    path("w/<slug:slug>/members/", views.members, name="members"),
    path("w/<slug:slug>/members/rename/", views.rename, name="rename"),
    path("w/<slug:slug>/members/<int:membership_id>/role/", views.change_role, name="change_role"),
    path("w/<slug:slug>/members/<int:membership_id>/remove/", views.remove_member, name="remove_member"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path(
        "accounts/login/",
        auth.LoginView.as_view(authentication_form=SignInForm, redirect_authenticated_user=True),
        name="login",
    ),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("accounts/password/", views.PasswordChange.as_view(), name="password_change"),
    path("accounts/tokens/", token_views.access_tokens, name="access_tokens"),
    path("accounts/tokens/<int:token_id>/revoke/", token_views.revoke_token, name="revoke_token"),
    path("w/<slug:slug>/", views.workspace, name="workspace"),
    path("", include((workspaces, "workspaces"))),
]
