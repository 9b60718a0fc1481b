"""Pages about people and workspaces, and the ones that belong to no workspace."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST, require_safe

from studio.lib.problems import UserError
from studio.workspaces import queries, services
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.forms import AddMemberForm, WorkspaceForm, show_problems
from studio.workspaces.models import Role, User
from studio.workspaces.permissions import Permission


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The first workspace's pipelines; for a person without one, what to do about that."""
    assert isinstance(request.user, User)
    first = queries.workspaces_of(request.user).first()
    if first is None:
        return render(request, "workspaces/none.html")
    return redirect("pipelines:list", first.slug)


class PasswordChange(auth.PasswordChangeView):
    template_name = "registration/password_change.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed.")
        return super().form_valid(form)


@require_safe
@workspace_page(Permission.VIEW)
def workspace(request: WorkspaceRequest) -> HttpResponse:
    return redirect("pipelines:list", request.access.workspace.slug)


@login_required
def new_workspace(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = WorkspaceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_workspace(owner=request.user, **form.cleaned_data)
        except UserError as error:
            show_problems(form, error)
        else:
            messages.success(request, f"The workspace {made.name} is ready. You are its owner.")
            return redirect("pipelines:list", made.slug)
    return render(request, "workspaces/new.html", {"form": form}, status=400 if form.errors else 200)


@workspace_page(Permission.VIEW, write=Permission.MANAGE_MEMBERS)
def members(request: WorkspaceRequest) -> HttpResponse:
    """Who is in the workspace, and what was done in it. Owners add people here."""
    form = AddMemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = services.add_member(request.access, **form.cleaned_data)
        except UserError as error:
            show_problems(form, error)
        else:
            messages.success(request, f"{added.user} is a member now, as {added.get_role_display().lower()}.")
            return redirect("workspaces:members", request.access.workspace.slug)
    events, next_before = queries.audit_trail(
        request.access.workspace, before=_whole_number(request.GET.get("before", ""))
    )
    context = {
        "form": form,
        "page_obj": queries.members(request.access.workspace, page=request.GET.get("page", 1)),
        "roles": Role.choices,
        "events": events,
        "next_before": next_before,
        "is_older": "before" in request.GET,
    }
    return render(request, "workspaces/members.html", context, status=400 if form.errors else 200)


@require_POST
@workspace_page(Permission.MANAGE_MEMBERS)
def change_role(request: WorkspaceRequest, membership_id: int) -> HttpResponse:
    try:
        membership = services.change_role(request.access, membership_id, role=request.POST.get("role", ""))
    except UserError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{membership.user} is {_with_article(membership.get_role_display())} now.")
    return redirect("workspaces:members", request.access.workspace.slug)


@require_POST
@workspace_page(Permission.MANAGE_MEMBERS)
def remove_member(request: WorkspaceRequest, membership_id: int) -> HttpResponse:
    try:
        services.remove_member(request.access, membership_id)
    except UserError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "They are no longer a member.")
    if not queries.workspaces_of(request.access.user).filter(pk=request.access.workspace.pk).exists():
        return redirect("home")
    return redirect("workspaces:members", request.access.workspace.slug)


@require_POST
@workspace_page(Permission.MANAGE_MEMBERS)
def rename(request: WorkspaceRequest) -> HttpResponse:
    try:
        services.rename_workspace(request.access, name=request.POST.get("name", ""))
    except UserError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The workspace has its new name.")
    return redirect("workspaces:members", request.access.workspace.slug)


def _with_article(role: str) -> str:
    return f"{'an' if role[0] in 'AEIOU' else 'a'} {role.lower()}"


def _whole_number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 18 else None
