"""Data's rows in Django's admin, to look at: whatever changes them goes through the services, which guard the disks."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest

from datastores.models import Dataset, DatasetVersion, Datastore, Profile, ResumableUpload, Snapshot, StudioHome
from datastores.sources import paths_of
from studio.workspaces.templatetags.studio import filesize


class ReadOnly:
    """Nobody types a folder of the server here, or a definition that no check has seen."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 (Django's signature)
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(Datastore)
class DatastoreAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "workspace", "kind", "is_default", "config", "created_by", "created_at")
    list_filter = ("kind", "is_default", "workspace")
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description", "workspace__slug")
    date_hierarchy = "created_at"


@admin.register(Dataset)
class DatasetAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "workspace", "version_count", "changed_at", "created_by", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description", "workspace__slug")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        rows: QuerySet[Dataset] = super().get_queryset(request)
        return rows.annotate(versions_total=Count("versions"), newest=Max("versions__created_at"))

    @admin.display(description="versions", ordering="versions_total")
    def version_count(self, dataset: Dataset) -> int:
        count: int = getattr(dataset, "versions_total", 0)
        return count

    @admin.display(description="last changed", ordering="newest")
    def changed_at(self, dataset: Dataset) -> Any:
        return getattr(dataset, "newest", None)


@admin.register(DatasetVersion)
class DatasetVersionAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "workspace", "path_count", "created_by", "created_at")
    list_filter = ("dataset__workspace",)
    list_select_related = ("dataset__workspace", "created_by")
    search_fields = ("dataset__name", "dataset__workspace__slug")
    date_hierarchy = "created_at"

    @admin.display(ordering="dataset__workspace")
    def workspace(self, version: DatasetVersion) -> str:
        return str(version.dataset.workspace)

    @admin.display(description="paths")
    def path_count(self, version: DatasetVersion) -> int:
        return len(paths_of(version.definition))


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("short_digest", "workspace", "file_count", "size", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace",)
    search_fields = ("digest", "workspace__slug")
    date_hierarchy = "created_at"
    exclude = ("manifest",)  # up to 2,000 files
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Snapshot]:
        return super().get_queryset(request).defer("manifest")

    @admin.display(description="digest", ordering="digest")
    def short_digest(self, snapshot: Snapshot) -> str:
        return str(snapshot)

    @admin.display(ordering="size_bytes")
    def size(self, snapshot: Snapshot) -> str:
        return filesize(snapshot.size_bytes)


@admin.register(Profile)
class ProfileAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "version", "status", "progress", "attempts", "requested_by", "created_at", "finished_at")
    list_filter = ("status", "version__dataset__workspace")
    list_select_related = ("version__dataset", "requested_by")
    search_fields = ("version__dataset__name", "reason")
    show_full_result_count = False
    exclude = ("result", "token")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        return super().get_queryset(request).defer("result")


@admin.register(ResumableUpload)
class ResumableUploadAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("path", "datastore", "received_bytes", "size_bytes", "created_by", "changed_at", "stored_at")
    list_filter = ("datastore__workspace",)
    list_select_related = ("datastore", "created_by")
    search_fields = ("path", "datastore__name")
    show_full_result_count = False


@admin.register(StudioHome)
class StudioHomeAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("mark",)
