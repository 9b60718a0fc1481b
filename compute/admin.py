"""Compute's rows in Django's admin, to look at: whatever changes them goes through the services."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from compute.models import (
    Attempt,
    AttemptUsage,
    ComputeTarget,
    ConnectionCheck,
    CpuUse,
    Environment,
    EnvironmentBuild,
    Job,
    KeptFile,
    LogChunk,
    Metric,
    MetricChunk,
    Node,
    NodeLog,
    NodeSample,
    PoolEvent,
    PoolNode,
    Quota,
    SpecificationLock,
    SpokenProtocol,
    StorageCount,
    StorageUse,
    Turn,
)
from compute.services import set_target_intake
from compute.sharing import clashes_of_sharing
from compute.states import Intake
from studio.workspaces import audit
from studio.workspaces.models import User


class ReadOnly:
    """Rows that only services write: a hand that changed them would break what a node believes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 (Django's signature)
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


class NodeInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = Node
    fields = ("name", "hostname", "pid", "slots", "started_at", "heartbeat_at", "stopped_at", "isolation")
    extra = 0
    can_delete = False


class ComputeTargetForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        """No workspace comes to see two targets of one name."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        shares_anew = {"name", "shared_with_all", "shared_with"} & set(self.changed_data)
        if shares_anew and not self.errors and self.instance.deleted_at is None:
            target = ComputeTarget(pk=self.instance.pk, name=cleaned.get("name", self.instance.name))
            chosen = cleaned.get("shared_with", ())
            for sentence in clashes_of_sharing(target, with_all=cleaned.get("shared_with_all", False), chosen=chosen):
                self.add_error("shared_with", sentence)
        return cleaned


@admin.register(ComputeTarget)
class ComputeTargetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Sharing with all workspaces or with some is an administrator's: no page of a workspace does it."""

    form = ComputeTargetForm
    filter_horizontal = ("shared_with",)
    # The intake changes by the actions, which tell the nodes. Whoever changes a pool's hosts decides which machines get
    # the studio's keys: its pages check that.
    readonly_fields = ("intake", "created_by", "pool")
    actions = ("pause", "drain", "resume")
    list_display = ("name", "workspace", "kind", "slots", "intake", "shared_with_all", "node_count", "deleted_at")
    list_filter = ("kind", ("deleted_at", admin.EmptyFieldListFilter), "workspace")
    list_select_related = ("workspace",)
    search_fields = ("name", "description", "workspace__slug")
    raw_id_fields = ("workspace",)
    exclude = ("credentials",)
    inlines = (NodeInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ComputeTarget]:  # noqa: ARG002 (Django's signature)
        # Removed ones too: the base manager hides nothing.
        rows = ComputeTarget._base_manager.all()  # noqa: SLF001 (Django's documented name)
        return rows.annotate(nodes_total=Count("nodes")).order_by("name", "id")

    @admin.action(description="Pause: nothing new starts", permissions=["change"])
    def pause(self, request: HttpRequest, targets: QuerySet[ComputeTarget]) -> None:
        self._set(request, targets, Intake.PAUSED)

    @admin.action(description="Drain: nothing new starts, nodes of pools leave when idle", permissions=["change"])
    def drain(self, request: HttpRequest, targets: QuerySet[ComputeTarget]) -> None:
        self._set(request, targets, Intake.DRAINING)

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, targets: QuerySet[ComputeTarget]) -> None:
        self._set(request, targets, Intake.OPEN)

    def _set(self, request: HttpRequest, targets: QuerySet[ComputeTarget], intake: Intake) -> None:
        actor = request.user if isinstance(request.user, User) else None
        changed = sum(set_target_intake(target, intake, changed_by=actor) for target in targets)
        self.message_user(request, f"{changed} changed.")

    @admin.display(description="nodes", ordering="nodes_total")
    def node_count(self, target: ComputeTarget) -> int:
        count: int = getattr(target, "nodes_total", 0)
        return count


@admin.register(Node)
class NodeAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "target", "hostname", "pid", "slots", "started_at", "heartbeat_at", "stopped_at")
    list_filter = (("stopped_at", admin.EmptyFieldListFilter), "isolation", "target")
    list_select_related = ("target",)
    search_fields = ("name", "hostname", "target__name")
    date_hierarchy = "started_at"


@admin.register(Environment)
class EnvironmentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "version", "workspace", "python_version", "packages", "created_by", "created_at")
    list_filter = ("workspace", "created_at")
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description", "workspace__slug")
    raw_id_fields = ("workspace", "created_by")
    readonly_fields = ("spec",)  # immutable: another specification is another version

    @admin.display(description="Python")
    def python_version(self, environment: Environment) -> str:
        return str(environment.spec.python_version)

    @admin.display(description="packages")
    def packages(self, environment: Environment) -> str:
        shown = ", ".join(environment.spec.pip[:5])
        return f"{shown}, …" if len(environment.spec.pip) > 5 else shown or "none"


class AttemptInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = Attempt
    fields = ("number", "node_name", "claimed_at", "started_at", "finished_at", "exit_code", "reason", "log_bytes")
    extra = 0
    can_delete = False
    show_change_link = True


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "id",
        "title",
        "status",
        "workspace",
        "target",
        "attempt_number",
        "exit_code",
        "queued_at",
        "started_at",
        "finished_at",
    )
    list_display_links = ("id", "title")
    list_filter = ("status", "target", "workspace", "queued_at")
    list_select_related = ("workspace", "target")
    search_fields = ("=id", "title", "owner", "reason")
    show_full_result_count = False
    ordering = ("-id",)
    inlines = (AttemptInline,)


