"""Waits, approvals and conditions: what they come to, who wins where two come at once, and what their runs do then."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from compute.models import Job
from compute.services.leases import claim
from datastores.backends import get_backend
from datastores.models import Datastore
from pipelines import approval_queries, services
from pipelines.models import Run, RunEvent, StepRun
from pipelines.services import without_job
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.world import World, assert_no_gap, events
from tests.support.metrics import measure

BACKEND = "django.contrib.auth.backends.ModelBackend"


def wait(name: str = "wait", **fields: Any) -> dict[str, Any]:
    return {"kind": "wait", "name": name, "duration": "1 h", **fields}


def approval(name: str = "ask", **fields: Any) -> dict[str, Any]:
    return {"kind": "approval", "name": name, "message": "Shall it go on?", **fields}


def condition(expression: str, *reads: str, name: str = "check", **fields: Any) -> dict[str, Any]:
    inputs = [{"name": each, "binding": {"kind": "output", "step": each, "output": "out"}} for each in reads]
    return {"kind": "condition", "name": name, "expression": expression, "inputs": inputs, **fields}


def on(answer: bool, name: str = "check") -> dict[str, Any]:
    return {"only_if": {"step": name, "answer": answer}, "allow_reuse": False}


def step_of(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def make_due(run: Run, name: str) -> None:
    StepRun.objects.filter(run=run, name=name).update(due_at=timezone.now() - timedelta(seconds=1))


def as_member(world: World, name: str, role: Role) -> Access:
    return Access(world.member(name, role), world.workspace, role)


def fresh(run: Run) -> Run:
    run.refresh_from_db()
    return run


class TestWait:
    def test_it_goes_on_until_it_is_due_and_takes_no_job(self, world: World) -> None:
        run = world.submit(world.pipeline(wait(), world.step("after", run_after=["wait"])))
        step = step_of(run, "wait")
        assert (step.status, step.job, fresh(run).status) == ("running", None, "running")
        assert step.due_at is not None
        assert timedelta(minutes=59) < step.due_at - timezone.now() <= timedelta(hours=1)
        assert step.reuse_note == "A wait is never reused: each run waits for itself."
        assert Job.objects.count() == 0
        assert services.end_due_steps() == 0
        make_due(run, "wait")
        assert services.end_due_steps() == 1
        assert services.end_due_steps() == 0, "twice changes nothing"
        assert world.statuses(run) == {"wait": "completed", "after": "queued"}
        world.drain()
        assert fresh(run).status == "completed"
        assert_no_gap(run)

    def test_the_sweep_ends_it_and_rings_for_those_that_are_due_soon(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rung: list[float] = []
        monkeypatch.setattr(
            without_job, "enqueue_on_commit", lambda task, *, countdown_s: rung.append(round(countdown_s))
        )
        run = world.submit(world.pipeline(wait("long"), wait("short", duration="8 s"), wait("due")))
        assert rung == [8], "a message that waits for an hour is not sent"
        make_due(run, "due")
        assert services.look_after_due_steps() == 1
        assert rung == [8, 8]

    def test_from_parameters(self, world: World) -> None:
        parameters = [{"name": "time", "type": "string", "default": "5 min"}, {"name": "at", "default": "2020-01-01"}]
        steps = wait(duration="${{parameters.time}}"), wait("until", duration="", until="${{parameters.at}}")
        pipeline = world.pipeline(*steps, parameters=parameters)
        run = world.submit(pipeline)
        assert world.statuses(run) == {"wait": "running", "until": "completed"}
        assert step_of(run, "until").reason == "It was past 2020-01-01 00:00:00 UTC already."
        with pytest.raises(UserError) as refused:
            world.submit(pipeline, parameters={"time": "soon"})
        (problem,) = refused.value.problems
        assert (problem.loc, "“soon” is no duration" in problem.message) == (("steps", 0, "duration"), True)

    def test_what_makes_no_sense_is_told(self, world: World) -> None:
        wrong = [
            wait("both", until="18:00"),
            wait("none", duration=""),
            wait("bad", duration="never"),
            wait("file", outputs=[{"name": "out"}], retry={"max_attempts": 3}),
        ]
        with pytest.raises(UserError) as refused:
            world.submit(world.pipeline(*wrong))
        assert [problem.loc for problem in refused.value.problems] == [
            ("steps", 0, "until"),
            ("steps", 1, "duration"),
            ("steps", 2, "duration"),
            ("steps", 3, "retry"),
            ("steps", 3, "outputs", 0, "name"),
        ]

    def test_it_is_cancelled_with_its_run_at_once(self, world: World) -> None:
        run = world.submit(world.pipeline(wait(), world.step("after", run_after=["wait"])))
        assert services.cancel_run(world.access, run)
        assert world.statuses(run) == {"wait": "cancelled", "after": "cancelled"}
        assert fresh(run).status == "cancelled"
        make_due(run, "wait")
        assert services.end_due_steps() == 0

    def test_it_is_cancelled_alone_and_waits_anew_when_the_run_is_continued(self, world: World) -> None:
        run = world.submit(world.pipeline(wait(), world.step("after", run_after=["wait"]), world.step("beside")))
        services.cancel_step(world.access, run, "wait")
        assert world.statuses(run) == {"wait": "cancelled", "after": "skipped", "beside": "queued"}
        world.drain()
        assert fresh(run).status == "cancelled"
        assert services.continue_run(world.access, run) == 2
        assert world.statuses(run) == {"wait": "running", "after": "waiting", "beside": "completed"}
        make_due(run, "wait")
        services.end_due_steps()
        world.drain()
        assert fresh(run).status == "completed"

    def test_a_rerun_from_a_later_step_waits_anew(self, world: World) -> None:
        run = world.submit(world.pipeline(world.step("a"), wait(run_after=["a"]), world.step("b", run_after=["wait"])))
        world.drain()
        make_due(run, "wait")
        services.end_due_steps()
        world.drain()
        again = services.rerun_from(world.access, fresh(run), "b")
        assert world.statuses(again) == {"a": "completed", "wait": "running", "b": "waiting"}


class TestApproval:
    def test_a_yes_lets_the_run_go_on(self, world: World) -> None:
        run = world.submit(world.pipeline(approval(), world.step("deploy", run_after=["ask"])))
        step = step_of(run, "ask")
        assert (step.status, step.asks, step.job) == ("running", "role:contributor", None)
        assert step.reason == "Waits for the answer of a contributor or an owner."
        services.answer_step(world.access, run, "ask", approve=True, comment="  Go <b>on</b>.  ")
        assert world.statuses(run) == {"ask": "completed", "deploy": "queued"}
        step.refresh_from_db()
        assert step.reason == "Approved by ours-owner: Go <b>on</b>."
        assert step.decision is not None
        assert (step.decision.answer, step.decision.by, step.decision.comment) == (True, "ours-owner", "Go <b>on</b>.")
        assert {
            "kind": "step_answered",
            "step": "ask",
            "by": "ours-owner",
            "approved": True,
            "comment": "Go <b>on</b>.",
        } in events(run)
        assert AuditEvent.objects.filter(verb="run.approve", target=f"run {run.pk}, ask").count() == 1
        assert_no_gap(run)

    def test_a_no_fails_the_step_and_a_continued_run_asks_anew(self, world: World) -> None:
        run = world.submit(world.pipeline(approval(), world.step("deploy", run_after=["ask"])))
        services.answer_step(world.access, run, "ask", approve=False)
        assert world.statuses(run) == {"ask": "failed", "deploy": "skipped"}
        assert (fresh(run).status, run.reason) == ("failed", "“ask” failed: Rejected by ours-owner.")
        assert step_of(run, "deploy").reason == "“ask” was not approved."
        services.continue_run(world.access, run)
        step = step_of(run, "ask")
        assert (step.status, step.decision) == ("running", None)
        services.answer_step(world.access, run, "ask", approve=True)
        world.drain()
        assert fresh(run).status == "completed"

    def test_the_second_answer_hears_what_the_first_was(self, world: World) -> None:
        run = world.submit(world.pipeline(approval()))
        services.answer_step(world.access, run, "ask", approve=True, comment="Fine.")
        before = RunEvent.objects.filter(run=run).count()
        with pytest.raises(ConflictError, match=r"needs no answer any more\. Approved by ours-owner: Fine\."):
            services.answer_step(world.access, run, "ask", approve=False)
        assert RunEvent.objects.filter(run=run).count() == before
        assert fresh(run).status == "completed"

    def test_who_is_not_asked_is_refused(self, world: World) -> None:
        contributor = as_member(world, "carl", Role.CONTRIBUTOR)
        reader = as_member(world, "rita", Role.READER)
        run = world.submit(
            world.pipeline(
                approval("owners", role="owner"),
                approval("rita-alone", person="rita"),
                approval("others", submitter_may=False),
                approval("anybody", role="reader"),
            )
        )

        def refused(access: Access, name: str) -> str:
            with pytest.raises(PermissionDenied) as error:
                services.answer_step(access, run, name, approve=True)
            return str(error.value)

        assert refused(contributor, "owners") == "Only an owner can answer this. Ask them."
        assert refused(reader, "others") == "Only a contributor or an owner can answer this. Ask them."
        assert refused(world.access, "rita-alone") == "Only rita can answer this. Ask them."
        assert refused(world.access, "others").startswith("You submitted this run")
        assert set(world.statuses(run).values()) == {"running"}
        waiting = {access.user.username: approval_queries.runs_waiting_for(access) for access in (reader, contributor)}
        assert waiting == {"rita": [run.pk], "carl": [run.pk]}
        assert [each.step for each in approval_queries.open_approvals(contributor, run) if not each.why_not] == [
            "others",
            "anybody",
        ]
        for access, name in (
            (world.access, "owners"),
            (reader, "rita-alone"),
            (contributor, "others"),
            (reader, "anybody"),
        ):
            services.answer_step(access, run, name, approve=True)
        assert fresh(run).status == "completed"
        assert approval_queries.runs_waiting_for(reader) == []

    @pytest.mark.parametrize(
        ("at_timeout", "status", "reason"),
        [
            ("fail", "failed", "Nobody answered in time."),
            ("reject", "failed", "Rejected: nobody answered in time."),
            ("approve", "completed", "Nobody answered in time, which counts as approved here."),
        ],
    )
    def test_without_an_answer_in_time(self, world: World, at_timeout: str, status: str, reason: str) -> None:
        run = world.submit(world.pipeline(approval(answer_within="2 h", at_timeout=at_timeout)))
        make_due(run, "ask")
        with pytest.raises(ConflictError, match="The time for the answer to “ask” ended at"):
            services.answer_step(world.access, run, "ask", approve=True)
        services.end_due_steps()
        assert (step_of(run, "ask").status, step_of(run, "ask").reason) == (status, reason)
        assert fresh(run).status == status
        with pytest.raises(ConflictError, match=reason):
            services.answer_step(world.access, run, "ask", approve=True)

    def test_an_answer_while_the_run_is_cancelled_or_before_the_question_is_refused(self, world: World) -> None:
        run = world.submit(world.pipeline(approval(), world.step("first"), approval("later", run_after=["first"])))
        with pytest.raises(ConflictError, match="“later” has not come to its question"):
            services.answer_step(world.access, run, "later", approve=True)
        with pytest.raises(UserError, match="“first” is no approval"):
            services.answer_step(world.access, run, "first", approve=True)
        world.claim()
        services.cancel_run(world.access, run)
        assert fresh(run).status == "running", "one step still ends"
        with pytest.raises(ConflictError, match="needs no answer any more"):
            services.answer_step(world.access, run, "ask", approve=True)
        assert approval_queries.open_approvals(world.access) == []

    def test_who_is_asked_can_not_be_changed_within_the_run(self, world: World) -> None:
        carl = as_member(world, "carl", Role.CONTRIBUTOR)
        run = world.submit(world.pipeline(approval(role="owner")))
        services.cancel_step(carl, run, "ask")
        for name, value in {"role": "contributor", "person": "carl", "answer_within": "1 s"}.items():
            changes = services.StepChanges(settings={name: value})
            with pytest.raises(UserError, match=r"This can't be changed within a run\. What can: message, "):
                services.edit_step(carl, run, "ask", changes, base_edit=0)
        services.continue_run(carl, run)
        with pytest.raises(PermissionDenied):
            services.answer_step(carl, run, "ask", approve=True)

    def test_over_the_api(self, world: World, client: Client) -> None:
        run = world.submit(
            world.pipeline(
                approval(role="owner", message="Publish ${{parameters.name}}?"),
                parameters=[{"name": "name", "default": "it"}],
            )
        )
        base = f"/api/workspaces/{world.workspace.slug}"
        client.force_login(as_member(world, "carl", Role.CONTRIBUTOR).user, backend=BACKEND)
        (seen,) = client.get(f"{base}/approvals/").json()
        assert seen == {
            "run": run.pk,
            "pipeline": "digits",
            "step": "ask",
            "question": "Publish it?",
            "asked": "an owner",
            "until": None,
            "may_answer": False,
        }

        def answer(**body: Any) -> tuple[int, Any]:
            sent = client.post(f"{base}/runs/{run.pk}/steps/ask/answer/", body, content_type="application/json")
            return sent.status_code, sent.json()

        assert answer(approve=True)[0] == 403
        client.force_login(world.owner, backend=BACKEND)
        assert answer()[0] == 400
        assert answer(approve=True, comment="x" * 2001)[0] == 400
        assert answer(approve=True, comment="Yes.") == (
            200,
            {"status": "completed", "reason": "Approved by ours-owner: Yes."},
        )
        assert answer(approve=True)[0] == 409
        detail = client.get(f"{base}/runs/{run.pk}/steps/ask/").json()
        assert detail["decision"] == {"answer": True, "values": {}, "by": "ours-owner", "comment": "Yes."}
        assert client.get(f"{base}/approvals/").json() == []

    def test_a_person_who_is_no_member_is_told(self, world: World) -> None:
        world.member("rita", Role.READER)
        with pytest.raises(UserError, match=r"“ritta” is a member here\. Did you mean “rita”"):
            world.submit(world.pipeline(approval(person="ritta")))

    def test_it_is_asked_again_in_every_run(self, world: World) -> None:
        pipeline = world.pipeline(world.step("a"), approval(run_after=["a"]), world.step("b", "a", run_after=["ask"]))
        for _ in range(2):
            run = world.submit(pipeline)
            world.drain()
            assert step_of(run, "ask").status == "running"
            services.answer_step(world.access, run, "ask", approve=True)
            world.drain()
            assert fresh(run).status == "completed"
        assert step_of(run, "b").reused_from is not None

    def test_a_rerun_from_behind_it_waits_for_the_new_answer(self, world: World) -> None:
        steps = world.step("a"), approval(run_after=["a"]), world.step("b", run_after=["ask"]), world.step("c", "b")
        run = world.submit(world.pipeline(*steps))
        world.drain()
        services.answer_step(world.access, run, "ask", approve=True)
        world.drain()
        again = services.rerun_from(world.access, fresh(run), "c")
        assert world.statuses(again) == {"a": "completed", "ask": "running", "b": "waiting", "c": "waiting"}
        services.answer_step(world.access, again, "ask", approve=True)
        assert world.statuses(again) == {"a": "completed", "ask": "completed", "b": "completed", "c": "queued"}
        assert step_of(again, "b").reused_from == step_of(run, "b")
        assert world.drain() == ["c"]
        third = services.rerun_from(world.access, fresh(again), "c")
        services.answer_step(world.access, third, "ask", approve=False)
        assert world.statuses(third) == {"a": "completed", "ask": "failed", "b": "skipped", "c": "skipped"}
        assert not Job.objects.filter(status="queued").exists(), "of what was skipped nothing is run"

    def test_nobody_is_asked_any_more_once_a_run_that_stops_has_failed(self, world: World) -> None:
        parameters = [{"name": "word", "type": "string", "default": "good"}]
        pipeline = world.pipeline(condition("${{parameters.word}} > 1"), approval(), wait(), parameters=parameters)
        run = world.submit(pipeline, continue_on_step_failure=False)
        assert world.statuses(run) == {"check": "failed", "ask": "skipped", "wait": "skipped"}
        assert fresh(run).status == "failed"
        assert_no_gap(run)


def write(world: World, name: str, text: str | bytes) -> None:
    """Complete the queued job, which is of this step, with one file of this text."""
    lease = world.claim()
    assert lease.title.split()[0] == name
    world.complete(lease, content=f"{name} {hash(text)}")
    record = StepRun.objects.get(job_id=lease.job_id).outputs.outputs["out"]  # type: ignore[union-attr]
    content = text if isinstance(text, bytes) else text.encode()
    get_backend(world.datastore).write(f"{record.path}/data.txt", io.BytesIO(content))


class TestCondition:
    def test_the_steps_of_one_branch_run_and_those_of_the_other_do_not(self, world: World) -> None:
        parameters = [{"name": "size", "type": "integer", "default": 1500}]
        pipeline = world.pipeline(
            condition("${{parameters.size}} > 1000"),
            world.step("large", **on(True)),
            world.step("small", **on(False)),
            world.step("after_small", "small"),
            world.step("join", run_after=["large", "after_small"], arguments="join", allow_reuse=False),
            parameters=parameters,
        )
        run = world.submit(pipeline)
        assert world.statuses(run) == {
            "check": "completed",
            "large": "queued",
            "small": "not_taken",
            "after_small": "not_taken",
            "join": "waiting",
        }
        check = step_of(run, "check")
        assert check.decision is not None
        assert (check.decision.answer, check.decision.values) == (True, {"parameters.size": "1500"})
        assert step_of(run, "small").reason == "“check” is true."
        assert world.drain() == ["large", "join"]
        assert (fresh(run).status, run.steps_done, run.reason) == ("completed", 5, "")
        assert_no_gap(run)
        run = world.submit(pipeline, parameters={"size": 10})
        assert world.drain() == ["small", "after_small", "join"]
        assert fresh(run).status == "completed"
        assert step_of(run, "large").reason == "“check” is false."

    def test_the_value_of_an_earlier_output_is_read_outside_of_any_transaction(self, world: World) -> None:
        run = world.submit(
            world.pipeline(
                world.step("train"),
                condition('${{inputs.train}}["/accuracy"] >= 0.9', "train"),
                world.step("publish", **on(True)),
            )
        )
        write(world, "train", '{"accuracy": 0.93}')
        assert step_of(run, "check").status == "waiting", "nobody reads a file while holding the database"
        assert services.look_after(run.pk)
        assert not services.look_after(run.pk), "twice changes nothing"
        check = step_of(run, "check")
        assert check.decision is not None
        assert (check.status, check.decision.values) == ("completed", {"inputs.train": '{"accuracy": 0.93}'})
        assert world.drain() == ["publish"]
        assert fresh(run).status == "completed"

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("x" * 64_001, "the file has more than 64,000 bytes"),
            (b"\xff\xfe\x00", "the file is no text"),
            ("good", "“good” > 0.9|compare two numbers"),
        ],
    )
    def test_what_can_not_be_told_fails_the_condition(self, world: World, content: Any, sentence: str) -> None:
        run = world.submit(
            world.pipeline(
                world.step("train"), condition("${{inputs.train}} > 0.9", "train"), world.step("publish", **on(True))
            )
        )
        write(world, "train", content)
        services.look_after_all()
        assert world.statuses(run) == {"train": "completed", "check": "failed", "publish": "skipped"}
        step = step_of(run, "check")
        assert any(part in step.reason for part in sentence.split("|"))
        assert fresh(run).status == "failed"

    def test_a_folder_of_several_files_is_refused(self, world: World) -> None:
        run = world.submit(world.pipeline(world.step("train"), condition("${{inputs.train}} > 0", "train")))
        write(world, "train", "1")
        path = step_of(run, "train").outputs.outputs["out"].path  # type: ignore[union-attr]
        get_backend(world.datastore).write(f"{path}/other.txt", io.BytesIO(b"2"))
        services.look_after_all()
        assert "the folder holds several files" in step_of(run, "check").reason

    def test_an_output_that_is_missing_fails_the_condition(self, world: World) -> None:
        run = world.submit(world.pipeline(world.step("train"), condition("${{inputs.train}} > 0", "train")))
        write(world, "train", "1")
        StepRun.objects.filter(run=run, name="train").update(outputs=None)
        services.look_after_all()
        assert "left no output “out”" in step_of(run, "check").reason

    def test_a_datastore_that_can_not_be_opened_fails_the_condition(self, world: World) -> None:
        run = world.submit(world.pipeline(world.step("train"), condition("${{inputs.train}} > 0", "train")))
        write(world, "train", "1")
        Datastore.objects.filter(pk=world.datastore.pk).update(config={"path": "/no/longer/allowed"})
        services.look_after_all()
        assert "Its input “train” can't be read" in step_of(run, "check").reason

    def test_a_condition_that_failed_is_edited_and_decides_anew(self, world: World) -> None:
        run = world.submit(
            world.pipeline(
                world.step("train"),
                condition("${{inputs.train}} > 'a' + 1", "train"),
                world.step("yes", **on(True)),
                world.step("no", **on(False)),
            )
        )
        write(world, "train", "word")
        services.look_after_all()
        assert fresh(run).status == "failed"
        services.edit_step(
            world.access,
            run,
            "check",
            services.StepChanges(settings={"expression": "${{inputs.train}} == 'word'"}),
            base_edit=0,
        )
        services.look_after_all()
        world.drain()
        assert world.statuses(run) == {
            "train": "completed",
            "check": "completed",
            "yes": "completed",
            "no": "not_taken",
        }
        assert fresh(run).status == "completed"
        with pytest.raises(ConflictError, match="nothing to continue"):
            services.continue_run(world.access, run)

    def test_an_optional_input_from_the_other_branch_is_absent(self, world: World, client: Client) -> None:
        def made(flag: bool) -> Run:
            inputs = [
                {"name": name, "binding": {"kind": "output", "step": name, "output": "out"}, "optional": True}
                for name in ("yes", "no")
            ]
            arguments = "$[[--yes ${{inputs.yes}}]] $[[--no ${{inputs.no}}]]"
            join = world.step(
                "join", inputs=inputs, arguments=arguments, environment_variables={"NO": "${{inputs.no}}"}
            )
            pipeline = world.pipeline(
                condition(f"{str(flag).lower()}"),
                world.step("yes", **on(True)),
                world.step("no", **on(False)),
                join,
                world.step("needs", "no", "yes"),
                name=f"flag {flag}",
            )
            return world.submit(pipeline)

        run = made(True)
        world.complete(world.claim())
        lease = world.claim()
        assert lease.spec.command == ["python", "main.py", "--yes", "${{inputs.yes}}"]
        assert list(lease.spec.inputs) == ["yes"]
        assert "NO" not in lease.spec.environment_variables
        world.complete(lease)
        assert step_of(run, "needs").reason == "Its input “from_no” comes from “no”, which was not taken."
        assert fresh(run).status == "completed"
        assert "no" in step_of(run, "join").frozen.inputs, "a rerun may take the other branch"
        client.force_login(world.owner, backend=BACKEND)
        steps = f"/api/workspaces/{world.workspace.slug}/runs/{run.pk}/steps"
        shown = client.get(f"{steps}/join/").json()
        assert (shown["command"], [each["name"] for each in shown["inputs"]]) == (lease.spec.command, ["yes"])
        assert client.get(f"{steps}/join/reproduce/").status_code == 200
        assert "nothing runs" in client.get(f"{steps}/check/reproduce/").json()["problems"][0]["message"]

    def test_a_failure_on_the_branch_that_is_taken_fails_the_run(self, world: World) -> None:
        run = world.submit(
            world.pipeline(
                condition("true"),
                world.step("yes", **on(True)),
                world.step("no", **on(False)),
                world.step("join", run_after=["yes", "no"]),
            )
        )
        world.fail(world.claim())
        assert world.statuses(run) == {"check": "completed", "yes": "failed", "no": "not_taken", "join": "skipped"}
        assert fresh(run).status == "failed"
        services.continue_run(world.access, run)
        assert world.drain() == ["yes", "join"]
        assert fresh(run).status == "completed"

    def test_a_branch_within_a_branch(self, world: World) -> None:
        run = world.submit(
            world.pipeline(
                condition("true"),
                condition("false", name="inner", only_if={"step": "check", "answer": True}),
                condition("true", name="never", only_if={"step": "check", "answer": False}),
                world.step("inner_yes", **on(True, "inner")),
                world.step("inner_no", **on(False, "inner")),
                world.step("never_yes", **on(True, "never")),
            )
        )
        assert world.drain() == ["inner_no"]
        assert step_of(run, "never_yes").reason == "“never” was not taken."
        assert fresh(run).status == "completed"

    def test_a_run_of_conditions_alone_is_over_at_once(self, world: World) -> None:
        run = world.submit(world.pipeline(condition("true"), condition("false", name="b", run_after=["check"])))
        assert fresh(run).status == "completed"
        assert claim(world.node) is None

    def test_a_rerun_evaluates_it_anew_by_the_results_that_are_kept(self, world: World) -> None:
        run = world.submit(
            world.pipeline(
                world.step("train"),
                condition("${{inputs.train}} == 'good'", "train"),
                world.step("yes", **on(True)),
                world.step("no", **on(False)),
            )
        )
        write(world, "train", "good")
        services.look_after_all()
        world.drain()
        again = services.rerun_from(world.access, fresh(run), "yes")
        assert world.statuses(again) == {"train": "completed", "check": "waiting", "yes": "waiting", "no": "waiting"}
        services.look_after_all()
        assert world.drain() == ["yes"]
        assert fresh(again).status == "completed"
        assert step_of(again, "train").reused_from == step_of(run, "train")

    def test_what_is_wrong_is_told_at_the_field(self, world: World) -> None:
        steps = [
            condition("open('x')"),
            condition("${{inputs.gone}} > ${{parameters.gone}}", name="b"),
            world.step("c", only_if={"step": "d", "answer": True}),
            world.step("d", only_if={"step": "nowhere", "answer": True}),
            condition("true", name="e", only_if={"step": "f", "answer": True}),
            condition("true", name="f", only_if={"step": "e", "answer": True}),
        ]
        with pytest.raises(UserError) as refused:
            world.submit(world.pipeline(*steps))
        told = [(problem.loc, problem.message) for problem in refused.value.problems]
        assert [loc for loc, _message in told] == [
            ("steps", 0, "expression"),
            ("steps", 1, "expression"),
            ("steps", 1, "expression"),
            ("steps", 2, "only_if"),
            ("steps", 3, "only_if"),
            ("steps", 5, "only_if"),
            ("steps", 4, "only_if"),
        ] or sorted(loc[1] for loc, _message in told) == [0, 1, 1, 2, 3, 4, 5]
        messages = " ".join(message for _loc, message in told)
        assert "Nothing can be called here" in messages
        assert "“d” is no condition" in messages
        assert "The steps go round in a circle: e → f → e." in messages


def _measured(world: World, expression: str, *logged: list[Any] | str, name: str = "train", **fields: Any) -> Run:
    """A run with a condition on what a step logged, once that is over."""
    check = condition(expression, run_after=[], **fields)
    run = world.submit(world.pipeline(world.step(name), check, world.step("yes", **on(True)), name=expression[:100]))
    assert step_of(run, "check").status == "waiting", "it waits for the step whose metrics it reads"
    lease = world.claim()
    measure(lease, *logged)
    world.complete(lease)
    return run


ACCURACY = [["s", "accuracy", 0.4, None], ["s", "accuracy", 0.93, None], ["s", "Mean error", 0.5, None]]


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        ("${{steps.train.metrics.accuracy}} > 0.9", "queued"),
        ("${{ steps.train.metrics.accuracy }} < 0.9", "not_taken"),
        ('${{steps.train.metrics}}["/Mean error"] == 0.5', "queued"),
    ],
)
def test_a_condition_reads_the_last_value_that_a_step_logged(world: World, expression: str, status: str) -> None:
    run = _measured(world, expression, *ACCURACY)
    assert step_of(run, "yes").status == status


def test_a_decision_says_what_the_metric_was(world: World) -> None:
    run = _measured(world, "${{steps.train.metrics.accuracy}} > 0.9", *ACCURACY)
    assert step_of(run, "check").decision.values == {"steps.train.metrics.accuracy": "0.93"}
    assert_no_gap(run)


@pytest.mark.parametrize("logged", [ACCURACY, []])
def test_a_metric_that_was_not_logged_fails_the_condition(world: World, logged: list[Any]) -> None:
    run = _measured(world, "${{steps.train.metrics.auc}} > 0.9", *logged)
    check = step_of(run, "check")
    there = "Of numbers it logged: Mean error, accuracy." if logged else "It logged no number at all."
    assert check.status == "failed"
    assert check.reason == f"The condition can't be told. “train” logged no number “auc”. {there}"
    assert step_of(run, "yes").status == "skipped"


def test_nan_is_null_and_infinity_larger_than_every_number(world: World) -> None:
    nan, infinity = ['["s","loss",NaN,null]'], ['["s","loss",Infinity,null]']
    failed = step_of(_measured(world, "${{steps.train.metrics.loss}} < 1", *nan), "check")
    assert failed.status == "failed"
    assert failed.reason.endswith("steps.train.metrics.loss is NaN, which is null here.")
    asked = _measured(world, "${{steps.a.metrics.loss}} != null and ${{steps.a.metrics.loss}} < 1", *nan, name="a")
    assert step_of(asked, "check").decision.answer is False
    large = _measured(world, "${{steps.b.metrics.loss}} > 10 ** 200", *infinity, name="b")
    assert step_of(large, "check").decision.answer is True


def test_the_metrics_of_a_reused_step_are_those_of_the_one_that_ran(world: World) -> None:
    first = _measured(world, "${{steps.train.metrics.accuracy}} > 0.9", *ACCURACY)
    second = world.submit(first.pipeline)
    assert step_of(second, "train").reused_from == step_of(first, "train")
    assert step_of(second, "check").decision.answer is True


def test_the_metric_of_a_step_that_was_not_taken_is_null(world: World) -> None:
    gate, train = condition("1 > 2", name="gate"), world.step("train", only_if={"step": "gate", "answer": True})
    check = condition("${{steps.train.metrics.loss}} == null", run_after=["gate"])
    run = world.submit(world.pipeline(gate, train, check))
    assert step_of(run, "check").decision.answer is True


def test_what_a_condition_of_a_run_waits_for_stays(world: World) -> None:
    run = _measured(world, "${{steps.train.metrics.auc}} > 0.9", *ACCURACY)
    world.drain()
    with pytest.raises(UserError, match=r"does not wait for “yes”\. It waits for: train\."):
        _change(world, run, "${{steps.yes.metrics.accuracy}} > 0")
    _change(world, run, "${{steps.train.metrics.accuracy}} > 0.9")
    assert step_of(run, "check").decision.answer is True


def _change(world: World, run: Run, expression: str) -> None:
    changes = services.StepChanges(settings={"expression": expression})
    services.edit_step(world.access, fresh(run), "check", changes, base_edit=0)
