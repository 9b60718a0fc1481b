"""The kinds of targets. A kind's module is imported only when one of its targets is used."""

from collections.abc import Iterable, Iterator, Mapping

from django.utils.module_loading import import_string

from compute.drivers.interface import Driver
from compute.models import ComputeTarget, Job

DRIVERS: Mapping[str, str] = {
    "local": "compute.drivers.nodes.LocalNodes",
    "pool": "compute.drivers.nodes.PoolOfNodes",
}


def get_driver(kind: str) -> Driver:
    """Raises KeyError where there is no such kind."""
    driver: Driver = import_string(DRIVERS[kind])()
    return driver


def by_driver(jobs: Iterable[Job]) -> Iterator[tuple[Driver, list[Job]]]:
    """The jobs of each driver, in their order, in one query."""
    listed = list(jobs)
    if not listed:
        return
    # The base manager's: a target that was removed still has its jobs.
    targets = ComputeTarget._base_manager.filter(pk__in={job.target_id for job in listed})  # noqa: SLF001 (documented)
    kinds = dict(targets.values_list("pk", "kind"))
    for kind in sorted(set(kinds.values())):
        yield get_driver(kind), [job for job in listed if kinds[job.target_id] == kind]
