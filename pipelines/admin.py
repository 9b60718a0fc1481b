"""Django's admin: everything about pipelines and runs, to look at. What moves a run goes through the services."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from pipelines.models import (
    LONG_OF_STEPS,
    Experiment,
    ForeignName,
    Module,
    ModuleUse,
    ModuleVersion,
    Pin,
    Pipeline,
    PipelineVersion,
    Retention,
    ReuseEnd,
    Run,
    RunEvent,
    StepEdge,
    StepEdit,
    StepInput,
    StepOutput,
    StepRun,
    SubmitKey,
    Tag,
    TrashedRun,
)
from pipelines.registered import ModelAlias, ModelVersion, RegisteredModel


class LookedAt(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only services write: a change by hand would leave the rest of a run behind."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(Experiment)
class ExperimentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "workspace", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace",)
    search_fields = ("name",)
    raw_id_fields = ("workspace",)
    exclude = ("tags",)
    readonly_fields = ("tagged", "deleted_at")

    @admin.display(description="tags")
    def tagged(self, experiment: Experiment) -> str:
        return ", ".join(f"{name}: {value}" for name, value in experiment.tags.tags.items()) or "–"


@admin.register(ForeignName)
class ForeignNameAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("theirs", "sort", "ours", "workspace", "set_by", "set_at")
    list_filter = ("sort", "workspace")
    list_select_related = ("workspace", "set_by")
    search_fields = ("theirs", "ours")
    raw_id_fields = ("workspace", "set_by")


@admin.register(Pipeline)
class PipelineAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "workspace", "latest_version", "created_by", "updated_at", "deleted_at")
    list_filter = ("workspace", ("deleted_at", admin.EmptyFieldListFilter), "updated_at")
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description")
    raw_id_fields = ("workspace", "created_by")
    readonly_fields = ("latest_version", "created_at", "updated_at")


@admin.register(PipelineVersion)
class PipelineVersionAdmin(LookedAt):
    list_display = ("pipeline", "number", "created_by", "created_at")
    list_filter = ("pipeline__workspace", "created_at")
    list_select_related = ("pipeline", "created_by")
    search_fields = ("pipeline__name",)


@admin.register(Module)
class ModuleAdmin(LookedAt):
    list_display = ("name", "workspace", "latest_version", "default_version", "created_by", "updated_at", "deleted_at")
    list_filter = ("workspace", ("deleted_at", admin.EmptyFieldListFilter), "updated_at")
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description")


@admin.register(ModuleVersion)
class ModuleVersionAdmin(LookedAt):
    list_display = ("module", "number", "kind", "created_by", "created_at", "disabled_at")
    list_filter = ("module__workspace", "kind", "created_at")
    list_select_related = ("module", "created_by")
    search_fields = ("module__name",)


@admin.register(ModuleUse)
class ModuleUseAdmin(LookedAt):
    list_display = ("module", "number", "version", "steps", "workspace")
    list_filter = ("workspace",)
    list_select_related = ("version", "workspace")
    search_fields = ("module",)


@admin.register(Run)
class RunAdmin(LookedAt):
    list_display = (
        "id",
        "pipeline",
        "status",
        "workspace",
        "experiment",
        "submitted_by",
        "steps",
        "created_at",
        "finished_at",
    )
    list_filter = ("status", "workspace", "created_at")
    list_select_related = ("pipeline", "workspace", "experiment", "submitted_by")
    search_fields = ("=id", "pipeline__name", "experiment__name", "submitted_by__username", "reason")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> Any:  # noqa: ARG002
        return Run.everything.order_by("-pk")

    @admin.display(description="steps done")
    def steps(self, run: Run) -> str:
        return f"{run.steps_done} of {run.steps_total}"


@admin.register(StepRun)
class StepRunAdmin(LookedAt):
    list_display = (
        "name",
        "run_number",
        "pipeline",
        "status",
        "attempt",
        "exit_code",
        "queued_at",
        "started_at",
        "finished_at",
        "reuse_note",
    )
    list_filter = ("status", "run__workspace", "finished_at")
    list_select_related = ("run__pipeline",)
    search_fields = ("name", "=run__id", "run__pipeline__name", "reason")
    raw_id_fields = ("run", "job", "reused_from")
    ordering: ClassVar = ["-id"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        # Long, and shown on a row's own page only.
        return rows.defer(*LONG_OF_STEPS) if _is_list(request) else rows

    @admin.display(description="run", ordering="run_id")
    def run_number(self, step: StepRun) -> int:
        return step.run_id

    @admin.display(description="pipeline", ordering="run__pipeline__name")
    def pipeline(self, step: StepRun) -> str:
        return step.run.pipeline.name


@admin.register(StepEdit)
class StepEditAdmin(LookedAt):
    list_display = ("id", "run_number", "step", "number", "what", "last_attempt", "edited_by", "edited_at")
    list_filter = ("edited_at",)
    list_select_related = ("edited_by",)
    search_fields = ("=step_run__run__id", "step_run__name")
    ordering: ClassVar = ["-id"]
    raw_id_fields = ("step_run", "edited_by")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("step_run", "edited_by")
        return rows.defer("before", *(f"step_run__{name}" for name in LONG_OF_STEPS))

    @admin.display(description="run", ordering="step_run__run_id")
    def run_number(self, edit: StepEdit) -> int:
        return edit.step_run.run_id

    @admin.display(ordering="step_run__name")
    def step(self, edit: StepEdit) -> str:
        return edit.step_run.name

    @admin.display
    def what(self, edit: StepEdit) -> str:
        return ", ".join(edit.changes.changes)


@admin.register(Tag)
class TagAdmin(LookedAt):
    list_display = ("id", "run_number", "step", "name", "value", "is_property", "set_by", "set_at")
    list_filter = ("is_property", "set_at")
    search_fields = ("=run__id", "name", "value")
    ordering: ClassVar = ["-id"]
    raw_id_fields = ("run", "step_run", "set_by")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("step_run", "set_by")
        return rows.defer(*(f"step_run__{name}" for name in LONG_OF_STEPS))

    @admin.display(description="run", ordering="run_id")
    def run_number(self, tag: Tag) -> int:
        return tag.run_id

    @admin.display(ordering="step_run__name")
    def step(self, tag: Tag) -> str:
        return tag.step_run.name if tag.step_run else ""


@admin.register(ReuseEnd)
class ReuseEndAdmin(LookedAt):
    list_display = ("id", "run_number", "step", "ends_at", "decided_by", "decided_at")
    list_filter = ("ends_at",)
    list_select_related = ("decided_by",)
    search_fields = ("=step_run__run__id", "step_run__name")
    ordering: ClassVar = ["-id"]
    raw_id_fields = ("step_run", "decided_by")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("step_run", "decided_by")
        return rows.defer(*(f"step_run__{name}" for name in LONG_OF_STEPS))

    @admin.display(description="run", ordering="step_run__run_id")
    def run_number(self, end: ReuseEnd) -> int:
        return end.step_run.run_id

    @admin.display(ordering="step_run__name")
    def step(self, end: ReuseEnd) -> str:
        return end.step_run.name


@admin.register(StepEdge)
class StepEdgeAdmin(LookedAt):
    list_display = ("run_number", "from_step", "to_step")
    list_select_related = ("upstream", "downstream")
    search_fields = ("=run__id", "upstream__name", "downstream__name")
    ordering: ClassVar = ["-id"]

    def get_queryset(self, request: HttpRequest) -> Any:
        names = ("id", "run_id", "upstream__name", "upstream__run_id", "downstream__name", "downstream__run_id")
        return super().get_queryset(request).select_related("upstream", "downstream").only(*names)

    @admin.display(description="run", ordering="run_id")
    def run_number(self, edge: StepEdge) -> int:
        return edge.run_id

    @admin.display(description="from", ordering="upstream__name")
    def from_step(self, edge: StepEdge) -> str:
        return edge.upstream.name

    @admin.display(description="to", ordering="downstream__name")
    def to_step(self, edge: StepEdge) -> str:
        return edge.downstream.name


@admin.register(StepInput)
class StepInputAdmin(LookedAt):
    list_display = ("id", "step_run_id", "name", "dataset", "model", "upstream_id", "upstream_output")
    search_fields = ("=step_run__run__id", "dataset", "model", "name")
    ordering: ClassVar = ["-id"]
    raw_id_fields = ("step_run", "upstream", "dataset_version", "model_version")


@admin.register(StepOutput)
class StepOutputAdmin(LookedAt):
    list_display = ("id", "step_run_id", "name", "datastore", "path", "dataset_version_id")
    list_select_related = ("datastore",)
    search_fields = ("=step_run__run__id", "path", "name")
    ordering: ClassVar = ["-id"]
    raw_id_fields = ("step_run", "dataset_version")


@admin.register(RunEvent)
class RunEventAdmin(LookedAt):
    list_display = ("run_number", "seq", "at", "kind", "what")
    list_filter = ("run__workspace", "at")
    search_fields = ("=run__id",)
    ordering: ClassVar = ["-id"]

    @admin.display(description="run", ordering="run_id")
    def run_number(self, event: RunEvent) -> int:
        return event.run_id

    @admin.display
    def kind(self, event: RunEvent) -> str:
        return str(event.data.get("kind", ""))

    @admin.display
    def what(self, event: RunEvent) -> str:
        said = (event.data.get(name) for name in ("step", "status", "reason", "by"))
        return " · ".join(str(each) for each in said if each)


def _is_list(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.url_name is not None and match.url_name.endswith("_changelist")


@admin.register(TrashedRun)
class TrashedRunAdmin(LookedAt):
    list_display = ("run_id", "pipeline", "workspace", "status", "trashed_at", "trashed_by", "due_at", "problem")
    list_filter = ("status", "workspace", "trashed_at")
    list_select_related = ("run__pipeline", "workspace", "trashed_by")
    search_fields = ("=run__id", "run__pipeline__name", "trashed_by__username")
    ordering: ClassVar = ["-trashed_at"]

    @admin.display(description="pipeline")
    def pipeline(self, trash: TrashedRun) -> str:
        return trash.run.pipeline.name


@admin.register(SubmitKey)
class SubmitKeyAdmin(LookedAt):
    list_display = ("key", "run_id", "user", "workspace", "created_at")
    list_filter = ("workspace", "created_at")
    list_select_related = ("user", "workspace")
    search_fields = ("=run__id", "key", "user__username")
    ordering: ClassVar = ["-id"]


@admin.register(Pin)
class PinAdmin(LookedAt):
    list_display = ("run_id", "step", "note", "pinned_by", "pinned_at")
    list_filter = ("run__workspace", "pinned_at")
    search_fields = ("=run__id", "step_run__name", "note", "pinned_by__username")
    ordering: ClassVar = ["-id"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("step_run", "pinned_by")
        return rows.defer(*(f"step_run__{name}" for name in LONG_OF_STEPS))

    @admin.display(description="step")
    def step(self, pin: Pin) -> str:
        return pin.step_run.name if pin.step_run else "–"


@admin.register(Retention)
class RetentionAdmin(LookedAt):
    list_display = ("workspace", "trash_days", "keep_days", "keep_runs", "keep_bytes", "set_by", "set_at")
    list_select_related = ("workspace", "set_by")
    search_fields = ("workspace__name", "set_by__username")


@admin.register(RegisteredModel)
class RegisteredModelAdmin(LookedAt):
    list_display = ("name", "workspace", "latest_version", "created_by", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description", "workspace__slug")


@admin.register(ModelVersion)
class ModelVersionAdmin(LookedAt):
    list_display = ("__str__", "stage", "run_number", "step_name", "output_name", "datastore", "path", "created_by")
    list_filter = ("stage", "model__workspace")
    list_select_related = ("model", "datastore", "created_by")
    search_fields = ("model__name", "=run_number", "step_name", "path")
    ordering: ClassVar = ["-id"]
    raw_id_fields = ("step_run", "model")


@admin.register(ModelAlias)
class ModelAliasAdmin(LookedAt):
    list_display = ("name", "model", "version")
    list_filter = ("model__workspace",)
    list_select_related = ("model", "version__model")
    search_fields = ("name", "model__name")
    raw_id_fields = ("model", "version")
