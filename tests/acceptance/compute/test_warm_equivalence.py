"""The same scripts in a fresh interpreter and in a warm one, through a real node: nothing observable differs."""

from collections.abc import Callable

import pytest

from tests.acceptance.compute.warm.scripts import ARGUMENTS, BESIDE, ONLY_BESIDE, SCRIPTS
from tests.support.compute import Compute, over
from tests.support.stack import Stack
from tests.support.waiting import wait_for
from tests.support.warm import Scripts, seen, warm_jobs

pytestmark = pytest.mark.django_db(transaction=True)

# Their folder, or what they do, calls for a fresh interpreter: they must not be warm at all.
COLD_BY_NEED = {"own module under a known name", "variables set before imports"}


def test_every_script_says_the_same_cold_and_warm(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    worker = worker_stack(STUDIO_ISOLATION="require", STUDIO_LOG_LEVEL="DEBUG", STUDIO_NODE_HEARTBEAT_S="0.5").node(
        compute.target.pk
    )
    scripts = Scripts(compute)
    everything = "\n".join(f"import {name}" for name in IMPORTED)

    def is_ready() -> bool:
        job = scripts.run(
            f"{everything}\nimport sys\nprint(any(type(f).__name__ == 'Stash' and "
            "not f.modules.keys() & {'json', 'asyncio', 'zoneinfo'} for f in sys.meta_path))"
        )
        return job.pk in warm_jobs(worker.log) and seen(job).said == ["True"]

    wait_for(is_ready, what="what the steps imported is imported ahead")
    pairs = {}
    for name, text in SCRIPTS.items():
        values = {"beside": ONLY_BESIDE.get(name, BESIDE)}
        arguments = ARGUMENTS.get(name, [])
        pairs[name] = [scripts.start(text, *arguments, warm=warm, **values) for warm in (False, True)]
    differ = {}
    for name, (cold, warm) in pairs.items():
        one, other = seen(over(cold)), seen(over(warm))
        if one != other:
            differ[name] = (one, other)
    assert not differ, "\n\n".join(f"{name}:\n  {one}\n  {other}" for name, (one, other) in differ.items())
    warm_ones = warm_jobs(worker.log)
    assert not {cold.pk for cold, _ in pairs.values()} & warm_ones
    not_warm = {name for name, (_, warm) in pairs.items() if warm.pk not in warm_ones}
    assert not_warm == COLD_BY_NEED


IMPORTED = ("argparse", "asyncio", "atexit", "concurrent.futures", "csv", "ctypes", "dataclasses", "email.mime.text")
IMPORTED += ("inspect", "json.tool", "logging", "multiprocessing.pool", "pickle", "random", "runpy", "subprocess")
IMPORTED += ("tempfile", "traceback", "uuid", "warnings", "xml.etree.ElementTree", "zoneinfo")