@admin.register(Attempt)
class AttemptAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("job", "number", "node_name", "claimed_at", "finished_at", "exit_code", "log_bytes", "log_lines")
    list_filter = ("log_complete", "claimed_at")
    list_select_related = ("job",)
    search_fields = ("=job__id", "job__title", "node_name", "reason")
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(AttemptUsage)
class AttemptUsageAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("attempt", "updated_at")
    list_select_related = ("attempt",)
    search_fields = ("=attempt__job__id", "attempt__job__title")
    show_full_result_count = False
    ordering = ("-attempt_id",)


@admin.register(LogChunk)
class LogChunkAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "attempt", "seq", "byte_start", "byte_count", "line_start", "newline_count", "is_archived")
    list_select_related = ("attempt",)
    search_fields = ("=attempt__id", "=attempt__job__id")
    show_full_result_count = False
    ordering = ("-id",)
    exclude = ("data",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogChunk]:
        return super().get_queryset(request).defer("data", "streams")

    @admin.display(boolean=True, description="archived")
    def is_archived(self, chunk: LogChunk) -> bool:
        return chunk.archive_start is not None


@admin.register(Metric)
class MetricAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "attempt", "name", "kind", "count", "last", "low", "high")
    list_filter = ("kind",)
    list_select_related = ("attempt",)
    search_fields = ("=attempt__job__id", "name")
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(MetricChunk)
class MetricChunkAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "metric", "seq", "start", "count", "step_min", "step_max")
    list_select_related = ("metric",)
    search_fields = ("=metric__id", "=metric__attempt__job__id")
    show_full_result_count = False
    ordering = ("-id",)
    exclude = ("data", "summary")

    def get_queryset(self, request: HttpRequest) -> QuerySet[MetricChunk]:
        return super().get_queryset(request).defer("data", "summary")


@admin.register(ConnectionCheck)
class ConnectionCheckAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "datastore", "target", "status", "node_name", "requested_by", "created_at", "finished_at")
    list_filter = ("status", "target")
    list_select_related = ("datastore", "target", "requested_by")
    search_fields = ("datastore__name", "node_name", "message")
    show_full_result_count = False


@admin.register(EnvironmentBuild)
class EnvironmentBuildAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "digest", "status", "node_name", "hostname", "target", "size_bytes", "created_at")
    list_filter = ("status", "target")
    list_select_related = ("target",)
    search_fields = ("=digest", "node_name", "hostname", "reason")
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(NodeSample)
class NodeSampleAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("node", "began_at")
    list_select_related = ("node",)
    show_full_result_count = False


@admin.register(NodeLog)
class NodeLogAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "node", "incarnation", "line_count", "size_bytes")
    list_select_related = ("node",)
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(SpecificationLock)
class SpecificationLockAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("digest", "node_name", "created_at")
    search_fields = ("=digest", "node_name")


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The one place where quotas are set. An empty limit is none."""

    list_display = (
        "workspace",
        "scope",
        "person",
        "running_steps",
        "queued_steps",
        "cpu_hours",
        "storage_bytes",
        "set_by",
        "set_at",
    )
    list_filter = ("scope", "workspace")
    list_select_related = ("workspace", "person", "set_by")
    search_fields = ("workspace__slug", "person__username")
    raw_id_fields = ("person",)
    fields = ("workspace", "scope", "person", "running_steps", "queued_steps", "cpu_hours", "storage_bytes")

    def save_model(self, request: HttpRequest, quota: Quota, form: Any, change: bool) -> None:
        quota.set_by = request.user if isinstance(request.user, User) else None
        super().save_model(request, quota, form, change)
        audit.record(quota.workspace, quota.set_by, "quota.set", f"{quota.get_scope_display()}")


@admin.register(CpuUse)
class CpuUseAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("workspace", "month", "person", "cpu_seconds")
    list_filter = ("workspace", "month")
    list_select_related = ("workspace",)


@admin.register(StorageUse)
class StorageUseAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("workspace", "person", "size_bytes", "brought_bytes")
    list_filter = ("workspace",)
    list_select_related = ("workspace",)


@admin.register(KeptFile)
class KeptFileAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("workspace", "place", "person", "size_bytes")
    list_filter = ("workspace",)
    list_select_related = ("workspace",)
    show_full_result_count = False


@admin.register(StorageCount)
class StorageCountAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("workspace", "asked_at", "began_at", "searches")
    list_select_related = ("workspace",)


@admin.register(Turn)
class TurnAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("target", "person", "served_at")
    list_select_related = ("target",)


@admin.register(PoolNode)
class PoolNodeAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "target", "status", "provider", "host", "created_at", "up_at", "ended_at", "reason")
    list_filter = ("status", "provider", "must_clear", "target")
    list_select_related = ("target",)
    search_fields = ("name", "host", "reason")
    show_full_result_count = False


@admin.register(PoolEvent)
class PoolEventAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("at", "target", "node_name", "host", "is_problem", "times", "message")
    list_filter = ("is_problem", "target")
    list_select_related = ("target",)
    search_fields = ("message", "host", "node_name")
    show_full_result_count = False


@admin.register(SpokenProtocol)
class SpokenProtocolAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("number", "version")
