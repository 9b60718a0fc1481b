"""The body of a pipeline: its settings, outputs and jobs."""

from collections.abc import Mapping

from pipelines.yaml.azure.building import Building
from pipelines.yaml.azure.fields import Fields
from pipelines.yaml.azure.jobs import read_job
from pipelines.yaml.azure.ports import output_of
from pipelines.yaml.located import Located


def fill(building: Building, fields: Fields, outputs: Mapping[str, Located]) -> None:
    """Add everything but its inputs, which are declared before."""
    reading = building.reading
    _settings(building, fields)
    for name, located in outputs.items():
        building.outputs[name] = output_of(reading, name, located, None)
    if fields.take("jobs") is None:
        reading.say(fields.spot_of("jobs"), "A pipeline has “jobs”: names with what each of them runs.")
    for name, spot, located in fields.objects("jobs"):
        read_job(building, name, spot, located)
    for name in building.outputs:
        if name not in building.written:
            spot = fields.spot_of("outputs")
            reading.note(spot, f"No job writes the output “{name}” of the pipeline, so it is left aside.")


def _settings(building: Building, fields: Fields) -> None:
    reading = building.reading
    settings = fields.fields("settings")
    default = settings.text("default_compute")
    if default:
        building.default_compute = reading.compute(default, settings.spot_of("default_compute"))
    compute = fields.text("compute")
    if compute:
        building.default_compute = reading.compute(compute, fields.spot_of("compute"))
    store = settings.text("default_datastore").removeprefix("azureml:") or settings.text("datastore").removeprefix(
        "azureml:"
    )
    if store:
        building.default_datastore = store.rpartition("/")[2]
        if building.default_datastore not in reading.there.datastores:
            settings.problem("default_datastore", f"There is no datastore “{building.default_datastore}” here.")
    goes_on = settings.flag("continue_on_step_failure")
    goes_on = settings.flag("continue_run_on_step_failure") if goes_on is None else goes_on
    if goes_on is not None:
        building.continues = goes_on
    if settings.flag("force_rerun"):
        building.reuses = False
    for name in ("on_init", "on_finalize"):
        if name in settings:
            settings.take(name)
            settings.problem(name, f"“{name}” can't be had here. Make it a step of its own.")
    reading.pass_over(settings, "default_compute_type", "_source")
    settings.done()
