"""What steps measure and say of themselves: kept under the attempt's guard, seen on the run, tagged by people."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from compute.listener import JobRecords, tell_records
from compute.logs.writer import LeaseLostError
from compute.metrics.reading import EXACT_POINTS, points_of
from compute.metrics.said import Label
from compute.models import Job, Metric, MetricChunk
from compute.services.leases import Lease, lose
from pipelines import services
from pipelines.metric_queries import measured_in, tags_of
from pipelines.models import Run, StepRun, Tag
from studio.lib.problems import UserError
from studio.workspaces.access import Access
from studio.workspaces.models import Role
from tests.service.pipelines.world import World
from tests.support.metrics import PNG, Measuring, measure

LOSS = [["s", "loss", value, None] for value in (3.0, 1.0, 2.0)]


@pytest.fixture
def run(world: World) -> Run:
    return world.submit(world.pipeline(world.step("a", retry={"max_attempts": 2})))


@pytest.fixture
def lease(world: World, run: Run) -> Lease:
    return world.claim()


@pytest.fixture
def signed_in(world: World, client: Client) -> Client:
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def measuring(lease: Lease) -> Iterator[Measuring]:
    made = Measuring(lease)
    yield made
    made.writer.close()


def get(client: Client, run: Run, path: str, status: int = 200) -> Any:
    answer = client.get(f"/api/workspaces/ours/runs/{run.pk}/{path}")
    assert answer.status_code == status, answer.content
    return answer.json()


def names(run: Run) -> list[str]:
    return [each.metric.name for each in measured_in(run)]


def test_last_lowest_and_highest_are_known_at_once(run: Run, lease: Lease, signed_in: Client) -> None:
    measure(lease, *LOSS, '["s","odd",NaN,7]', '["s","odd",-Infinity,9]')
    loss, odd = get(signed_in, run, "metrics/")["metrics"]
    assert {key: loss[key] for key in ("step", "last", "min", "max", "count", "last_step")} == {
        "step": "a", "last": 2.0, "min": 1.0, "max": 3.0, "count": 3, "last_step": 2,
    }  # fmt: skip
    assert (odd["last"], odd["min"], odd["not_finite"], odd["last_step"]) == ("-Infinity", None, 2, 9)
    points = get(signed_in, run, "steps/a/metrics/points/?metric=odd")
    assert (points["steps"], points["values"], points["of"]) == ([7, 9], ["NaN", "-Infinity"], 2)


def test_what_grows_is_stored_in_place_and_stored_twice_is_stored_once(run: Run, measuring: Measuring) -> None:
    measuring.say(*LOSS)
    book = measuring.writer.book
    book.changed = dict(book.metrics)
    measuring.writer._commit()  # as after a commit of which nobody heard
    measuring.say(*LOSS)
    assert [(chunk.seq, chunk.count) for chunk in MetricChunk.objects.all()] == [(0, 6)]
    assert Metric.objects.get().count == 6


def test_what_a_lost_attempt_sends_is_dropped(world: World, run: Run, measuring: Measuring) -> None:
    measuring.say(*LOSS)
    assert lose(Job.objects.get(), "it was not heard of")
    with pytest.raises(LeaseLostError):
        measuring.say(["s", "late", 1, None], ["tag", "late", ""])
    assert [metric.name for metric in Metric.objects.all()] == ["loss"]
    assert not Tag.objects.exists()
    measure(world.claim(), ["s", "second", 1, None])
    assert names(run) == ["second"]


def test_of_a_step_that_is_over_no_more_is_taken(world: World, run: Run, measuring: Measuring, lease: Lease) -> None:
    world.complete(lease)
    with pytest.raises(LeaseLostError):
        measuring.say(*LOSS)
    assert names(run) == []


def test_each_attempt_has_its_own_and_the_last_one_stands(
    world: World, run: Run, lease: Lease, signed_in: Client
) -> None:
    measure(lease, ["s", "first", 1, None])
    world.fail(lease)
    again = world.claim()
    measure(again, *LOSS)
    world.complete(again)
    assert names(run) == ["loss"]
    assert [each["name"] for each in get(signed_in, run, "steps/a/metrics/?attempt=1")["metrics"]] == ["first"]
    assert get(signed_in, run, "steps/a/metrics/")["points"] == 3


def test_a_reused_step_shows_what_it_was_taken_from(world: World, run: Run, lease: Lease, signed_in: Client) -> None:
    measure(lease, *LOSS)
    world.complete(lease)
    again = world.submit(run.pipeline)
    (metric,) = get(signed_in, again, "metrics/")["metrics"]
    assert (metric["name"], metric["reused_from"]) == ("loss", run.pk)
    assert get(signed_in, again, "steps/a/metrics/points/?metric=loss")["values"] == [3.0, 1.0, 2.0]


def test_many_points_are_thinned_out_by_their_summaries(
    run: Run, lease: Lease, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    count = EXACT_POINTS + 5000
    peak = 20_001
    measure(lease, *(f'["s","wave",{9 if step == peak else math.sin(step / 999):.4f},{step}]' for step in range(count)))
    metric = Metric.objects.get()
    with django_assert_max_num_queries(2):
        points, of = points_of(metric, 200)
    assert (of, len(points) <= 200, max(points.values)) == (count, True, 9.0)
    assert points.steps[list(points.values).index(9.0)] == peak
    near, of = points_of(metric, 200, first=peak - 5, last=peak + 5)
    assert (list(near.steps), of) == (list(range(peak - 5, peak + 6)), 11)


def test_lists_tables_documents_and_pictures_are_read_by_number(run: Run, lease: Lease, signed_in: Client) -> None:
    measure(
        lease,
        ["l", "names", ["a", "b"]],
        ["l", "names", ["c"]],
        '["t","folds",{"score":[NaN,1]}]',
        ["c", "confusion", {"data": {"matrix": [[1]], "class_labels": ["x"]}}],
        ["i", "dot", PNG],
    )
    entries = get(signed_in, run, "steps/a/metrics/entries/?metric=names&start=1&count=5")
    assert (entries["entries"], entries["count"]) == (["b", "c"], 3)
    assert get(signed_in, run, "steps/a/metrics/entries/?metric=folds")["entries"] == [{"score": "NaN"}, {"score": 1}]
    picture = signed_in.get(f"/api/workspaces/ours/runs/{run.pk}/steps/a/metrics/image/?metric=dot")
    assert (picture["Content-Type"], b"".join(picture)[:4]) == ("image/png", b"\x89PNG")
    get(signed_in, run, "steps/a/metrics/image/?metric=dot&number=1", 400)
    get(signed_in, run, "steps/a/metrics/points/?metric=dot", 404)
    get(signed_in, run, "steps/a/metrics/points/?metric=a%00b", 404)


def test_the_page_draws_it_with_names_as_text_in_few_queries(
    run: Run, lease: Lease, signed_in: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    page = f"/w/ours/runs/{run.pk}/metrics/"
    assert "from studio_sdk.core import Run" in signed_in.get(page).json()["html"]
    many = [["s", f"m{number}", value, None] for number in range(40) for value in (1, 2)]
    measure(lease, ["s", "<script>x</script>", 1, None], ["l", "names", ["<i>"]], *many)
    with django_assert_max_num_queries(14):
        drawn = signed_in.get(page).json()
    assert (len(drawn["charts"]), drawn["more_charts"]) == (24, 16)
    assert "&lt;script&gt;x" in drawn["html"]
    assert "<i>" not in drawn["html"]


def test_a_step_tags_itself_and_people_tag_it_too(
    world: World, run: Run, lease: Lease, signed_in: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    measure(lease, ["tag", "stage", "first"], ["property", "rows", "1"])
    measure(lease, ["tag", "stage", "second"], ["property", "rows", "2"])
    step = StepRun.objects.get()
    assert {tag.name: tag.value for tag in tags_of(run, step)} == {"stage": "second", "rows": "1"}

    url = f"/api/workspaces/ours/runs/{run.pk}/steps/a/tags/"
    told = signed_in.patch(url, {"tags": {"stage": None, "good": ""}}, content_type="application/json").json()
    assert (list(told["tags"]), told["tags"]["good"]["by"], list(told["properties"])) == (
        ["good"], "ours-owner", ["rows"],
    )  # fmt: skip
    services.set_tags(world.access, run, None, {"of": "the run"})
    assert list(get(signed_in, run, "tags/")["tags"]) == ["of"]
    assert list(get(signed_in, run, "steps/a/")["tags"]["tags"]) == ["good"]


def test_a_tag_that_came_a_moment_before_breaks_no_attempt(run: Run, lease: Lease) -> None:
    """As where a person sets it after the step's own were looked for."""
    labels = [Label("stage", value, is_property=False) for value in ("first", "second")]
    tell_records(JobRecords(lease.job_id, lease.owner, lease.attempt, labels))
    assert [tag.value for tag in tags_of(run, StepRun.objects.get())] == ["first"]


def test_tags_that_are_none_are_refused(world: World, run: Run) -> None:
    for tags in ({"": "x"}, {"a\nb": "x"}, {"x" * 251: ""}, {"x": "y" * 1001}):
        with pytest.raises(UserError):
            services.set_tags(world.access, run, None, tags)
    with pytest.raises(UserError, match="at most 100"):
        services.set_tags(world.access, run, None, {f"tag {number}": "" for number in range(101)})
    reader = Access(world.member("reader", Role.READER), world.workspace, Role.READER)
    with pytest.raises(PermissionDenied):
        services.set_tags(reader, run, None, {"x": ""})
    assert not Tag.objects.exists()


def test_a_step_of_a_run_that_went_on_hears_nothing_of_its_old_job(world: World, run: Run, lease: Lease) -> None:
    StepRun.objects.update(job=None)
    measure(lease, ["tag", "late", ""])
    assert not Tag.objects.exists()
