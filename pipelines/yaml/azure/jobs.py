"""The jobs of a pipeline, each as a step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.texts import near
from pipelines.yaml.azure.building import Building, parameter_path, parameter_said
from pipelines.yaml.azure.fields import Fields
from pipelines.yaml.azure.parallel import ParallelJob, parallel_settings
from pipelines.yaml.azure.ports import (
    Port,
    declare,
    given_by,
    input_rows,
    output_of,
    passed_rows,
    ports_of,
)
from pipelines.yaml.azure.reading import Asset, Reading, read_asset
from pipelines.yaml.azure.searching import read_search
from pipelines.yaml.azure.texts import Given, Path, Said, rewritten, whole_expression
from pipelines.yaml.located import Located, Spot
from studio.lib.problems import UserError

ABOUT = (
    "$schema",
    "version",
    "display_name",
    "tags",
    "properties",
    "type",
)  # what is said of a thing, and not of what it does
_LONG = 256 * 1024  # bytes: no component's file is that long
_NOT_HERE = {
    "spark": "Spark jobs",
    "automl": "AutoML jobs",
    "data_transfer": "Data transfer jobs",
    "import": "Import jobs",
    "export": "Export jobs",
    "finetuning": "Fine-tuning jobs",
    "base": "Jobs of the type “base”",
    "do_while": "Loops (“do_while”)",
    "parallel_for": "Loops (“parallel_for”)",
    "if_else": "Conditions (“if_else”)",
}
_INSTEAD = {
    "spark": "Run Spark in a command of your own.",
    "data_transfer": "Use a step of the kind “Data transfer”.",
    "parallel_for": "Use a step of the kind “Map”.",
    "if_else": "Use a step of the kind “Condition”.",
}


@dataclass
class Body:
    """What a job runs: a component, or the job itself where it says all that inline."""

    fields: Fields
    ports: dict[str, Port] | None  # None for a job, whose inputs are those that it gives
    outputs: dict[str, Located]
    is_job: bool


def not_here(reading: Reading, type_: str, spot: Spot) -> None:
    reading.say(spot, f"{_NOT_HERE[type_]} can't be run here. {_INSTEAD.get(type_, 'Write it as a command.')}")


def is_not_here(type_: str) -> bool:
    return type_ in _NOT_HERE


def read_job(building: Building, name: str, spot: Spot, located: Located) -> None:
    """Add the step of one job."""
    reading = building.reading
    fields = reading.fields(located)
    said = fields.text("type").strip().lower()
    if is_not_here(said):
        not_here(reading, said, fields.spot_of("type"))
        return
    component = fields.take("component")
    registered = read_asset(component.value) if component and isinstance(component.value, str) else None
    body = _body(reading, fields, component, registered)
    if body is None:
        if registered is not None:
            _module(building, name, spot, fields, registered)
        return
    type_ = said or body.fields.text("type").strip().lower() or _guessed(body.fields)
    own = body.fields.text("type").strip().lower()
    if own and own != type_:
        reading.say(body.fields.spot_of("type"), f"This is of the type “{own}”, and the job that uses it “{type_}”.")
    kinds: Mapping[str, Callable[[Building, str, Spot, Fields, Body], None]] = {
        "command": _command,
        "sweep": _sweep,
        "parallel": _parallel,
        "pipeline": _pipeline,
    }
    if is_not_here(type_):
        not_here(reading, type_, body.fields.spot_of("type"))
    elif type_ not in kinds:
        fields.problem("type", f"“{type_}” is no type of a job.{near(type_, kinds)} There are: {', '.join(kinds)}.")
    elif type_ in {"sweep", "pipeline"}:
        with reading.deeper(spot) as is_fit:
            if is_fit:
                kinds[type_](building, name, spot, fields, body)
    else:
        kinds[type_](building, name, spot, fields, body)


def _guessed(fields: Fields) -> str:
    if "trial" in fields:
        return "sweep"
    if "jobs" in fields:
        return "pipeline"
    return "parallel" if "task" in fields else "command"


def _body(reading: Reading, fields: Fields, component: Located | None, registered: Asset | None) -> Body | None:
    """None where it is a module of the workspace, or nothing that could be found, which was told."""
    if component is None:
        return Body(fields, None, {name: each for name, _spot, each in fields.objects("outputs")}, is_job=True)
    return component_body(reading, component, registered)


def component_body(reading: Reading, component: Located, registered: Asset | None) -> Body | None:
    located: Located | None = component
    if registered is not None:
        located = _among_the_files(reading, registered.name)
        if located is None:
            return None
    elif isinstance(component.value, str):
        located = reading.yaml_file(component.value, component.spot)
    elif not isinstance(component.value, dict):
        reading.say(component.spot, "Name a component: a file, as in ./train.yml, or azureml:NAME:VERSION.")
        return None
    if located is None:
        return None
    fields = reading.fields(located)
    outputs = {name: each for name, _spot, each in fields.objects("outputs")}
    return Body(fields, ports_of(reading, fields), outputs, is_job=False)


def _among_the_files(reading: Reading, name: str) -> Located | None:
    """The component of that name, where its file came along: it needs no registering then."""
    for path in reading.folder.yaml_files:
        if (reading.folder.root / path).stat().st_size > _LONG:
            continue
        try:
            located = reading.folder.located(path)
        except UserError:  # a file that nobody asked for
            continue
        value = located.value
        if isinstance(value, dict) and "name" in value and value["name"].value == name and "type" in value:
            return located
    return None


def _module(building: Building, name: str, spot: Spot, fields: Fields, asset: Asset) -> None:
    reading, module, version = building.reading, asset.name, asset.version
    component = fields.spot_of("component")
    if module not in reading.there.modules:
        meant = near(module, reading.there.modules)
        reading.say(component, f"There is no module “{module}” here, and no file of this component came along.{meant}")
    number = int(version) if version and version.isdecimal() else None
    if version and number is None:
        reading.say(component, f"Versions of modules are numbers here, and “{version}” is none.")
    given, _spots = given_by(building, name, fields, None)
    outputs = [{"name": each} for each, _spot, _located in fields.objects("outputs")]
    compute = fields.text("compute")
    step = {
        "name": name,
        "kind": "module",
        "module": module,
        "module_version": number,
        "parameters": passed_rows(given),
        "inputs": input_rows(given),
        "outputs": outputs,
        "compute": reading.compute(compute, fields.spot_of("compute")) if compute else None,
    }
    _finish_job(reading, fields)
    building.add_step(step, spot, {"module": component})


def _outputs(building: Building, fields: Fields, body: Body) -> list[dict[str, Any]]:
    """Of a step, with what the job says of them besides."""
    reading = building.reading
    step = fields.spot_of("outputs")
    told = {name: (spot, each) for name, spot, each in fields.objects("outputs")}
    names = dict.fromkeys([*body.outputs, *told])
    found = []
    for name in names:
        declared = body.outputs.get(name)
        if not body.is_job and declared is None:
            listed = ", ".join(body.outputs) or "none"
            reading.say(told[name][0], f"The component has no output “{name}”. Its outputs are: {listed}.")
            continue
        output: dict[str, Any] = {"name": name}
        if declared is not None and not body.is_job:
            output = output_of(reading, name, declared, building.default_datastore)
        if name in told:
            output |= _told(building, name, told[name][1], step)
        elif body.is_job or building.default_datastore:
            output |= {"datastore": building.default_datastore} if building.default_datastore else {}
        found.append(output)
    return found


def _told(building: Building, name: str, located: Located, step: Spot) -> dict[str, Any]:  # noqa: ARG001
    reading = building.reading
    if not isinstance(located.value, str):
        return output_of(reading, name, located, building.default_datastore)
    inside = whole_expression(located.value)
    if inside is None:
        reading.say(located.spot, "Write what this is: an object with its type, or ${{parent.outputs.NAME}}.")
        return {}
    scope, _, outer = inside.rpartition(".")
    if scope != "parent.outputs":
        reading.say(located.spot, f"“{located.value}” means nothing here. Write ${{{{parent.outputs.NAME}}}}.")
        return {}
    if outer not in building.outputs:
        listed = ", ".join(building.outputs) or "none"
        reading.say(located.spot, f"The pipeline has no output “{outer}”. Its outputs are: {listed}.")
        return {}
    said = {key: value for key, value in building.outputs[outer].items() if key != "name"}
    if said.get("file"):
        said["file"] = name if said["file"] == outer else said["file"]
    return {"__outer": outer, **said}


def _note_written(building: Building, step: str, outputs: list[dict[str, Any]]) -> None:
    for output in outputs:
        if outer := output.pop("__outer", ""):
            building.written[outer] = (step, output["name"])


def _finish_job(reading: Reading, fields: Fields) -> None:
    """What is left of a job: what is said of it has no place on a step, and whatever nobody knows is told."""
    fields.pass_over("$schema", "type", "display_name", "name", "version")
    reading.pass_over(
        fields, "tags", "properties", "experiment_name", "services", "identity", "queue_settings", "comment", "author"
    )
    fields.text("description")
    fields.done()


@dataclass
class Settings:
    """What a step has besides what it runs."""

    values: dict[str, Any]
    places: dict[str, Spot]


def _either(fields: Fields, body: Body, name: str) -> Fields:
    """Where a setting is said: by the job, or by its component."""
    return fields if name in fields and fields.take(name) is not None else body.fields


def _settings(building: Building, name: str, fields: Fields, body: Body, *, with_environment: bool = True) -> Settings:
    reading = building.reading
    values: dict[str, Any] = {}
    places: dict[str, Spot] = {}
    for each in (fields, body.fields):
        for setting in ("compute", "environment", "limits", "resources", "distribution", "is_deterministic"):
            each.take(setting)
    if with_environment:
        by = _either(fields, body, "environment")
        places["environment"] = by.spot_of("environment")
        located = by.take("environment")
        inside = whole_expression(str(located.value)) if located is not None else None
        if inside is None:
            values["environment"] = reading.environment(located, f"{building.name}-{name}", places["environment"])
        else:
            values["environment"] = _fed(building, inside, places["environment"])
    places["compute"] = fields.spot_of("compute")
    compute = fields.text("compute") or body.fields.text("compute")
    if inside := whole_expression(compute):
        values["compute"] = _fed(building, inside, places["compute"])
    elif compute:
        values["compute"] = reading.compute(compute, _either(fields, body, "compute").spot_of("compute"))
    elif building.default_compute is not None:
        values["compute"] = building.default_compute
    limits = _either(fields, body, "limits").fields("limits")
    timeout = limits.number("timeout")
    if timeout is not None:
        values["timeout_s"] = timeout
        places["timeout_s"] = limits.spot_of("timeout")
    limits.done()
    if _either(fields, body, "is_deterministic").flag("is_deterministic") is False:
        values["allow_reuse"] = False
    return Settings(values, places)


def _fed(building: Building, inside: str, spot: Spot) -> str:
    """A setting that an input of the pipeline says."""
    scope, _, name = inside.rpartition(".")
    given = building.given.get(name) if scope == "parent.inputs" else None
    if isinstance(given, Said):
        return given.text
    building.reading.say(spot, f"“${{{{{inside}}}}}” is no input of the pipeline that is a value.")
    return "local"


def _one_node(reading: Reading, fields: Fields, body: Body) -> None:
    """A command runs on one node: more is told, and so is what it would need."""
    resources = _either(fields, body, "resources").fields("resources")
    count = resources.whole("instance_count")
    if count is not None and count > 1:
        sentence = f"A command runs on one node here, and this asks for {count}."
        resources.problem("instance_count", f"{sentence} Write 1, or use a parallel job where each file stands alone.")
    reading.pass_over(
        resources, "instance_type", "shm_size", "docker_args", "properties", "locations", "max_instance_count"
    )
    resources.done()
    distribution = _either(fields, body, "distribution").fields("distribution")
    kind = distribution.text("type")
    processes = distribution.whole("process_count_per_instance") or 1
    if processes > 1:
        sentence = f"A step starts one process, and this asks for {processes} of “{kind}”."
        distribution.problem("process_count_per_instance", f"{sentence} Start them by the command, as by torchrun.")
    elif kind:
        reading.note(
            distribution.spot_of("type"), f"The distribution “{kind}” has one process here, so it is left aside."
        )
    distribution.pass_over("parameter_server_count", "worker_count")
    distribution.done()


def _variables(fields: Fields, body: Body, rewrite: Callable[[str, Spot], str]) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for each in (body.fields, fields) if body.fields is not fields else (fields,):
        for name, spot, located in each.objects("environment_variables"):
            if isinstance(located.value, (dict, list)):
                each.problem("environment_variables", f"The value of “{name}” must be a text.")
                continue
            value = located.value
            text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
            found[name] = rewrite(text, spot)
    return [{"name": name, "value": value} for name, value in found.items()]


def command_step(
    building: Building,
    name: str,
    spot: Spot,
    fields: Fields,
    body: Body,
    *,
    given: Mapping[str, Given | None],
    searched: Mapping[str, str] | None = None,
    outputs: list[dict[str, Any]] | None = None,
) -> None:
    """Add a step that runs a command."""
    reading = building.reading
    settings = _settings(building, name, fields, body)
    _one_node(reading, fields, body)
    outputs = _outputs(building, fields, body) if outputs is None else outputs
    held: dict[str, str] = {}

    def hold(of: str, said: Said) -> str:
        """A literal that bash could misread becomes a parameter."""
        if said.is_put_together:
            reading.say(
                spot, f"“{said.text}” is put together from several. Do that in the script, or leave out blanks."
            )
        elif of not in held:
            held[of] = building.said(f"{name}_{of}", said.text, spot).text
        return held.get(of, "")

    def rewrite(text: str, place: Spot, *, in_shell: bool = False) -> str:
        return rewritten(
            text,
            given,
            {output["name"] for output in outputs},
            lambda sentence: reading.say(place, sentence),
            hold,
            searched=searched,
            in_shell=in_shell,
        )

    command = body.fields.text("command")
    place = body.fields.spot_of("command")
    if not command.strip():
        reading.say(place, "This job has no command. Write one, or name a component.")
    _note_written(building, name, outputs)
    step = {
        "name": name,
        "kind": "command",
        "description": fields.text("description"),
        "command": rewrite(command, place, in_shell=True).strip() + "\n",
        "source": reading.source(body.fields),
        "inputs": input_rows(given),
        "outputs": outputs,
        "environment_variables": _variables(fields, body, rewrite),
        **settings.values,
    }
    building.add_step(step, spot, {"command": place, **settings.places})


def _finish(reading: Reading, fields: Fields, body: Body) -> None:
    if body.fields is not fields:
        _finish_job(reading, body.fields)
    _finish_job(reading, fields)


def _command(building: Building, name: str, spot: Spot, fields: Fields, body: Body) -> None:
    given, _spots = given_by(building, name, fields, body.ports)
    command_step(building, name, spot, fields, body, given=given)
    _finish(building.reading, fields, body)


def _pipeline(building: Building, name: str, spot: Spot, fields: Fields, body: Body) -> None:
    """A pipeline component becomes a pipeline of its own, and the job a step that runs it."""
    from pipelines.yaml.azure.pipelines import fill

    reading = building.reading
    given, _spots = given_by(building, name, fields, body.ports)
    inner = Building(reading, building.inner_name(name), body.fields.text("description"), body.fields.spot)
    inner.default_compute, inner.default_datastore = building.default_compute, building.default_datastore
    ports = body.ports or {}
    if body.ports is None:
        ports = {
            key: Port(key, spot, "uri_folder" if isinstance(each, Path) else each.type if each else "string")
            for key, each in given.items()
        }
    declare(inner, ports, {key: each.type for key, each in given.items() if isinstance(each, Path)})
    fill(inner, body.fields, body.outputs)
    inner.finish()
    for output, outer_spot, located in fields.objects("outputs"):
        told = _told(building, output, located, spot)
        if outer := told.get("__outer"):
            building.written[outer] = (name, output)
        if output not in inner.written:
            reading.say(outer_spot, f"No job of this pipeline writes its output “{output}”.")
    outputs = [{"name": output, "taken_from": f"{by}.{of}"} for output, (by, of) in inner.written.items()]
    step = {
        "name": name,
        "kind": "pipeline",
        "pipeline": inner.name,
        "description": fields.text("description"),
        "parameters": passed_rows(given),
        "inputs": input_rows(given),
        "outputs": outputs,
    }
    fields.take("compute")
    _finish(reading, fields, body)
    building.add_step(step, spot, {})


def _sweep(building: Building, name: str, spot: Spot, fields: Fields, body: Body) -> None:
    """The trial becomes a pipeline with a step, and the job one that runs it with many values."""
    reading = building.reading
    by = body.fields
    trial = by.take("trial")
    if trial is None:
        reading.say(by.spot_of("trial"), "A sweep has a “trial”: a component, or a command with its environment.")
        return
    is_file = isinstance(trial.value, str)
    has_ports = is_file or (isinstance(trial.value, dict) and "inputs" in trial.value)
    registered = read_asset(str(trial.value)) if is_file else None
    inner_body = component_body(reading, trial, registered)
    if inner_body is None:
        if registered is not None:
            reading.say(trial.spot, f"No file of the component “{registered.name}” came along. Put it into the zip.")
        return
    search = read_search(reading, by)
    ports = inner_body.ports if has_ports else None
    offered = (
        {key: port for key, port in (ports or {}).items() if key not in search.types} if ports is not None else None
    )
    given, _spots = given_by(building, name, fields, offered)
    inner = Building(reading, building.inner_name(name), "", trial.spot)
    inner.default_compute, inner.default_datastore = building.default_compute, building.default_datastore
    inside: dict[str, Given | None] = {}
    for key, each in given.items():
        inside[key] = _inner_parameter(inner, key, each, (ports or {}).get(key), spot)
    searched = {}
    for key, type_ in search.types.items():
        port = (ports or {}).get(key)
        type_of = port.parameter_type if port is not None and port.type else type_
        type_of = "string" if type_of == "enum" else type_of
        said = parameter_said(inner.parameter(key, search.spots[key], type=type_of), type_of)
        searched[key] = said.text
        if ports is not None:
            if port is None:
                reading.say(search.spots[key], f"The trial has no input “{key}”.")
            inside[key] = said
    outputs = _outputs(
        building,
        fields,
        Body(inner_body.fields, ports, inner_body.outputs or body.outputs, is_job=not inner_body.outputs),
    )
    _note_written(building, name, outputs)
    job = _as_job(by, inner_body.fields)
    command_step(inner, "trial", trial.spot, job, inner_body, given=inside, searched=searched, outputs=outputs)
    _finish_job(reading, inner_body.fields)
    inner.finish()
    step = {
        "name": name,
        "kind": "sweep",
        "pipeline": inner.name,
        "description": fields.text("description"),
        "parameters": passed_rows(given),
        "inputs": input_rows(given),
        "outputs": [{"name": output["name"], "taken_from": f"trial.{output['name']}"} for output in outputs],
        **search.settings,
    }
    for holder in (fields, by):
        holder.take("environment_variables")
    _finish(reading, fields, body)
    building.add_step(step, spot, search.places)


def _as_job(sweep: Fields, trial: Fields) -> Fields:  # noqa: ARG001 (the trial's own settings are its component's)
    """The settings of the sweep that count for each trial, without its limits: those are the sweep's own."""
    kept = {"compute", "resources", "environment", "environment_variables", "distribution"}
    value = {name: each for name, each in (sweep.located.value or {}).items() if name in kept}  # type: ignore[union-attr]
    keys = {name: sweep.located.keys[name] for name in value}
    for name in kept:
        sweep.take(name)
    return Fields(Located(sweep.spot, value, keys), sweep.problems)


