"""Experiments, as MLflow's clients see them: by the studio's own number, which they take for a text."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from pydantic import Field

from pipelines import services
from pipelines.mlflow.caller import Caller
from pipelines.mlflow.failures import missing, taken, unfit, wrong_state
from pipelines.mlflow.filters import Comparison, UnfitFilterError, compares, parse_filter, parse_orders
from pipelines.mlflow.moments import milliseconds, moment_lookup
from pipelines.mlflow.pages import start_of, token_at
from pipelines.mlflow.protocol import Asked
from pipelines.mlflow.texts import text_condition
from pipelines.models import Experiment, ExperimentTags
from studio.workspaces import audit
from studio.workspaces.models import Workspace

DEFAULT_ID = "0"  # what clients mean that were told nothing
DEFAULT_NAME = "Default"
MAX_TAG_KEY, MAX_TAG_VALUE, MAX_TAGS = 250, 20_000, 100
MAX_RESULTS = 50_000
_ACTIVE, _DELETED, _ALL = "ACTIVE_ONLY", "DELETED_ONLY", "ALL"


class KeyValue(Asked):
    key: str
    value: str = ""


class Create(Asked):
    name: str
    artifact_location: str = ""
    tags: list[KeyValue] = Field(default_factory=list)


class ById(Asked):
    experiment_id: str


class ByName(Asked):
    experiment_name: str


class Rename(Asked):
    experiment_id: str
    new_name: str


class SetTag(Asked):
    experiment_id: str
    key: str
    value: str = ""


class DeleteTag(Asked):
    experiment_id: str
    key: str


class Search(Asked):
    max_results: int = 1000
    page_token: str = ""
    filter: str = ""
    order_by: list[str] = Field(default_factory=list)
    view_type: str = _ACTIVE


def create(caller: Caller, asked: Create) -> dict[str, Any]:
    caller.require_person("making experiments")
    name = _fit_name(asked.name)
    if asked.artifact_location:
        raise unfit("The studio keeps files in the workspace's default datastore. Leave the artifact location out.")
    tags = _with_tags({}, {each.key: each.value for each in asked.tags})
    there = Experiment.objects.filter(workspace=caller.workspace, name=name).first()
    if there is not None:
        raise _name_taken(there)
    try:
        with transaction.atomic():
            made = Experiment.objects.create(workspace=caller.workspace, name=name, tags=ExperimentTags(tags=tags))
            audit.record(caller.workspace, caller.access.user, "experiment.create", name)
    except IntegrityError as error:  # somebody was quicker
        raise taken(f"Experiment “{name}” already exists.") from error
    return {"experiment_id": str(made.pk)}


def get(caller: Caller, asked: ById) -> dict[str, Any]:
    return {"experiment": experiment_json(experiment_of(caller, asked.experiment_id))}


def get_by_name(caller: Caller, asked: ByName) -> dict[str, Any]:
    found = Experiment.objects.filter(workspace=caller.workspace, name=asked.experiment_name).first()
    if found is None:
        raise missing(f"There is no experiment “{asked.experiment_name[:100]}” in this workspace.")
    return {"experiment": experiment_json(found)}


def delete(caller: Caller, asked: ById) -> dict[str, Any]:
    caller.require_person("deleting experiments")
    found = experiment_of(caller, asked.experiment_id)
    with transaction.atomic():
        if not Experiment.objects.filter(pk=found.pk, deleted_at=None).update(deleted_at=timezone.now()):
            raise missing(f"Experiment “{found.name}” is deleted already.")
        audit.record(caller.workspace, caller.access.user, "experiment.delete", found.name)
    return {}


def restore(caller: Caller, asked: ById) -> dict[str, Any]:
    caller.require_person("restoring experiments")
    found = experiment_of(caller, asked.experiment_id)
    with transaction.atomic():
        if not Experiment.objects.filter(pk=found.pk, deleted_at__isnull=False).update(deleted_at=None):
            raise missing(f"Experiment “{found.name}” is not deleted.")
        audit.record(caller.workspace, caller.access.user, "experiment.restore", found.name)
    return {}


def rename(caller: Caller, asked: Rename) -> dict[str, Any]:
    caller.require_person("renaming experiments")
    found, name = _active(experiment_of(caller, asked.experiment_id)), _fit_name(asked.new_name)
    other = Experiment.objects.filter(workspace=caller.workspace, name=name).exclude(pk=found.pk).first()
    if other is not None:
        raise _name_taken(other)
    try:
        with transaction.atomic():
            Experiment.objects.filter(pk=found.pk).update(name=name)
            audit.record(caller.workspace, caller.access.user, "experiment.rename", f"{found.name} to {name}")
    except IntegrityError as error:
        raise taken(f"Experiment “{name}” already exists.") from error
    return {}


def set_tag(caller: Caller, asked: SetTag) -> dict[str, Any]:
    _require_own(caller, asked.experiment_id)
    with transaction.atomic():
        found = _held(_active(experiment_of(caller, asked.experiment_id)))
        found.tags = ExperimentTags(tags=_with_tags(found.tags.tags, {asked.key: asked.value}))
        found.save(update_fields=["tags"])
    return {}


def delete_tag(caller: Caller, asked: DeleteTag) -> dict[str, Any]:
    _require_own(caller, asked.experiment_id)
    with transaction.atomic():
        found = _held(_active(experiment_of(caller, asked.experiment_id)))
        if asked.key not in found.tags.tags:
            raise missing(f"Experiment “{found.name}” has no tag “{asked.key[:80]}”.")
        left = {key: value for key, value in found.tags.tags.items() if key != asked.key}
        found.tags = ExperimentTags(tags=left)
        found.save(update_fields=["tags"])
    return {}


def search(caller: Caller, asked: Search) -> dict[str, Any]:
    if not 0 < asked.max_results <= MAX_RESULTS:
        raise unfit(f"max_results must be between 1 and {MAX_RESULTS:,}.")
    question = ["experiments", caller.workspace.pk, asked.filter, asked.order_by, asked.view_type]
    start = start_of(asked.page_token, question)
    try:
        rows = _viewed(Experiment.objects.filter(workspace=caller.workspace), asked.view_type)
        orders = [_order_column(order.entity, order.key, order.descending) for order in parse_orders(asked.order_by)]
        comparisons = parse_filter(asked.filter)
    except UnfitFilterError as error:
        raise unfit(str(error)) from error
    for comparison in comparisons:
        if comparison.entity != "tag":
            rows = _narrowed(rows, comparison)
    by_tag = [each for each in comparisons if each.entity == "tag"]
    # Tags of experiments stand in a document each, and a workspace has few of them.
    found = [
        row
        for row in rows.order_by(*orders, "-created_at", "-id")
        if all(compares(row.tags.tags.get(each.key), each) for each in by_tag)
    ]
    page = found[start : start + asked.max_results]
    answer: dict[str, Any] = {"experiments": [experiment_json(row) for row in page]}
    if len(found) > start + asked.max_results:
        answer["next_page_token"] = token_at(start + asked.max_results, question)
    return answer


def experiment_of(caller: Caller, experiment_id: str) -> Experiment:
    """Raises MlflowError. What clients mean who were told nothing is made when it is first asked for; to the program of
    a step it is the experiment of its run.
    """
    if experiment_id == DEFAULT_ID and caller.step is not None:
        return caller.step.run.experiment
    if experiment_id == DEFAULT_ID:
        return default_experiment(caller.workspace)
    if not (experiment_id.isascii() and experiment_id.isdecimal() and len(experiment_id) <= 18):
        raise unfit(f"“{experiment_id[:50]}” is no number of an experiment.")
    found = Experiment.objects.filter(workspace=caller.workspace, pk=int(experiment_id)).first()
    if found is None:
        raise missing(f"There is no experiment {experiment_id} in this workspace.")
    return found


def default_experiment(workspace: Workspace) -> Experiment:
    found, _made = Experiment.objects.get_or_create(
        workspace=workspace, name=DEFAULT_NAME, defaults={"tags": ExperimentTags()}
    )
    return found


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    return {
        "experiment_id": str(experiment.pk),
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/experiments/{experiment.pk}",
        "lifecycle_stage": "deleted" if experiment.deleted_at else "active",
        "creation_time": milliseconds(experiment.created_at),
        "last_update_time": milliseconds(experiment.deleted_at or experiment.created_at),
        "tags": [{"key": key, "value": value} for key, value in sorted(experiment.tags.tags.items())],
    }


def _fit_name(name: str) -> str:
    if problems := services.experiment_problems(name):
        raise unfit(problems[0].message)
    return name.strip()


def _name_taken(there: Experiment) -> Exception:
    if there.deleted_at:
        return taken(f"Experiment “{there.name}” is deleted. Restore it, or choose another name.")
    return taken(f"Experiment “{there.name}” already exists.")


def _active(experiment: Experiment) -> Experiment:
    if experiment.deleted_at:
        raise wrong_state(f"Experiment “{experiment.name}” is deleted. Restore it first.")
    return experiment


def _require_own(caller: Caller, experiment_id: str) -> None:
    if caller.step is not None and str(caller.step.run.experiment_id) != experiment_id:
        caller.require_person("other experiments than that of its run")


def _held(experiment: Experiment) -> Experiment:
    return Experiment.objects.select_for_update().get(pk=experiment.pk)


def _with_tags(there: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    for key, value in new.items():
        if not key.strip() or len(key) > MAX_TAG_KEY or not key.isprintable():
            raise unfit(f"A tag's name is a line of at most {MAX_TAG_KEY} characters.")
        if len(value) > MAX_TAG_VALUE:
            raise unfit(f"The value of the tag “{key}” may have at most {MAX_TAG_VALUE:,} characters.")
    tags = there | new
    if len(tags) > MAX_TAGS:
        raise unfit(f"An experiment may have at most {MAX_TAGS} tags.")
    return tags


def _viewed(rows: QuerySet[Experiment], view_type: str) -> QuerySet[Experiment]:
    match view_type:
        case "ACTIVE_ONLY":
            return rows.filter(deleted_at=None)
        case "DELETED_ONLY":
            return rows.filter(deleted_at__isnull=False)
        case "ALL":
            return rows
    raise unfit("view_type must be ACTIVE_ONLY, DELETED_ONLY or ALL.")


_COLUMNS = {"name": "name", "experiment_id": "id", "creation_time": "created_at", "last_update_time": "created_at"}


def _order_column(entity: str, key: str, descending: bool) -> Any:
    if entity != "attribute" or key not in _COLUMNS:
        raise UnfitFilterError(f"Experiments are sorted by {', '.join(sorted(_COLUMNS))}, not by “{key[:80]}”.")
    return F(_COLUMNS[key]).desc() if descending else F(_COLUMNS[key]).asc()


def _narrowed(rows: QuerySet[Experiment], asked: Comparison) -> QuerySet[Experiment]:
    if asked.entity != "attribute" or asked.key not in {"name", "creation_time", "last_update_time"}:
        raise unfit(
            f"Experiments are searched by name, creation_time, last_update_time and tags, not “{asked.key[:80]}”."
        )
    if asked.key == "name":
        return rows.filter(text_condition("name", asked))
    return moment_lookup(rows, "created_at", asked)
