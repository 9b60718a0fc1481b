"""Derive a table from another one: what is done to its rows, step by step, with the outcome beside it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from datastores import dataset_queries, queries, services
from datastores.definition_words import transformation_words
from datastores.models import Dataset, DatasetVersion
from datastores.pages.dataset_forms import DatasetForm
from datastores.pages.derive_forms import DeriveForm, part_names
from datastores.sources import Column, TabularDefinition
from datastores.tabular.transformations import checked
from studio.lib.problems import Problem, UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

Loc = tuple[str | int, ...]

ROWS = 30
TABLES_OFFERED = 300


class SaveForm(DatasetForm):
    """What the derived table is called: a new name, two of them for both parts of a split, or another table's."""

    second_name = forms.CharField(max_length=100, required=False, label="Name of the second part")
    target = forms.IntegerField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.data.get("target"):
            self.fields["name"].required = False


@workspace_page(Permission.EDIT_DATA)
def derive(request: WorkspaceRequest, table_id: int, number: int) -> HttpResponse:
    base = _base(request, table_id, number)
    is_post = request.method == "POST"
    steps = DeriveForm.from_query(request.POST)
    initial = {"name": f"{base.dataset.name[:92]}-derived", "second_name": part_names(base.dataset.name)[1]}
    form = SaveForm(request.POST if is_post else None, initial=initial)
    if is_post and "do" in request.POST:
        steps.do(request.POST["do"])
    elif is_post and form.is_valid():
        try:
            made = _save(request, base, steps, form.cleaned_data)
        except UserError as error:
            steps.show(form.show(error.problems))
        else:
            messages.success(request, f"{' and '.join(map(str, made))} {'are' if made[1:] else 'is'} ready.")
            return redirect("datasets:detail", request.access.workspace.slug, made[0].dataset_id)
    context = {
        "form": form,
        "dataset": base.dataset,
        "version": base,
        "base_steps": [transformation_words(step) for step in _definition(base).transformations],
        "tables": dataset_queries.datasets_in(request.access.workspace, kind="table")[:TABLES_OFFERED],
        "part_url": reverse("datasets:derive_part", args=[request.access.workspace.slug, table_id, number]),
        **steps.context(_columns(base)),
    }
    return render(request, "datasets/derive.html", context, status=400 if form.errors or steps.problems else 200)


@require_POST
@workspace_page(Permission.EDIT_DATA)
def derive_part(request: WorkspaceRequest, table_id: int, number: int) -> HttpResponse:
    """The steps after what a button asked for, and the first rows that they leave."""
    from datastores.tabular import reading

    base = _base(request, table_id, number)
    steps = DeriveForm.from_query(request.POST)
    steps.do(request.POST.get("do", ""))
    context: dict[str, Any] = {"dataset": base.dataset, "version": base}
    try:
        transformations = steps.transformations()
        definition = services.derived_table(base, transformations) if transformations else _definition(base)
        context["preview"] = reading.preview(definition, workspace_id=request.access.workspace.pk, rows=ROWS)
    except UserError as error:
        steps.show(error.problems)
    return render(request, "datasets/parts/derive_steps.html", context | steps.context(_columns(base)))


def _save(
    request: WorkspaceRequest, base: DatasetVersion, steps: DeriveForm, said: dict[str, Any]
) -> list[DatasetVersion]:
    workspace, actor = request.access.workspace, request.user
    definition = services.derived_table(base, steps.transformations())
    words: dict[str, Any] = {"description": said["description"], "tags": said["tags"], "actor": actor}
    if said["target"]:
        if steps.splits_both:
            raise UserError("Both parts of a split become new datasets. Choose one part, or new names.")
        target = _target(request, said["target"])
        return [services.add_table_version(target, definition=definition, **words)[0]]
    if not steps.splits_both:
        return [services.create_table(workspace, name=said["name"], definition=definition, **words)]
    second = services.derived_table(base, steps.transformations(second=True))
    if not said["second_name"]:
        raise UserError("Give the second part a name.", loc=("second_name",))
    parts = [(said["name"], definition), (said["second_name"], second)]
    try:
        return services.create_tables(workspace, parts, **words)
    except UserError as error:
        fields: dict[Loc, Loc] = {("names", 0): ("name",), ("names", 1): ("second_name",)}
        problems = [Problem(fields.get(each.loc, each.loc), each.message) for each in error.problems]
        raise UserError(problems) from error


def _target(request: WorkspaceRequest, dataset_id: int) -> Dataset:
    try:
        return queries.dataset_in(request.access.workspace, dataset_id)
    except Http404 as error:
        raise UserError("Choose a table of this workspace.", loc=("target",)) from error


def _base(request: WorkspaceRequest, table_id: int, number: int) -> DatasetVersion:
    """Raises Http404 where it is no table."""
    version = queries.version_of(queries.dataset_in(request.access.workspace, table_id), number)
    if not version.is_tabular:
        raise Http404("Only tables can be derived from.")
    return version


def _definition(version: DatasetVersion) -> TabularDefinition:
    definition: TabularDefinition = version.definition
    return definition


def _columns(version: DatasetVersion) -> list[Column]:
    definition = _definition(version)
    return checked(definition.transformations, definition.columns)
