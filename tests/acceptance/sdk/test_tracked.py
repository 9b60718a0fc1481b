"""Runs that a program does itself and tells the studio of: what was said arrives, and says how it ended."""

import math
from functools import partial

import pytest
from django.utils import timezone
from studio_sdk.core import Experiment, Run, Workspace
from studio_sdk.core import _tracked as tracked
from studio_sdk.data import _transfer as transfer
from studio_sdk.exceptions import AzureMLException, NotSupportedException, UserErrorException

from pipelines.models import Run as OurRun
from tests.support.waiting import wait_for


def test_it_is_begun_told_and_ended(workspace: Workspace) -> None:
    run = Experiment(workspace, "laptop").start_logging(display_name="try 1")
    assert run.get_status() == "Running"
    for value in (1.0, 0.5, 0.25):
        run.log("loss", value)
    run.log("accuracy", 0.9, step=7)
    run.log("odd", math.nan)
    run.tag("stage", "baseline")
    run.add_properties({"rows": 100})
    run.complete()
    assert run.get_status() == "Completed"
    row = OurRun.objects.get(pk=int(run.id))
    assert (row.status, row.experiment.name) == ("completed", "laptop")
    found = Run.get(workspace, run.id)
    (step,) = found.get_children()
    metrics = step.get_metrics()
    assert metrics["loss"] == [1.0, 0.5, 0.25]
    assert metrics["accuracy"] == 0.9
    assert math.isnan(metrics["odd"])
    assert step.get_tags()["stage"] == "baseline"
    assert step.get_properties()["rows"] == "100"
    with pytest.raises(UserErrorException, match="This run is over"):
        run.log("loss", 0.1)


def test_what_is_said_arrives_by_itself(workspace: Workspace) -> None:
    run = Experiment(workspace, "laptop").start_logging()
    run.log("loss", 0.5)
    told = Run(run.experiment, next(Run.get(workspace, run.id).get_children()).id)
    wait_for(lambda: told.get_metrics().get("loss") == 0.5, what="the point arrives", timeout_s=20)
    run.complete()


def test_thousands_of_points_go_in_few_requests(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    client = workspace._client
    real = client.post

    def post(path: str, body: object) -> object:
        if path.endswith("/log/"):
            sizes.append(len(body["points"]))  # type: ignore[index]
        return real(path, body)

    monkeypatch.setattr(client, "post", post)
    with Experiment(workspace, "laptop").start_logging() as run:
        for number in range(2500):
            run.log("loss", number)
    assert sum(sizes) == 2500
    assert max(sizes) <= 1000
    (step,) = Run.get(workspace, run.id).get_children()
    assert step.get_metrics()["loss"] == [float(number) for number in range(2500)]


def test_a_block_that_raises_fails_it_with_the_words(workspace: Workspace) -> None:
    def go() -> None:
        with Experiment(workspace, "laptop").start_logging() as run:
            numbers.append(run.id)
            raise ValueError("no such column: price")

    numbers: list[str] = []
    with pytest.raises(ValueError, match="price"):
        go()
    row = OurRun.objects.get(pk=int(numbers[0]))
    assert row.status == "failed"
    assert "ValueError: no such column: price" in row.steps.get().reason


def test_what_it_can_not_keep_is_refused(workspace: Workspace, read_only: Workspace) -> None:
    experiment = Experiment(workspace, "laptop")
    with pytest.raises(NotSupportedException, match="submit a ScriptRunConfig"):
        experiment.start_logging(snapshot_directory=".")
    run = experiment.start_logging()
    for refused in (
        lambda: run.log_list("words", ["a"]),
        lambda: run.log_table("t", {"a": [1]}),
        lambda: run.log("text", "words"),
    ):
        with pytest.raises(NotSupportedException, match="let the script be a step"):
            refused()
    run.cancel()
    wait_for(lambda: run.get_status() == "Canceled", what="it is cancelled", timeout_s=20)
    with pytest.raises(UserErrorException):
        Experiment(read_only, "laptop").start_logging()


def test_points_wait_while_the_studio_does_not_answer(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "_MOST_WAITING", 3)
    run = Experiment(workspace, "laptop").start_logging()
    server = workspace._client.server
    workspace._client.server = "http://127.0.0.1:9"
    for number in range(3):
        run.log("loss", number)
    with pytest.raises(UserErrorException, match="has not answered"):
        run.log("loss", 3)
    workspace._client.server = server
    run.complete()
    (step,) = Run.get(workspace, run.id).get_children()
    assert step.get_metrics()["loss"] == [0.0, 1.0, 2.0]


def test_what_is_refused_is_left_out_and_told(workspace: Workspace) -> None:
    run = Experiment(workspace, "laptop").start_logging()
    run.log("loss", 1.0)
    run.log("x" * 2000, 2.0)
    run.log("loss", 0.5)
    run.tag("big", "y" * 100_000)
    run.tag("stage", "baseline")
    with pytest.raises(UserErrorException, match=r"refused some of what was logged.*“xxx.*“big”"):
        run.complete()
    assert run.get_status() == "Completed"
    (step,) = Run.get(workspace, run.id).get_children()
    assert step.get_metrics() == {"loss": [1.0, 0.5]}
    assert step.get_tags() == {"stage": "baseline"}


def test_a_run_that_somebody_deleted_is_told_of(workspace: Workspace) -> None:
    run = Experiment(workspace, "laptop").start_logging()
    run.cancel()
    wait_for(lambda: run.get_status() == "Canceled", what="it is cancelled", timeout_s=20)
    OurRun.objects.filter(pk=int(run.id)).update(trashed_at=timezone.now())
    run.log("loss", 1.0)
    with pytest.raises(AzureMLException, match="in the trash"):
        run.complete()
    with pytest.raises(UserErrorException, match="This run is over"):
        run.log("loss", 1.0)


def test_the_own_exception_of_a_block_comes_through(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracked, "patiently", partial(transfer.patiently, patience_s=0.1))
    server = workspace._client.server

    def go() -> None:
        with Experiment(workspace, "laptop").start_logging() as run:
            run.log("loss", 1.0)
            workspace._client.server = "http://127.0.0.1:9"
            raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        go()
    workspace._client.server = server
    assert "can't be reached" in capsys.readouterr().err
