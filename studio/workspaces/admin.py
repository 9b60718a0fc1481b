"""People and workspaces in Django's admin. What only services may change is shown and not edited."""

from typing import Any

import knox.admin
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from knox.models import AuthToken

from studio.workspaces.models import AccessToken, AuditEvent, Membership, User, Workspace

admin.site.site_header = admin.site.site_title = "Pipeline Studio"
admin.site.index_title = "Administration"
# Roles in workspaces say what people may do; Django's groups are not asked.
admin.site.unregister(Group)


class Memberships(admin.TabularInline):  # type: ignore[type-arg]
    """Shown, with a link to each: forms for hundreds of members would ask the database for each of them."""

    model = Membership
    extra = 0
    show_change_link = True
    fields = readonly_fields = ("user", "workspace", "role", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        memberships: QuerySet[Membership] = super().get_queryset(request)
        return memberships.select_related("user", "workspace").order_by("created_at", "pk")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(User)
class StudioUserAdmin(UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "email", "full_name", "workspace_count", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "workspaces")
    search_fields = ("username", "email", "first_name", "last_name")
    date_hierarchy = "date_joined"
    filter_horizontal = ()
    inlines = (Memberships,)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email", "usable_password", "password1", "password2")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people: QuerySet[User] = super().get_queryset(request)
        return people.annotate(workspaces_total=Count("memberships"))

    @admin.display(description="name", ordering="last_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name()

    @admin.display(description="workspaces", ordering="workspaces_total")
    def workspace_count(self, user: User) -> int:
        count: int = getattr(user, "workspaces_total", 0)
        return count


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "slug", "member_count", "created_at")
    search_fields = ("name", "slug")
    list_filter = ("created_at",)
    date_hierarchy = "created_at"
    inlines = (Memberships,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        workspaces: QuerySet[Workspace] = super().get_queryset(request)
        return workspaces.annotate(members_total=Count("memberships"))

    def get_readonly_fields(self, request: HttpRequest, obj: Workspace | None = None) -> tuple[str, ...]:  # noqa: ARG002
        # The slug is part of every link.
        return ("slug", "created_at") if obj else ("created_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        # A workspace is made with its default datastore and an owner: by the page, not by hand.
        return False

    @admin.display(description="members", ordering="members_total")
    def member_count(self, workspace: Workspace) -> int:
        count: int = getattr(workspace, "members_total", 0)
        return count


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "workspace", "role", "created_at")
    list_filter = ("role", "workspace")
    list_select_related = ("user", "workspace")
    search_fields = ("user__username", "user__email", "workspace__name", "workspace__slug")
    autocomplete_fields = ("user", "workspace")
    date_hierarchy = "created_at"


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The trail is read, never mended."""

    list_display = ("at", "workspace", "actor", "verb", "target")
    list_filter = ("workspace", "at")
    list_select_related = ("workspace", "actor")
    search_fields = ("verb", "target", "actor__username")
    date_hierarchy = "at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


# Knox's own page lists digests that say nothing, and shows a new token in a message.
assert knox.admin
admin.site.unregister(AuthToken)


@admin.register(AccessToken)
class AccessTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What tokens are for, and when they were last used; each is taken away with its Knox token."""

    list_display = ("name", "person", "workspace", "role", "last_used_at")
    list_filter = ("role", "workspace", "last_used_at")
    list_select_related = ("token__user", "workspace")
    search_fields = ("name", "token__user__username")
    date_hierarchy = "last_used_at"
    fields = readonly_fields = ("name", "person", "everywhere", "workspace", "role", "last_used_at")

    @admin.display(ordering="token__user__username")
    def person(self, token: AccessToken) -> str:
        return str(token.token.user)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Without it, its token would be one for everything."""
        return False


@admin.register(AuthToken)
class TokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Tokens can be taken away here; `manage.py token USERNAME` makes them, and shows them once."""

    list_display = ("token_key", "user", "created", "expiry")
    list_filter = ("created", "expiry")
    list_select_related = ("user",)
    search_fields = ("user__username", "token_key")
    date_hierarchy = "created"
    fields = readonly_fields = ("token_key", "user", "created", "expiry")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False
