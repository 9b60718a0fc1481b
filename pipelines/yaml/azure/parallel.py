"""A parallel job: an entry script over batches of an input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.kinds.parallel_run import ROWS_FILE
from pipelines.yaml.azure.building import Building
from pipelines.yaml.azure.fields import Fields
from pipelines.yaml.azure.texts import Given, Said, rewritten, whole_expression

_SCRIPT_TYPES = ("function", "run_function")


@dataclass(frozen=True, slots=True)
class ParallelJob:
    """What says something of it: its component, the job that uses that, and the task in it."""

    name: str
    fields: Fields
    job: Fields
    task: Fields


def parallel_settings(
    building: Building, parallel: ParallelJob, given: Mapping[str, Given | None], outputs: list[dict[str, Any]]
) -> dict[str, Any]:
    """The own fields of a step of the kind. The output for the results becomes a folder with one file."""
    reading, fields, task = building.reading, parallel.fields, parallel.task
    task.one_of("type", _SCRIPT_TYPES, "run_function")
    settings: dict[str, Any] = {"entry_script": task.text("entry_script")}
    settings["arguments"] = _arguments(building, parallel, given, outputs)
    settings["input"] = fields.text("input_data")
    inside = whole_expression(settings["input"])
    if inside is None or inside.partition(".")[0] != "inputs":
        fields.problem("input_data", "Name the input that is split, as in ${{inputs.images}}.")
    settings["output"] = _results(building, parallel.name, task, outputs)
    if "append_row_to" not in task:
        settings["output_action"] = "summary_only"
    size = fields.text("mini_batch_size")
    if size:
        settings["mini_batch_size"] = size.upper()
    settings |= _failures(building, fields)
    level = fields.text("logging_level").upper()
    if level:
        settings["logging_level"] = {"WARN": "WARNING", "CRITICAL": "ERROR"}.get(level, level)
    processes = fields.whole("max_concurrency_per_instance")
    if processes is not None:
        settings["processes"] = processes
    by = parallel.job if parallel.job.take("resources") is not None else fields
    resources = by.fields("resources")
    nodes = resources.whole("instance_count")
    if nodes is not None:
        settings["nodes"] = nodes
    reading.pass_over(resources, "instance_type", "shm_size", "docker_args", "properties", "max_instance_count")
    resources.done()
    keys = fields.take("partition_keys")
    if keys is not None and isinstance(keys.value, list):
        settings |= {"partition_keys": ", ".join(map(str, keys.plain())), "split_into": "rows"}
    reading.pass_over(task, "model")
    return settings


def _arguments(
    building: Building, parallel: ParallelJob, given: Mapping[str, Given | None], outputs: list[dict[str, Any]]
) -> str:
    task = parallel.task
    place = task.spot_of("program_arguments" if "program_arguments" in task else "args")
    arguments = task.text("program_arguments") or task.text("args")

    def hold(of: str, said: Said) -> str:
        return building.said(f"{parallel.name}_{of}", said.text, place).text

    names = {each["name"] for each in outputs}
    return rewritten(arguments.strip(), given, names, lambda it: building.reading.say(place, it), hold)


def _failures(building: Building, fields: Fields) -> dict[str, Any]:
    """What may fail, and how often it is tried."""
    settings: dict[str, Any] = {}
    batches, items = fields.whole("mini_batch_error_threshold"), fields.whole("error_threshold")
    if batches is not None and items is None:
        sentence = "“mini_batch_error_threshold” is counted in files or rows here, and not in batches."
        building.reading.note(fields.spot_of("mini_batch_error_threshold"), sentence)
    settings["error_threshold"] = items if items is not None else -1 if batches is None else batches
    if fields.take("mini_batch_error_percentage") is not None:
        fields.problem("mini_batch_error_percentage", "Failures are counted here. Write “error_threshold” instead.")
    retry = fields.fields("retry_settings")
    retries, timeout = retry.whole("max_retries"), retry.whole("timeout")
    retry.done()
    if retries is not None:
        settings["max_tries"] = retries + 1
    if timeout is not None:
        settings["batch_timeout_s"] = timeout
    return settings


def _results(building: Building, name: str, task: Fields, outputs: list[dict[str, Any]]) -> str:
    said = task.text("append_row_to")
    inside = whole_expression(said) if said else None
    names = [each["name"] for each in outputs]
    if said and (inside is None or not inside.startswith("outputs.") or inside.removeprefix("outputs.") not in names):
        task.problem(
            "append_row_to", f"Name an output, as in ${{{{outputs.rows}}}}. There are: {', '.join(names) or 'none'}."
        )
        return said
    if not said:
        return f"${{{{outputs.{names[0]}}}}}" if names else ""
    output = next(each for each in outputs if each["name"] == inside.removeprefix("outputs."))  # type: ignore[union-attr]
    if output.pop("file", None):
        sentence = f"The results are a folder here, with “{ROWS_FILE}” in it; jobs that read them are given the file"
        building.reading.note(task.spot_of("append_row_to"), f"{sentence}.")
        building.behind[name, output["name"]] = f"/{ROWS_FILE}"
    return f"${{{{outputs.{output['name']}}}}}"
