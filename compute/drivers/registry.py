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


def by_driver(jobs: Iterable[Job], *, kinds: Mapping[int, str] | None = None) -> Iterator[tuple[Driver, list[Job]]]:
    """The jobs of each driver, in their order, in one query; in none where the `kinds` of all targets are given."""
    listed = list(jobs)
    if not listed:
        return
    ids = {job.target_id for job in listed}
    known = _kinds(ids) if kinds is None else kinds
    for kind in sorted({known[target_id] for target_id in ids}):
        yield get_driver(kind), [job for job in listed if known[job.target_id] == kind]


def _kinds(target_ids: set[int]) -> dict[int, str]:
    # The base manager's: a target that was removed still has its jobs.
    targets = ComputeTarget._base_manager.filter(pk__in=target_ids)  # noqa: SLF001 (documented)
    return dict(targets.values_list("pk", "kind"))
