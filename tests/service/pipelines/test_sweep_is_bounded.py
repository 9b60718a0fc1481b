"""The sweep asks every few seconds: what it costs grows with what is not over, never with all that there was."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pipelines import services
from tests.service.pipelines.world import World

PARTS = [
    services.finish_cancelling,
    services.mend_pauses,
    services.look_after_all,
    services.look_after_due_steps,
    services.tend_all,
    services.measure_outputs,
    services.ring_purges,
]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's planner chooses without statistics")
@pytest.mark.parametrize("part", PARTS)
def test_no_table_and_no_index_of_all_is_read_through(world: World, part: Callable[[], int]) -> None:
    world.submit(world.pipeline(world.step("a")))
    with CaptureQueriesContext(connection) as asked:
        part()
    statements = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
    assert statements
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}".replace("%", "%%"))
            lines = [detail for *_place, detail in cursor.fetchall()]
        read_through = [line for line in lines if line.startswith("SCAN ") and not _is_of_a_few(line)]
        assert not read_through, (statement, lines)


def _is_of_a_few(line: str) -> bool:
    """By an index of rows that are not over."""
    few = {"job_held", "run_paused", "step_to_look_after", "step_by_due_time", "step_with_runs_under_way"}
    return line.rsplit(maxsplit=1)[-1] in {*few, "run_to_measure"}
