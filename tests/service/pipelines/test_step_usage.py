"""What a step used, over the API and as a figure for its panel."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from compute.execution.usage.series import UsageSeries, UsageTotals
from compute.models import Attempt, AttemptUsage
from compute.services.usage import note_usage
from tests.service.pipelines.world import World

SERIES = UsageSeries(
    at_s=[1.0, 2.0, 4.0],
    cpu_s=[1.0, 1.5, 5.5],
    memory_bytes=[10_000_000, 1_500_000_000, 20_000_000],
    read_bytes=[0, 4_000_000, 4_000_000],
    written_bytes=[0, 0, 2_000_000],
    disk_bytes=[0, 0, 2_000_000],
    totals=UsageTotals(peak_memory_bytes=1_500_000_000, cpu_s=5.5, read_bytes=4_000_000, written_bytes=2_000_000),
)


@pytest.fixture
def asked(world: World, client: Client) -> Any:
    run = world.submit(
        world.pipeline(world.step("a", limits={"memory_bytes": 2_000_000_000}, retry={"max_attempts": 2}))
    )
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")

    def ask(query: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
        api = client.get(f"/api/workspaces/ours/runs/{run.pk}/steps/a/usage/{query}")
        page = client.get(f"/w/ours/runs/{run.pk}/steps/a/usage/{query}")
        assert api.status_code == page.status_code == 200
        return api.json(), page.json()

    return ask


def test_before_it_runs_there_is_a_sentence(asked: Any) -> None:
    api, page = asked()
    assert (api["attempt"], api["series"], api["is_running"]) == (0, None, False)
    assert (page["figure"], page["empty"]) == (None, "The step has not begun yet.")


def test_while_it_runs_the_last_look_is_told(
    world: World, asked: Any, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    world.claim()
    assert asked()[1]["empty"].startswith("The first figures come")
    note_usage({Attempt.objects.get().pk: SERIES})
    with django_assert_max_num_queries(20):
        api, page = asked()
    assert api["is_running"]
    assert api["series"]["memory_bytes"] == SERIES.memory_bytes
    assert api["totals"]["cpu_s"] == 5.5
    names = [trace["name"] for trace in page["figure"]["data"]]
    assert names == ["CPU", "Memory", "Limit", "Read", "Written", "Size"]
    cpu, memory, limit = page["figure"]["data"][:3]
    assert cpu["y"] == [1.0, 0.5, 2.0]
    assert memory["y"] == [0.01, 1.5, 0.02]
    assert limit["y"] == [2.0, 2.0, 2.0]
    assert page["figure"]["layout"]["yaxis2"]["domain"][1] < page["figure"]["layout"]["yaxis"]["domain"][0]


def test_each_attempt_has_its_own(world: World, asked: Any) -> None:
    lease = world.claim()
    note_usage({lease.attempt_id: SERIES})
    world.fail(lease)
    Attempt.objects.filter(pk=lease.attempt_id).update(cpu_s=7.25, peak_memory_bytes=5)
    world.claim()
    api, _ = asked()
    assert (api["attempt"], api["attempts"], api["series"]) == (2, [1, 2], None)
    first, page = asked("?attempt=1")
    assert first["totals"] == {"peak_memory_bytes": 5, "cpu_s": 7.25, "read_bytes": None, "written_bytes": None}
    assert not first["is_running"]
    assert page["figure"]


def test_written_again_it_takes_the_place_of_what_was_there(world: World, asked: Any) -> None:
    lease = world.claim()
    note_usage({lease.attempt_id: SERIES})
    note_usage({lease.attempt_id: SERIES.model_copy(update={"every_s": 2.0}), lease.attempt_id + 1: SERIES})
    (row,) = AttemptUsage.objects.all()
    assert row.series.every_s == 2.0


def test_an_attempt_that_is_not_there(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    for address in (f"/api/workspaces/ours/runs/{run.pk}", f"/w/ours/runs/{run.pk}"):
        assert client.get(f"{address}/steps/a/usage/?attempt=7").status_code == 404
        assert client.get(f"{address}/steps/b/usage/").status_code == 404
