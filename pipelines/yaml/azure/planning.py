"""What a file of Azure ML's command line would make here."""

import posixpath
import re
from collections.abc import Mapping

from compute.queries import targets_of
from datastores.models import Dataset, Datastore
from pipelines.catalogue import environment_versions
from pipelines.models import Module
from pipelines.registered import RegisteredModel
from pipelines.yaml.azure.building import DATA_TYPES, LONGEST_NAME, MODEL_TYPES, Building
from pipelines.yaml.azure.fields import Fields
from pipelines.yaml.azure.jobs import is_not_here, not_here, read_job
from pipelines.yaml.azure.pipelines import fill
from pipelines.yaml.azure.ports import declare, ports_of
from pipelines.yaml.azure.reading import Reading, There
from pipelines.yaml.errors import FileError
from pipelines.yaml.folder import Folder
from pipelines.yaml.located import Located
from pipelines.yaml.plan import NewDataset, Plan
from studio.workspaces.access import Access
from studio.workspaces.models import Workspace

_SCHEMA = re.compile(r"/(?P<name>\w+?)\.schema\.json")
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_ABOUT = ("$schema", "type", "version", "display_name", "name")
_UNSUPPORTED = {
    "schedule": "Schedules can't be made here yet. Import the pipeline that it runs, and submit that.",
    "model": "Models are registered here from what steps write, or from files: do that on the page of models.",
    "endpoint": "Endpoints can't be made here.",
    "deployment": "Deployments can't be made here.",
    "workspace": "A workspace is made by an administrator, and not from a file.",
    "compute": "Compute targets are made on the page of compute.",
    "datastore": "Datastores are registered on the page of data.",
}


def plan_of(access: Access, folder: Folder, main: str, *, name: str, means: Mapping[str, Mapping[str, str]]) -> Plan:
    """Raises FileError with all problems, and the names that somebody must say the meaning of."""
    reading = Reading(access, folder, _there(access.workspace), means)
    located = folder.located(main)
    if not isinstance(located.value, dict):
        raise FileError([located.spot.says("This is no pipeline: a file has names with their values below them.")])
    _read(reading, reading.fields(located), located, name)
    if reading.problems:
        problems = sorted(reading.problems, key=lambda problem: (problem.loc[0] != main, *problem.loc))
        raise FileError(problems[:200], reading.needs)
    return reading.plan


def _there(workspace: Workspace) -> There:
    stores = dict(Datastore.objects.filter(workspace=workspace).values_list("name", "is_default"))
    models = RegisteredModel.objects.filter(workspace=workspace).values_list("name", flat=True)
    modules = Module.objects.filter(workspace=workspace, deleted_at=None).values_list("name", flat=True)
    return There(
        computes=frozenset(target.name for target in targets_of(workspace)),
        environments=environment_versions(workspace),
        datasets=frozenset(Dataset.objects.filter(workspace=workspace).values_list("name", flat=True)),
        datastores=frozenset(stores),
        default_datastore=next((name for name, is_default in stores.items() if is_default), ""),
        models=frozenset(models),
        modules=frozenset(modules),
    )


def _sort(fields: Fields) -> str:
    """What the file speaks of: by its keys, for not every file names its schema."""
    match = _SCHEMA.search(fields.text("$schema"))
    schema = match["name"].lower() if match else ""
    type_ = fields.text("type").strip().lower()
    if "trigger" in fields or "create_job" in fields or "schedule" in schema:
        return "schedule"
    if "jobs" in fields or type_ == "pipeline":
        return "pipeline"
    if is_not_here(type_):
        return type_
    for word in _UNSUPPORTED:
        if word in schema and "pipeline" not in schema:
            return word
    if type_ in MODEL_TYPES:
        return "model"
    if type_ in DATA_TYPES or schema == "data":
        return "data"
    if {"command", "trial", "task"} & set(fields.located.value or {}) or type_ in {"command", "sweep", "parallel"}:  # type: ignore[arg-type]
        return "job"
    if any(key in fields for key in ("image", "conda_file", "build")):
        return "environment"
    return ""


