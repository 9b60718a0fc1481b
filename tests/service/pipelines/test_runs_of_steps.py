"""The runs that a step had made: what the API lists, and what the pages of both say of each other."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pipelines import services
from pipelines.models import Pipeline, Run
from studio.workspaces.models import Role
from tests.service.pipelines.test_pipeline_steps import nested, step_of
from tests.service.pipelines.world import World

BACKEND = "django.contrib.auth.backends.ModelBackend"
Ask = Callable[[str], Any]


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.member("reader", Role.READER), backend=BACKEND)
    return client


@pytest.fixture
def get(world: World, client: Client) -> Ask:
    def ask(path: str) -> Any:
        answer = client.get(f"/api/workspaces/{world.workspace.slug}/{path}")
        assert answer.status_code == 200, answer.content
        return answer.json()

    return ask


def mapping(world: World, items: str = '["a", "b", "c"]', **more: Any) -> Pipeline:
    fit = {**world.step("fit"), "arguments": "${{parameters.city}}"}
    world.pipeline(fit, name="fit", parameters=[{"name": "city"}])
    each = {"kind": "map", "name": "each", "pipeline": "fit", "items": items, "item_parameters": "city", **more}
    return world.pipeline(each, name="outer")


def begun(world: World, pipeline: Pipeline, step: str = "each") -> Run:
    run = world.submit(pipeline)
    services.tend(step_of(run, step).pk)
    return run


class TestTheList:
    def test_by_number_with_what_a_row_shows(self, world: World, get: Ask) -> None:
        run = begun(world, mapping(world))
        world.fail(world.claim())
        found = get(f"runs/{run.pk}/steps/each/runs/")
        assert [(row["number"], row["label"], row["status"]) for row in found["results"]] == [
            (1, "a", "failed"),
            (2, "b", "queued"),
            (3, "c", "queued"),
        ]
        assert found["counts"] == {"failed": 1, "queued": 2}
        first = found["results"][0]
        assert (first["steps_done"], first["steps_total"]) == (1, 1)
        assert first["reason"] == "“fit” failed: The script ended with exit code 1."

    def test_of_one_status_and_a_page_at_a_time(self, world: World, get: Ask) -> None:
        run = begun(world, mapping(world))
        world.complete(world.claim())
        base = f"runs/{run.pk}/steps/each/runs/"
        assert [row["label"] for row in get(f"{base}?status=queued")["results"]] == ["b", "c"]
        second = get(f"{base}?page_size=2&page=2")
        assert ([row["label"] for row in second["results"]], second["count"], second["next"]) == (["c"], 3, None)
        assert len(get(f"{base}?status=nonsense")["results"]) == 3

    def test_queries_do_not_grow_with_the_runs(self, world: World, get: Ask) -> None:
        run = begun(world, mapping(world, str(list(range(12))), at_once=12))
        counts = []
        for size in (1, 12):
            with CaptureQueriesContext(connection) as queries:
                assert len(get(f"runs/{run.pk}/steps/each/runs/?page_size={size}")["results"]) == size
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 9

    def test_a_step_that_makes_none_has_none(self, world: World, get: Ask) -> None:
        run = world.submit(world.pipeline(world.step("a")))
        found = get(f"runs/{run.pk}/steps/a/runs/")
        assert (found["results"], found["counts"]) == ([], {})


class TestWhatEachSaysOfTheOther:
    def test_the_state_of_the_outer_run_says_which_steps_hold_runs(self, world: World, get: Ask) -> None:
        run = begun(world, mapping(world))
        (step,) = get(f"runs/{run.pk}/")["steps"]
        assert (step["makes_runs"], step["runs_tab"], step["has_job"]) == (True, "runs", False)
        assert step["reason"] == "0 of 3 runs are over."
        assert get(f"runs/{run.pk}/")["parent"] is None

    def test_the_page_of_one_leads_to_its_step_and_to_those_beside_it(self, world: World, client: Client) -> None:
        run = begun(world, mapping(world, '["a", "<b>", "c"]'))
        first, second, third = Run.objects.filter(parent_step__run=run).order_by("child_number")
        base = f"/w/{world.workspace.slug}/runs"
        page = client.get(f"{base}/{second.pk}/").content.decode()
        assert "<strong>&lt;b&gt;</strong>: run 2" in page
        assert f'href="{base}/{run.pk}/?step=each&amp;tab=runs"' in page
        assert f'rel="prev" href="{base}/{first.pk}/"' in page
        assert f'rel="next" href="{base}/{third.pk}/"' in page
        assert f"Run {run.pk}, each</a>" in page, "in its breadcrumb"
        assert 'rel="next"' not in client.get(f"{base}/{third.pk}/").content.decode()
        assert "run-belongs" not in client.get(f"{base}/{run.pk}/").content.decode()

    def test_nested_in_what_is_nested_the_way_up_is_whole(self, world: World, client: Client, get: Ask) -> None:
        world.pipeline(world.step("fit"), name="train")
        world.pipeline(nested("inner", inputs=[], outputs=[]), name="middle")
        run = begun(world, world.pipeline(nested("nest", "middle", inputs=[], outputs=[]), name="outer"), "nest")
        child = Run.objects.get(parent_step__run=run)
        services.tend(step_of(child, "inner").pk)
        grandchild = Run.objects.get(parent_step__run=child)
        page = client.get(f"/w/{world.workspace.slug}/runs/{grandchild.pk}/").content.decode()
        outer, middle = page.index(f"Run {run.pk}, nest</a>"), page.index(f"Run {child.pk}, inner</a>")
        assert outer < middle
        assert get(f"runs/{grandchild.pk}/")["parent"] == {"run": child.pk, "step": "inner", "number": 1, "label": ""}

    def test_both_pages_are_there_when_their_pipelines_were_deleted(self, world: World, client: Client) -> None:
        run = begun(world, mapping(world))
        child = Run.objects.filter(parent_step__run=run).first()
        assert child is not None
        services.delete_pipeline(world.access, run.pipeline)
        services.delete_pipeline(world.access, child.pipeline)
        for each in (run, child):
            assert client.get(f"/w/{world.workspace.slug}/runs/{each.pk}/").status_code == 200

    def test_one_can_be_cancelled_and_continued_alone(self, world: World) -> None:
        run = begun(world, mapping(world, '["a"]'))
        child = Run.objects.get(parent_step__run=run)
        services.cancel_run(world.access, child)
        services.continue_run(world.access, Run.objects.get(pk=child.pk))
        assert world.drain() == ["fit"]
        services.tend(step_of(run, "each").pk)
        assert step_of(run, "each").status == "completed"


class TestWhatAPipelineTakesAndGives:
    def test_by_its_name_and_version(self, world: World, get: Ask) -> None:
        pipeline = world.pipeline(world.step("fit"), name="train", parameters=[{"name": "rate", "type": "number"}])
        world.save(pipeline, world.step("fit"), world.step("score"))
        latest = get("pipelines/interface/?name=train")
        assert (latest["version"], latest["parameters"]) == (2, [])
        assert latest["outputs"] == [{"step": "fit", "output": "out"}, {"step": "score", "output": "out"}]
        first = get("pipelines/interface/?name=train&version=1")
        assert [(each["name"], each["type"]) for each in first["parameters"]] == [("rate", "number")]

    @pytest.mark.parametrize("query", ["name=lost", "name=train&version=9", "name=theirs", "name=", "name=%00"])
    def test_one_that_is_not_there(self, world: World, client: Client, query: str) -> None:
        world.pipeline(world.step("fit"), name="train")
        theirs = World.make("theirs")
        theirs.pipeline(theirs.step("fit"), name="theirs")
        answer = client.get(f"/api/workspaces/{world.workspace.slug}/pipelines/interface/?{query}")
        assert answer.status_code == 404
