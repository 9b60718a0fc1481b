"""A sweep: trials of another pipeline, what they log, the best of them, and those that are given up."""

import json
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from compute.services.leases import Lease, Outcome
from compute.states import JobStatus
from datastores.backends import get_backend
from pipelines import services
from pipelines.kinds.sweep import STOPPED
from pipelines.models import Pipeline, Run, StepRun
from studio.lib.problems import UserError
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.metrics import Measuring, measure

RATE = {"name": "rate", "type": "number", "default": 0.5, "minimum": 0, "maximum": 1}
BATCH = {"name": "batch", "type": "integer", "default": 8}
NAME = {"name": "name", "type": "string", "default": "x"}
DATA = {"name": "data", "type": "data_path", "optional": True}
BACKEND = "django.contrib.auth.backends.ModelBackend"


def sweep(*space: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {
        "kind": "sweep",
        "name": "tune",
        "pipeline": "train",
        "search_space": [{"name": name, "value": value} for name, value in space or [("batch", "choice(16, 32, 64)")]],
        "sampling": "grid",
        "primary_metric": "accuracy",
        **more,
    }


@pytest.fixture
def train(world: World) -> Pipeline:
    fit = {**world.step("fit"), "arguments": "--rate ${{parameters.rate}} ${{parameters.batch}} ${{parameters.name}}"}
    return world.pipeline(fit, name="train", parameters=[RATE, BATCH, NAME, DATA])


def begun(world: World, step: dict[str, Any], *later: dict[str, Any]) -> Run:
    run = world.submit(world.pipeline(step, *later, name="outer"))
    tend(run)
    return run


def step_of(run: Run) -> StepRun:
    return StepRun.objects.get(run=run, name="tune")


def tend(run: Run) -> StepRun:
    services.tend(step_of(run).pk)
    return step_of(run)


def trials(run: Run) -> list[Run]:
    return list(Run.objects.filter(parent_step__run=run).order_by("child_number"))


def values(run: Run) -> list[Any]:
    return [trial.parameters.values for trial in trials(run)]


def logs(world: World, *accuracy: float | str, lease: Lease | None = None) -> None:
    """The next trial's step logs that and completes."""
    lease = lease or world.claim()
    measure(lease, *(f'["s","accuracy",{value},null]' for value in accuracy))
    world.complete(lease, content=f"{accuracy}")


def all_log(world: World, run: Run, *accuracies: Any) -> StepRun:
    for accuracy in accuracies:
        logs(world, *(accuracy if isinstance(accuracy, tuple) else (accuracy,)))
    return tend(run)


@pytest.mark.usefixtures("train")
class TestItsTrials:
    def test_the_best_one_gives_its_values_and_its_outputs(self, world: World) -> None:
        after = world.step("after")
        after["inputs"] = [
            {"name": name, "binding": {"kind": "output", "step": "tune", "output": name}} for name in ("out", "found")
        ]
        after["arguments"] = "${{inputs.out}} ${{inputs.found}}"
        outputs = [{"name": "out"}, {"name": "found", "taken_from": "trials.json"}]
        run = begun(world, sweep(outputs=outputs), after)
        assert [trial.child_label for trial in trials(run)] == ["batch=16", "batch=32", "batch=64"]
        assert [each["batch"] for each in values(run)] == [16, 32, 64]
        tune = all_log(world, run, 0.5, (0.9, 0.7), 0.6)
        best = trials(run)[1]
        assert tune.status == "completed"
        assert tune.reason == "The best of 3 trials: trial 2 with accuracy 0.9 (batch=32)."
        assert tune.decision.values == {
            "best trial": "2", "best run": str(best.pk), "accuracy": "0.9", "batch": "32",
        }  # fmt: skip
        assert tune.outputs.outputs["out"] == StepRun.objects.get(run=best).outputs.outputs["out"]
        record = tune.outputs.outputs["found"]
        with get_backend(world.datastore).open_read(record.path) as file:
            found = json.load(file)
        assert found["best"] == {"number": 2, "status": "completed", "values": {"batch": 32}, "metric": 0.9}
        assert [each["metric"] for each in found["trials"]] == [0.5, 0.9, 0.6]
        assert world.drain() == ["after"]
        assert_no_gap(run)

    def test_the_least_can_be_the_best(self, world: World) -> None:
        run = begun(world, sweep(goal="minimize"))
        assert all_log(world, run, 0.5, (0.9, 0.1), 0.6).decision.values["best trial"] == "2"

    def test_so_many_at_once_and_no_more(self, world: World) -> None:
        run = begun(world, sweep(("rate", "uniform(0, 1)"), sampling="random", max_total_runs=3, max_concurrent_runs=2))
        tend(run)
        assert len(trials(run)) == 2
        assert step_of(run).reason == "0 of 3 trials are over, 2 under way."
        tune = all_log(world, run, 0.25)
        assert len(trials(run)) == 3
        assert tune.reason.startswith("1 of 3 trials are over, 2 under way. Best so far: trial 1 with accuracy 0.25")
        assert all_log(world, run, 0.5, 0.125).status == "completed"
        drawn = [each["rate"] for each in values(run)]
        again = begun_anew(world, run)
        assert [each["rate"] for each in values(again)] == drawn, "the same seed"
        assert step_of(again).decision.values["best trial"] == "2", "of what was reused"

    def test_bayesian_trials_learn_from_those_that_are_over(self, world: World) -> None:
        space = [
            ("rate", "loguniform(log(0.001), log(1))"),
            ("name", "choice(16, 32)"),
            ("batch", "quniform(8, 64, 8)"),
        ]
        run = begun(world, sweep(*space, sampling="bayesian", max_total_runs=14, max_concurrent_runs=2))
        while (tune := tend(run)).status == "running":
            lease = world.claim()
            tried = Run.objects.get(steps__job_id=lease.job_id).parameters.values
            assert 0.001 <= tried["rate"] <= 1
            assert tried["name"] in {"16", "32"}
            assert tried["batch"] % 8 == 0
            logs(world, -abs(tried["batch"] - 40), lease=lease)
        assert len(trials(run)) == 14
        best = trials(run)[int(tune.decision.values["best trial"]) - 1]
        assert best.parameters.values["batch"] == 40

    def test_what_is_asked_twice_is_made_once(self, world: World) -> None:
        run = begun(world, sweep())
        tend(run)
        assert len(trials(run)) == 3
        all_log(world, run, 0.5, 0.9, 0.6)
        before = step_of(run).decision
        tend(run)
        assert step_of(run).decision == before

    def test_values_that_are_passed_stand_beside_those_that_are_tried(self, world: World) -> None:
        run = begun(world, sweep(parameters=[{"name": "rate", "value": "0.125"}]))
        assert [(each["rate"], each["batch"]) for each in values(run)] == [(0.125, 16), (0.125, 32), (0.125, 64)]


def begun_anew(world: World, run: Run) -> Run:
    again = world.submit(run.pipeline)
    while tend(again).status == "running":
        world.drain()
    return again


@pytest.mark.usefixtures("train")
class TestTrialsThatComeToNothing:
    def test_the_others_go_on(self, world: World) -> None:
        run = begun(world, sweep())
        world.fail(world.claim())
        tune = all_log(world, run, 0.5, 0.6)
        assert tune.reason == "The best of 3 trials (1 failed): trial 3 with accuracy 0.6 (batch=64)."
        assert tune.status == "completed"

    def test_without_the_metric_a_trial_is_no_good(self, world: World) -> None:
        run = begun(world, sweep())
        world.complete(world.claim())
        tune = all_log(world, run, "NaN", 0.125)
        assert tune.decision.values["best trial"] == "3"

    def test_none_logs_the_metric(self, world: World) -> None:
        run = begun(world, sweep())
        world.drain()
        tune = tend(run)
        assert (tune.status, tune.reason) == (
            "failed",
            "No trial gave a result, of 3 trials (3 failed). Trial 1: It logged no “accuracy”.",
        )

    def test_all_say_that_it_is_no_number(self, world: World) -> None:
        run = begun(world, sweep(("batch", "choice(1)")))
        assert "Its “accuracy” was never a finite number." in all_log(world, run, "NaN").reason

    def test_too_many_end_the_sweep(self, world: World) -> None:
        run = begun(world, sweep(max_failed_percent=40))
        logs(world, 0.5)
        leases = [world.claim(), world.claim()]
        world.fail(leases[0])
        assert tend(run).status == "running"
        world.fail(leases[1])
        tune = tend(run)
        assert tune.status == "failed"
        assert tune.reason.startswith("2 of 3 trials failed, more than 40 %. Trial 2: “fit” failed")

    def test_continuing_tries_those_again_and_none_that_was_given_up(self, world: World) -> None:
        run = begun(world, sweep(("batch", "choice(1, 2)"), max_duration_minutes=60))
        world.fail(world.claim())
        lease = world.claim()
        since = timezone.now() - timezone.timedelta(hours=2)
        StepRun.objects.filter(pk=step_of(run).pk).update(started_at=since)
        tend(run)
        world.end(lease, Outcome(JobStatus.CANCELLED, reason="Cancelled."))
        tune = tend(run)
        assert tune.status == "failed"
        assert "It ended before its time: the sweep's time was up." in tune.reason
        services.continue_run(world.access, run)
        tend(run)
        assert [trial.status for trial in trials(run)] == ["queued", "cancelled"]
        tune = all_log(world, run, 0.5)
        assert (tune.status, tune.decision.values["best trial"]) == ("completed", "1")

    def test_one_that_somebody_cancels_counts_as_failed(self, world: World) -> None:
        run = begun(world, sweep())
        services.cancel_run(world.access, trials(run)[0])
        tune = all_log(world, run, 0.5, 0.6)
        assert tune.reason.startswith("The best of 3 trials (1 failed)")


@pytest.mark.usefixtures("train")
class TestEarlyTermination:
    def test_what_is_far_from_the_best_is_stopped_and_is_no_failure(self, world: World) -> None:
        step = sweep(early_termination="bandit", slack_factor=0.25, delay_evaluation=2, max_failed_percent=0)
        run = begun(world, step)
        leases = [world.claim() for _ in range(3)]
        measuring = [Measuring(lease) for lease in leases]
        measuring[0].say(["s", "accuracy", 0.5, None])
        measuring[1].say(["s", "accuracy", 0.1, None])
        tend(run)
        assert not Run.objects.filter(cancel_requested_at__isnull=False).exists(), "not before interval 2"
        measuring[0].say(["s", "accuracy", 0.9, None])
        measuring[1].say(["s", "accuracy", 0.3, None])
        measuring[2].say(["s", "accuracy", 0.8, None], ["s", "accuracy", 0.1, None])
        services.tend_all()
        worse = trials(run)[1]
        assert [trial.cancel_requested_at is not None for trial in trials(run)] == [False, True, False]
        assert worse.reason.startswith(STOPPED)
        for each in measuring:
            each.writer.close()
        world.end(leases[1], Outcome(JobStatus.CANCELLED, reason="Cancelled."))
        world.complete(leases[0])
        world.complete(leases[2], content="c")
        tune = tend(run)
        worse.refresh_from_db()
        assert (worse.status, worse.reason.startswith(STOPPED)) == ("cancelled", True)
        assert tune.reason == "The best of 3 trials (1 stopped early): trial 1 with accuracy 0.9 (batch=16)."

    def test_one_that_ends_before_it_is_stopped_has_completed(self, world: World) -> None:
        run = begun(world, sweep(early_termination="median"))
        leases = [world.claim() for _ in range(3)]
        for lease, accuracy in zip(leases, (0.1, 0.5, 0.6), strict=True):
            measure(lease, ["s", "accuracy", accuracy, None])
        tend(run)
        assert [trial.cancel_requested_at is not None for trial in trials(run)] == [True, False, False]
        for lease in leases:
            world.complete(lease, content=str(lease.job_id))
        tend(run)
        assert [(trial.status, trial.reason) for trial in trials(run)] == [("completed", "")] * 3

    def test_trials_are_looked_at_more_often_than_all_runs_are_swept(self, world: World) -> None:
        schedule = settings.CELERY_BEAT_SCHEDULE
        assert schedule["watch-trials"]["schedule"] == settings.SWEEP_INTERVAL_S < schedule["sweep-runs"]["schedule"]
        run = begun(world, sweep(early_termination="bandit", slack_factor=0.25, delay_evaluation=0))
        for accuracy in (0.9, 0.1):
            measure(world.claim(), ["s", "accuracy", accuracy, None])
        current_app.tasks[schedule["watch-trials"]["task"]]()
        assert [trial.cancel_requested_at is not None for trial in trials(run)] == [False, True, False]

    def test_where_nothing_is_given_up_nobody_looks(self, world: World) -> None:
        begun(world, sweep())
        assert services.watch_trials() == 0

    def test_time_that_is_up(self, world: World) -> None:
        run = begun(world, sweep(max_concurrent_runs=2, max_duration_minutes=30))
        logs(world, 0.5)
        lease = world.claim()
        since = timezone.now() - timezone.timedelta(minutes=31)
        StepRun.objects.filter(pk=step_of(run).pk).update(started_at=since)
        tend(run)
        assert len(trials(run)) == 2
        world.end(lease, Outcome(JobStatus.CANCELLED, reason="Cancelled."))
        assert tend(run).reason == (
            "The best of 2 trials (1 stopped early): trial 1 with accuracy 0.5 (batch=16). "
            "It ended before its time: the sweep's time was up."
        )


def problems(world: World, step: dict[str, Any]) -> dict[tuple[Any, ...], str]:
    with pytest.raises(UserError) as refused:
        world.submit(world.pipeline(step, name="wrong"))
    return {problem.loc[2:]: problem.message for problem in refused.value.problems}


@pytest.mark.usefixtures("train")
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("space", "more", "loc", "sentence"),
        [
            ([("x", "uniform(2, 1)")], {}, (0, "value"), "The first number is the lowest value"),
            ([("rate", "loguniform(log(0), 1)")], {}, (0, "value"), "log(0) is no number"),
            ([("rote", "choice(0.5)")], {}, (0, "name"), "“train” has no parameter “rote”. Did you mean “rate”?"),
            ([("batch", "choice(1.5)")], {}, (0, "value"), "This must be a whole number"),
            ([("rate", "choice(0.5, 2)")], {}, (0, "value"), "“rate” of “train” would be 2, and can't be that"),
            ([("rate", "normal(0.5, 1)")], {"sampling": "random"}, (0, "value"), "This must be 0 or more."),
            ([("rate", "uniform(0, 1)")], {}, (0, "value"), "A grid wants values that can be counted"),
            ([("rate", "normal(0, 1)")], {"sampling": "bayesian"}, (0, "value"), "Bayesian sampling wants bounds"),
            ([("rate", "choice(1)"), ("rate", "choice(0)")], {}, (1, "name"), "“rate” stands here twice."),
            ([("", "choice(1)")], {}, (0, "name"), "Name a parameter of the pipeline."),
            (
                [("batch", "randint(100000)"), ("rate", "quniform(0, 1, 0.0001)")],
                {},
                (),
                "This grid has 100,000 × 10,001 = 1,000,100,000 points, and a sweep can have 1,000.",
            ),
        ],
    )
    def test_in_its_space(
        self, world: World, space: list[tuple[str, str]], more: Any, loc: tuple[Any, ...], sentence: str
    ) -> None:
        assert sentence in problems(world, sweep(*space, **more))["search_space", *loc]

    @pytest.mark.parametrize(
        ("change", "loc", "sentence"),
        [
            ({"search_space": []}, ("search_space",), "Name a parameter of the pipeline"),
            ({"max_total_runs": 0}, ("max_total_runs",), "Give a whole number from 1 to 1,000."),
            ({"max_concurrent_runs": 101}, ("max_concurrent_runs",), "Give a whole number from 1 to 100."),
            ({"max_duration_minutes": 0}, ("max_duration_minutes",), "Give a time above 0"),
            ({"max_failed_percent": -1}, ("max_failed_percent",), "Give a number from 0 to 100."),
            ({"primary_metric": " "}, ("primary_metric",), "Name the metric that trials log"),
            ({"early_termination": "bandit"}, ("slack_factor",), "give one of them"),
            ({"early_termination": "median", "evaluation_interval": 0}, ("evaluation_interval",), "from 1 on"),
            (
                {"early_termination": "truncation", "truncation_percentage": 100},
                ("truncation_percentage",),
                "above 0 and below 100",
            ),
            ({"parameters": [{"name": "batch", "value": 1}]}, ("parameters", 0, "name"), "a value of its own in each"),
            (
                {"outputs": [{"name": "o", "taken_from": "best.json"}]},
                ("outputs", 0, "taken_from"),
                "has no “best.json”",
            ),
        ],
    )
    def test_at_its_field(self, world: World, change: dict[str, Any], loc: tuple[Any, ...], sentence: str) -> None:
        assert sentence in problems(world, {**sweep(), **change})[loc]


