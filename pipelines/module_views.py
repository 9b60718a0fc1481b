"""The pages about modules: the list, a module, and publishing one from a step of a pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_safe

from datastores import snapshots
from datastores.models import Snapshot
from pipelines import module_queries, queries
from pipelines.list_queries import whole_number
from pipelines.models import ModuleVersion, Pipeline, PipelineVersion
from pipelines.module_forms import ports_shown, tags_of, tags_text, words_before, words_of
from pipelines.modules.publishing import unfit_kind
from pipelines.services.modules import may_manage
from pipelines.services.publishing import Draft, draft_module, module_from_step, publish_module
from studio.lib.problems import Problem, UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission

PIPELINES_TO_CHOOSE = 300
_FIELDS = ("name", "description", "tags", "note")


@require_safe
@workspace_page(Permission.VIEW)
def module_list(request: WorkspaceRequest) -> HttpResponse:
    q = request.GET.get("q", "").replace("\0", "").strip()[:200]
    found = module_queries.module_rows(request.access.workspace, q=q, page=request.GET.get("page", 1))
    part = "modules/_list.html" if request.headers.get("HX-Request") else "modules/list.html"
    response = render(request, part, {"page_obj": found, "q": q})
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@workspace_page(Permission.VIEW)
def detail(request: WorkspaceRequest, module_id: int) -> HttpResponse:
    """A module in the version asked for, the latest unless told otherwise; `?file=PATH` shows one of its files."""
    access = request.access
    module = module_queries.module_of(access.workspace, module_id)
    asked = request.GET.get("version", "")
    version = module_queries.version_of(module, whole_number(asked) or 0 if asked else None)
    step = version.definition.step
    default = module_queries.default_number(module)
    context = {
        "module": module,
        "version": version,
        "definition": version.definition,
        "step": step,
        "settings": _settings(version),
        "files": _files(access.workspace, version),
        "shown": _file(access.workspace, version, request.GET.get("file", "")),
        "versions": list(module_queries.versions_of(module)[: module_queries.VERSIONS_PAGE]),
        "default": default,
        "uses": module_queries.uses_of(module, request.GET.get("page", 1)),
        "tags": module.tags.tags,
        "tags_text": tags_text(module.tags.tags),
        "may_manage": may_manage(access, module.created_by),
        "may_disable": may_manage(access, version.created_by),
    }
    return render(request, "modules/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_page(Permission.EDIT_PIPELINES)
def publish(request: WorkspaceRequest) -> HttpResponse:
    """From a step of a saved pipeline: choose both, say what its ports are called and take, look at it, publish it."""
    workspace = request.access.workspace
    asked = request.GET.get("module", "").replace("\0", "")[:100]  # whose next version it is to be
    pipeline = _pipeline(workspace, request.GET.get("pipeline", ""))
    if pipeline is None:
        rows = queries.pipelines_of(workspace).filter(latest_version__gt=0).order_by("name")
        return render(request, "modules/choose.html", {"pipelines": rows[:PIPELINES_TO_CHOOSE], "module": asked})
    version = _version(pipeline, request.GET.get("version", ""))
    name = request.GET.get("step", "")
    step = next((each for each in version.definition.steps if each.name == name), None)
    if step is None or unfit_kind(type(step)):
        steps = [(each, unfit_kind(type(each))) for each in version.definition.steps]
        context = {"pipeline": pipeline, "version": version, "steps": steps, "module": asked}
        return render(request, "modules/choose.html", context)
    form = _Publishing.of(request, pipeline, version, name, asked)
    if request.method == "POST" and form.is_seen(request.POST.get("seen", "")):
        try:
            published = form.publish(request)
        except UserError as error:
            form.add(error)
        else:
            said = "There is nothing new to publish" if not published.created else "Published"
            messages.success(request, f"{said}: “{published.module.name}”, version {published.version.number}.")
            return redirect("modules:detail", workspace.slug, published.module.pk)
    context = {"form": form, "pipeline": pipeline, "version": version, "step": step}
    is_wrong = form.is_sent and (form.errors or form.problems)
    return render(request, "modules/publish.html", context, status=422 if is_wrong else 200)


@dataclass
class _Publishing:
    """The form of a module that is to be published: what was typed, what it comes to, what is wrong."""

    given: dict[str, str]
    draft: Draft
    ports: dict[str, Any]
    accept_breaking: bool
    errors: dict[str, str] = field(default_factory=dict)  # by field
    problems: list[str] = field(default_factory=list)  # of what is published
    is_sent: bool = False

    @classmethod
    def of(
        cls, request: WorkspaceRequest, pipeline: Pipeline, version: PipelineVersion, step: str, module: str
    ) -> "_Publishing":
        workspace = request.access.workspace
        posted: Mapping[str, Any] = request.POST
        name = str(posted.get("name", module)).strip()[:200].replace("\0", "")
        words = words_of(posted) if posted else words_before(module_queries.latest_named(workspace, module))
        definition = module_from_step(pipeline, step, version=version.number, words=words)
        draft = draft_module(workspace, name=name, definition=definition)
        form = cls(
            given={each: str(posted.get(each, "")) for each in _FIELDS} | {"name": name},
            draft=draft,
            ports=ports_shown(definition),
            accept_breaking=bool(posted.get("accept_breaking")),
            is_sent=request.method == "POST",
        )
        # What keeps the step itself from being published is worth knowing before anything is typed.
        form._take([each for each in draft.problems if form.is_sent or each.loc != ("name",)])
        return form

    @property
    def seen(self) -> str:
        """What the person looks at: a module that is there is shown with its changes before it gets a version."""
        return f"{self.draft.latest} {self.draft.name}" if self.draft.latest else ""

    @property
    def next_version(self) -> int:
        return self.draft.latest + 1

    @property
    def breaks(self) -> bool:
        return any(change.breaks for change in self.draft.changes)

    def is_seen(self, seen: str) -> bool:
        return not self.errors and not self.problems and (not self.draft.latest or seen == self.seen)

    def publish(self, request: WorkspaceRequest) -> Any:
        is_new = not self.draft.latest
        tags = tags_of(self.given["tags"])
        return publish_module(
            request.access,
            name=self.draft.name,
            definition=self.draft.definition,
            base_version=self.draft.latest,
            # A module that is there keeps its words unless somebody says others.
            description=self.given["description"] if is_new or self.given["description"].strip() else None,
            tags=tags if is_new or tags else None,
            note=self.given["note"],
            accept_breaking=self.accept_breaking,
        )

    def add(self, error: UserError) -> None:
        self._take(error.problems)

    def _take(self, problems: list[Problem]) -> None:
        for problem in problems:
            place = str(problem.loc[0]) if problem.loc else ""
            if place in {*_FIELDS, "accept_breaking"}:
                self.errors.setdefault(place, problem.message)
            elif problem.message not in self.problems:
                self.problems.append(_with_place(problem))


def _with_place(problem: Problem) -> str:
    """A sentence, with the field where it is one of the step's."""
    match problem.loc:
        case ("definition", "step", str(name), *_):
            return f"{name.replace('_', ' ').capitalize()}: {problem.message}"
    return problem.message


