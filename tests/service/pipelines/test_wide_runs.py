"""The page of a run of thousands of steps: it says all of them, and is neither long nor slow to read."""

import gzip
import json
import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from pipelines.models import PipelineVersion, Run
from pipelines.queries import run_of, run_state
from tests.service.pipelines.world import World
from tests.support.wide_runs import wide_run

STEPS = 3_000
STATE = re.compile(r'<script id="run-state" type="application/json">(.*?)</script>')


@pytest.fixture
def run(world: World) -> Run:
    return Run.objects.get(pk=wide_run("ours", world.owner.username, STEPS))


@pytest.fixture
def visitor(world: World, client: Client) -> Client:
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_page_is_short_and_costs_as_many_queries_as_that_of_a_small_run(
    run: Run, visitor: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(12):
        page = visitor.get(f"/w/ours/runs/{run.pk}/", headers={"accept-encoding": "gzip"})
    html = gzip.decompress(page.content).decode()
    assert html.count("<tr data-step=") == 200
    assert "The first 200 of 3000 steps." in html
    assert len(html) < 160 * STEPS
    assert len(page.content) < 100_000
    with django_assert_max_num_queries(8):
        assert visitor.get(f"/w/ours/runs/{run.pk}/failure/").status_code == 200


def test_the_page_says_of_each_step_and_edge_what_the_api_says(run: Run, visitor: Client) -> None:
    found = STATE.search(visitor.get(f"/w/ours/runs/{run.pk}/").content.decode())
    assert found
    assert _unpacked(json.loads(found[1])) == visitor.get(f"/api/workspaces/ours/runs/{run.pk}/").json()


def test_a_version_from_before_there_were_outlines_shows_the_same(run: Run, world: World) -> None:
    before = run_state(run_of(world.workspace, run.pk))
    PipelineVersion.objects.update(outline=None)
    assert run_state(run_of(world.workspace, run.pk)) == before


def test_saving_a_pipeline_keeps_its_outline(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a", run_after=["a"]))
    outline = pipeline.versions.get().outline
    assert outline.kinds == ["python_script", "python_script"]
    assert outline.edges == [(0, "out", 1, "from_a", None), (0, "", 1, "", None)]


def test_the_timeline_draws_those_that_took_longest_and_says_so(
    run: Run, visitor: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(8):
        figure = visitor.get(f"/w/ours/runs/{run.pk}/timeline/").json()
    assert {len(trace["y"]) for trace in figure["data"]} <= {299, 300, 1}
    assert figure["note"] == "The 300 steps that took longest; 2,699 more are in the table."


def _unpacked(state: dict[str, Any]) -> dict[str, Any]:
    """As `static/src/run/packed.js` does it."""
    usual = state.pop("usual")
    steps = [{**usual, "position": place, **step} for place, step in enumerate(state["steps"])]
    edges = [
        {"from": steps[start]["name"], "to": steps[end]["name"], "output": output, "input": given}
        | ({"label": label[0]} if label else {})
        for start, output, end, given, *label in state["edges"]
    ]
    return {**state, "steps": steps, "edges": edges}