@pytest.mark.usefixtures("train")
class TestItsPageAndApi:
    @pytest.fixture
    def run(self, world: World) -> Run:
        """One trial failed, one runs and logged, the best completed."""
        run = begun(world, sweep(("batch", "choice(16, 32, 64)"), ("name", "choice('<b>x</b>')")))
        world.fail(world.claim())
        logs(world, 0.5, 0.75)
        measure(world.claim(), ["s", "accuracy", 0.25, None])
        return run

    @pytest.fixture
    def signed_in(self, world: World, client: Client) -> Client:
        client.force_login(world.owner, backend=BACKEND)
        return client

    def test_the_api_tells_of_each_trial(self, signed_in: Client, run: Run) -> None:
        url = f"/api/workspaces/ours/runs/{run.pk}/steps/tune/trials/"
        told = signed_in.get(url).json()
        assert {key: told[key] for key in ("primary_metric", "goal", "planned", "count", "best")} == {
            "primary_metric": "accuracy", "goal": "maximize", "planned": 3, "count": 3, "best": 2,
        }  # fmt: skip
        assert [(each["number"], each["status"], each["metric"]) for each in told["trials"]] == [
            (1, "failed", None), (2, "completed", 0.75), (3, "running", 0.25),
        ]  # fmt: skip
        assert told["trials"][1]["values"] == {"batch": 32, "name": "<b>x</b>"}
        page = signed_in.get(f"{url}?start=1&count=1").json()
        assert [each["number"] for each in page["trials"]] == [2]
        child = trials(run)[0]
        assert signed_in.get(f"/api/workspaces/ours/runs/{child.pk}/steps/fit/trials/").status_code == 404

    def test_the_page_has_a_table_and_charts_in_few_queries(
        self, signed_in: Client, run: Run, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        url = f"/w/ours/runs/{run.pk}/steps/tune/trials/"
        with django_assert_max_num_queries(12):
            found = signed_in.get(url).json()
        assert "&lt;b&gt;x&lt;/b&gt;" in found["html"]
        assert "<b>x" not in str(found)
        assert [chart["key"] for chart in found["charts"]] == ["parallel", "metric"]
        assert not found["is_over"]
        numbers = found["html"].split("<tr")[2:]
        assert ["is-best" in line for line in numbers] == [False, True, False]
        best_first = signed_in.get(f"{url}?order=best").json()["html"].split("<tr")[2:]
        assert ["is-best" in line for line in best_first] == [True, False, False]

    def test_before_its_first_trial(self, world: World, signed_in: Client) -> None:
        run = world.submit(world.pipeline(world.step("first"), sweep(run_after=["first"]), name="outer"))
        found = signed_in.get(f"/w/ours/runs/{run.pk}/steps/tune/trials/").json()
        assert "No trial yet" in found["html"]
        assert found["charts"] == []

    def test_the_run_says_which_tab_shows_them(self, signed_in: Client, run: Run) -> None:
        (step,) = signed_in.get(f"/api/workspaces/ours/runs/{run.pk}/").json()["steps"]
        assert step["runs_tab"] == "trials"


@pytest.mark.usefixtures("train")
class TestItsMetricsOnTheRunAbove:
    def test_what_trials_logged_stands_on_the_run_that_was_submitted(
        self, world: World, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        nested = {"kind": "pipeline", "name": "search", "pipeline": "outer"}
        world.pipeline(sweep(), name="outer")
        run = world.submit(world.pipeline(nested, name="outermost"))
        services.tend(StepRun.objects.get(run=run).pk)
        tune = StepRun.objects.get(run__parent_step__run=run)
        services.tend(tune.pk)
        for accuracy in ((0.5, 0.25), (0.9, 0.75), (0.6, 0.5)):
            logs(world, *accuracy)
        client.force_login(world.owner, backend=BACKEND)
        with django_assert_max_num_queries(18):
            page = client.get(f"/w/ours/runs/{run.pk}/metrics/").json()
        (chart,) = page["charts"]
        ways = [f"search › tune › {number}: batch={size} › fit" for number, size in enumerate((16, 32, 64), start=1)]
        assert [line["name"] for line in chart["figure"]["data"]] == ways
        assert page["asks_again"]
        last = Run.objects.filter(parent_step=tune).order_by("-child_number")[0]
        assert f'<a href="/w/ours/runs/{last.pk}/?step=fit&amp;tab=metrics">fit</a>' in page["html"]
        found = client.get(f"/api/workspaces/ours/runs/{run.pk}/metrics/").json()["metrics"]
        assert [(each["step"], each["measured_by"], each["last"]) for each in found] == [
            ("search", "fit", 0.25), ("search", "fit", 0.75), ("search", "fit", 0.5),
        ]  # fmt: skip
        assert (found[-1]["run"], found[-1]["within"]) == (last.pk, ["tune", "3: batch=64", "fit"])
        assert client.get(f"/w/ours/runs/{run.pk}/metrics/?step=other").json()["charts"] == []

    def test_a_step_that_a_rerun_kept_shows_the_same(self, world: World, client: Client) -> None:
        run = begun(world, sweep())
        all_log(world, run, (0.5, 0.25), 0.9, 0.6)
        again = begun_anew(world, run)
        client.force_login(world.owner, backend=BACKEND)
        first, second = (client.get(f"/w/ours/runs/{each.pk}/metrics/").json() for each in (run, again))
        assert (
            [each["title"] for each in second["charts"]] == [each["title"] for each in first["charts"]] == ["accuracy"]
        )
        assert not second["asks_again"]