def _read(reading: Reading, fields: Fields, located: Located, name: str) -> None:
    sort = _sort(fields)
    if sort in _UNSUPPORTED:
        reading.say(fields.spot, _UNSUPPORTED[sort])
    elif is_not_here(sort):
        not_here(reading, sort, fields.spot_of("type"))
    elif sort == "pipeline":
        _pipeline(reading, fields, name)
    elif sort == "job":
        _single(reading, fields, located, name)
    elif sort == "data":
        _data(reading, fields, name)
    elif sort == "environment":
        _environment(reading, fields, located, name)
    else:
        reading.say(fields.spot, "This is neither a pipeline of this studio (“format: …”) nor a file of Azure ML's.")


def _building(reading: Reading, fields: Fields, name: str) -> Building:
    said = name or fields.text("display_name") or fields.text("name") or fields.text("experiment_name")
    if not said:
        folder, file = posixpath.split(fields.spot.file)
        said = posixpath.basename(folder) or posixpath.splitext(file)[0]
    key = next((each for each in ("display_name", "name") if each in fields), "type")
    for each in _ABOUT:
        fields.take(each)
    return Building(reading, said.strip()[:LONGEST_NAME], fields.text("description"), fields.spot_of(key))


def _pipeline(reading: Reading, fields: Fields, name: str) -> None:
    building = _building(reading, fields, name)
    declare(building, ports_of(reading, fields))
    fill(building, fields, {key: each for key, _spot, each in fields.objects("outputs")})
    if "schedule" in fields:
        fields.take("schedule")
        fields.problem("schedule", _UNSUPPORTED["schedule"])
    reading.pass_over(fields, "tags", "properties", "experiment_name", "services", "identity", "is_deterministic")
    fields.done()
    building.finish()


def _single(reading: Reading, fields: Fields, located: Located, name: str) -> None:
    """A job or a component alone becomes a pipeline with one step, whose inputs are parameters."""
    building = _building(reading, fields, name)
    ports = ports_of(reading, fields)
    declare(building, ports)
    assert isinstance(located.value, dict)
    step = _UNFIT.sub("-", fields.text("name") or "").strip("-.") or fields.text("type") or "step"
    inputs = Located(fields.spot_of("inputs"), {})
    assert isinstance(inputs.value, dict)
    for key in ports:
        spot = ports[key].spot
        inputs.value[key] = Located(spot, f"${{{{parent.inputs.{key}}}}}")
        inputs.keys[key] = spot
    value = {key: each for key, each in located.value.items() if key not in {"inputs", "description"}} | {
        "inputs": inputs
    }
    keys = {**located.keys, "inputs": inputs.spot}
    read_job(building, step, fields.spot, Located(located.spot, value, keys))
    building.finish()


def _data(reading: Reading, fields: Fields, name: str) -> None:
    for key in ("$schema", "type"):
        fields.take(key)
    reading.pass_over(fields, "version", "properties", "display_name", "auto_delete_setting")
    said = name or fields.text("name")
    path = fields.text("path")
    tags = {key: str(each.plain()) for key, _spot, each in fields.objects("tags")}
    description = fields.text("description")
    fields.done()
    if not said:
        reading.say(fields.spot_of("name"), "Give the dataset a “name”.")
    found = reading.path(path, fields.spot_of("path")) if path else None
    if not path:
        reading.say(fields.spot_of("path"), "Data has a “path”.")
    if found is not None and found[0] == "dataset":
        reading.say(fields.spot_of("path"), "This is another dataset. Name a path in a datastore, or a web address.")
    elif found is not None:
        reading.plan.datasets.append(NewDataset(said, found[1], description, tags, fields.spot_of("name")))


def _environment(reading: Reading, fields: Fields, located: Located, name: str) -> None:
    if "conda_file" not in fields and "build" not in fields:
        sentence = "Steps run without containers, and this environment is an image alone: give it a “conda_file”."
        reading.say(fields.spot_of("image"), f"{sentence} Or say which environment stands for the image.")
        return
    usual = name or fields.text("name") or posixpath.splitext(posixpath.basename(fields.spot.file))[0]
    reading.environment(located, usual, fields.spot)