def _pipeline(workspace: Workspace, asked: str) -> Pipeline | None:
    """None where none is asked for. Raises Http404."""
    return queries.pipeline_of(workspace, whole_number(asked) or 0) if asked else None


def _version(pipeline: Pipeline, asked: str) -> PipelineVersion:
    version = queries.version_of(pipeline, whole_number(asked) or 0 if asked else None)
    if version is None:
        raise Http404("Save the pipeline before you publish a step of it.")
    return version


def _settings(version: ModuleVersion) -> list[tuple[str, str]]:
    """What the step says, as words and values, its files and ports aside."""
    step = version.definition.step
    plain = step.model_dump(mode="json")
    fields = type(step).model_fields
    own = [(fields[name].title or name, value) for name, value in step.settings().items() if name != "kind"]
    shared = [
        ("Environment", "" if step.works else plain["environment"]),
        ("Compute target", plain["compute"]),
        ("Time limit (s)", plain["timeout_s"]),
        ("Attempts", plain["retry"]["max_attempts"]),
        *((f"Variable {each['name']}", each["value"]) for each in plain["environment_variables"]),
        *((f"Asks for {name.replace('_', ' ')}", value) for name, value in plain["resources"].items()),
    ]
    return [(label, _as_text(value)) for label, value in (*own, *shared) if value not in (None, "", [], {}, 0)]


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(_as_text(each) for each in value)
    if isinstance(value, dict):
        return " = ".join(str(each) for each in value.values())
    return str(value)


def _files(workspace: Workspace, version: ModuleVersion) -> list[dict[str, Any]]:
    snapshot = _snapshot(workspace, version)
    if snapshot is None:
        return []
    sizes = {file.path: file.size_bytes for file in snapshot.manifest.files}
    paths = module_queries.file_choices(list(sizes), version.definition.step.script)
    return [{"path": path, "size_bytes": sizes[path]} for path in paths]


def _file(workspace: Workspace, version: ModuleVersion, path: str) -> dict[str, Any] | None:
    """A file of it with its text. Raises Http404."""
    snapshot = _snapshot(workspace, version) if path else None
    if not path:
        return None
    if snapshot is None:
        raise Http404("This module has no files.")
    return queries.source_file_json(snapshot, path)


def _snapshot(workspace: Workspace, version: ModuleVersion) -> Snapshot | None:
    """None where it has no files, or they are gone."""
    source = version.definition.step.source
    try:
        return snapshots.get_snapshot(workspace, source) if source else None
    except Snapshot.DoesNotExist:
        return None