def _inner_parameter(inner: Building, name: str, given: Given | None, port: Port | None, spot: Spot) -> Given | None:
    if given is None:
        return None
    if isinstance(given, Path):
        optional = True if given.may_be_absent else None
        made = inner.parameter(name, spot, type=given.type, optional=optional)
        return parameter_path(made, given.type, given.mode, may_be_absent=given.may_be_absent)
    type_ = port.parameter_type if port is not None and port.type else given.type
    more = port.more if port is not None else {}
    made = inner.parameter(name, spot, type=type_, **more)
    return parameter_said(made, type_)


def _parallel(building: Building, name: str, spot: Spot, fields: Fields, body: Body) -> None:
    reading = building.reading
    given, _spots = given_by(building, name, fields, body.ports)
    outputs = _outputs(building, fields, body)
    _note_written(building, name, outputs)
    task = body.fields.fields("task")
    task_body = Body(task, None, {}, is_job=True)
    settings = _settings(building, name, _only(fields, body, "compute"), task_body)
    job = ParallelJob(name=name, fields=body.fields, job=fields, task=task)
    own = parallel_settings(building, job, given, outputs)
    _read_as_files(reading, own["input"], given, fields.spot_of("inputs"))
    for each in (fields, body.fields):
        for setting in ("compute", "resources"):
            each.take(setting)
    step = {
        "name": name,
        "kind": "parallel_run",
        "description": fields.text("description"),
        "inputs": input_rows(given),
        "outputs": outputs,
        "environment_variables": _variables(fields, body, lambda text, _spot: text),
        "source": reading.source(task),
        **settings.values,
        **own,
    }
    task.done()
    _finish(reading, fields, body)
    building.add_step(step, spot, {"entry_script": task.spot_of("entry_script"), **settings.places})


def _read_as_files(reading: Reading, said: str, given: dict[str, Given | None], spot: Spot) -> None:
    """What is split is read as files here, whatever the file says."""
    name = (whole_expression(said) or "").removeprefix("inputs.")
    split = given.get(name)
    if isinstance(split, Path) and split.mode == "direct":
        given[name] = Path(split.binding, split.type, "", split.behind)
        reading.note(spot, f"“{name}” is split into files, so it is downloaded here where it can't be reached.")


def _only(fields: Fields, body: Body, name: str) -> Fields:
    by = _either(fields, body, name)
    value = by.located.value if isinstance(by.located.value, dict) else {}
    kept = {key: each for key, each in value.items() if key == name}
    by.take(name)
    return Fields(Located(by.spot, kept, {key: by.located.keys[key] for key in kept}), by.problems)
