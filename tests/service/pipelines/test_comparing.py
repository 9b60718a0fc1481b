"""Two runs side by side: what differs, what that did, and who may see it."""

import io
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from datastores import snapshots
from pipelines.comparing import Comparison, StepComparison, compare_runs, compare_steps
from pipelines.models import Run, StepRun
from studio.workspaces.models import Role, User
from tests.service.pipelines.world import World
from tests.support.metrics import measure

WS = "/api/workspaces/ours"


@pytest.fixture
def signed_in(world: World, client: Client) -> Client:
    client.force_login(world.member("rita", Role.READER), backend="django.contrib.auth.backends.ModelBackend")
    return client


def source(world: World, text: str) -> str:
    return snapshots.add_files(world.workspace, None, [("main.py", io.BytesIO(text.encode()))]).digest


def by_name(compared: Comparison) -> dict[str, Any]:
    return {pair.name: pair for pair in compared.steps}


def details(before: Run, after: Run, name: str) -> StepComparison:
    return compare_steps(before.workspace, before, after, name)


def run_all(world: World, run: Run, **said: list[list[Any]]) -> Run:
    """To its end; a step says what it is given by its name, and writes what it was told to."""
    while True:
        try:
            lease = world.claim()
        except AssertionError:
            run.refresh_from_db()
            return run
        name = lease.title.split()[0]
        if name in said:
            measure(lease, *said[name])
        world.complete(lease, content=f"{name} of {run.pk}")


def two_runs(world: World) -> tuple[Run, Run]:
    """Another parameter, other code in one step, other data after it, a metric that moved."""
    rate = {"name": "rate", "type": "number", "default": 0.1}
    other = {"name": "seed", "type": "integer", "default": 1}
    first = [
        world.step("prepare"),
        world.step("train", "prepare", arguments="${{inputs.from_prepare}} --rate ${{parameters.rate}}"),
        world.step("report", "train"),
    ]
    pipeline = world.pipeline(*first, parameters=[rate, other])
    before = run_all(world, world.submit(pipeline), train=[["s", "loss", 0.5, None], ["s", "loss", 0.25, None]])
    first[1] = {**first[1], "source": source(world, "print('other')\n")}
    world.save(pipeline, *first, parameters=[rate, other])
    after = run_all(
        world,
        world.submit(pipeline, parameters={"rate": 0.2}),
        train=[["s", "loss", 0.5, None], ["s", "loss", 0.125, None], ["s", "speed", 3.0, None]],
    )
    return before, after


def test_what_somebody_changed_and_what_followed(world: World) -> None:
    before, after = two_runs(world)
    compared = compare_runs(before, after)
    assert [(row.label, row.before, row.after) for row in compared.parameters if row.differs] == [
        ("rate", "0.1", "0.2")
    ]
    steps = by_name(compared)
    assert not steps["prepare"].differs
    assert steps["prepare"].after.reused_from == before.pk
    assert [each.kind for each in steps["train"].causes] == ["code", "arguments"]
    assert (steps["report"].causes, [each.name for each in steps["report"].follows]) == ([], ["from_train"])
    assert steps["report"].other_outputs == ["out"]
    moved = {(pair.step, pair.name): pair.delta_words for pair in compared.metrics if pair.differs}
    assert moved == {("train", "loss"): "−0.125 (−50 %)", ("train", "speed"): ""}
    differs, took, measured = compared.summary
    assert differs == (
        f"Run {after.pk} differs from run {before.pk} in 1 parameter (“rate”) and the code and the arguments of "
        "“train”. Other data came to “report” from that."
    )
    assert took.startswith("It took ")
    assert took.endswith("1 step of it was reused, none of the other.")
    assert measured == "“loss” of “train” went from 0.25 to 0.125 (−50 %)."


def test_the_other_way_round(world: World) -> None:
    before, after = two_runs(world)
    swapped = by_name(compare_runs(after, before))
    assert [each.kind for each in swapped["train"].causes] == ["code", "arguments"]
    (code,) = [change.code for change in details(after, before, "train").changes if change.kind == "code"]
    assert [line.text for line in code.files[0].lines if line.kind == "added"] == ["print(1)"]


def test_nothing_differs(world: World) -> None:
    pipeline = world.pipeline(world.step("only"))
    before, after = (run_all(world, world.submit(pipeline)) for _ in range(2))
    compared = compare_runs(before, after)
    assert not any(pair.differs for pair in compared.steps)
    assert compared.summary[0] == f"Nothing that makes the results differs between run {before.pk} and run {after.pk}."


def test_the_graph_and_settings(world: World) -> None:
    steps = [world.step("a"), world.step("b"), world.step("old", "a"), world.step("last", "a")]
    pipeline = world.pipeline(*steps)
    before = run_all(world, world.submit(pipeline))
    bound = [{"name": "from_a", "binding": {"kind": "output", "step": "b", "output": "out"}}]
    last = {**steps[3], "inputs": bound, "run_after": ["a"], "timeout_s": 60.0, "limits": {"cpus": 2.0}}
    world.save(pipeline, steps[0], steps[1], world.step("new", "a"), last)
    after = run_all(world, world.submit(pipeline))
    compared = compare_runs(before, after)
    assert [(pair.name, pair.kind) for pair in compared.steps] == [
        ("a", "both"),
        ("b", "both"),
        ("old", "removed"),
        ("new", "added"),
        ("last", "both"),
    ]
    pair = by_name(compared)["last"]
    assert [(row.label, row.before, row.after) for row in pair.graph] == [
        ("Input “from_a”", "output “out” of “a”", "output “out” of “b”"),
        ("Runs after", None, "a"),
    ]
    assert [(row.label, row.before, row.after) for row in pair.settings] == [
        ("Timeout (seconds)", None, "60.0"),
        ("Limits: cpus", None, "2.0"),
    ]
    assert (
        "1 step added (“new”), 1 step removed (“old”) and the place in the graph and the settings of “last”."
        in compared.summary[0]
    )


def test_steps_that_one_run_did_not_come_to(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a", arguments="--one ${{inputs.from_a}}"))
    before = run_all(world, world.submit(pipeline))
    world.save(
        pipeline,
        world.step("a", arguments="--other"),
        world.step("b", "a", arguments="--two ${{inputs.from_a}}", environment_variables={"LEVEL": "low"}),
    )
    after = world.submit(pipeline)
    unfinished = compare_runs(before, after)
    assert unfinished.summary[1] == f"Run {after.pk} is not over yet: this is how far it is now."
    world.fail(world.claim())
    after.refresh_from_db()
    compared = compare_runs(before, after)
    assert compared.summary[1] == f"Run {after.pk} failed, run {before.pk} completed."
    pair = by_name(compared)["b"]
    assert pair.ended_otherwise
    assert [(each.kind, each.name) for each in pair.causes] == [("arguments", ""), ("variable", "LEVEL")]
    step = details(before, after, "b")
    assert [change.kind for change in step.changes] == ["arguments", "variable"]
    assert step.note.startswith(f"In run {after.pk} it did not come to its turn")


def test_an_approval_and_a_wait_are_compared_by_their_settings(world: World) -> None:
    ask = {"kind": "approval", "name": "ask", "message": "Now?", "role": "reader"}
    pipeline = world.pipeline(ask)
    before = world.submit(pipeline)
    world.save(pipeline, {**ask, "message": "Or later?"})
    after = world.submit(pipeline)
    pair = by_name(compare_runs(before, after))["ask"]
    assert [(row.before, row.after) for row in pair.settings] == [("Now?", "Or later?")]
    assert details(before, after, "ask").changes == []


def test_runs_of_two_pipelines_are_matched_by_names(world: World) -> None:
    before = run_all(world, world.submit(world.pipeline(world.step("a"), world.step("b", "a"))))
    after = run_all(world, world.submit(world.pipeline(world.step("a"), world.step("c", "a"), name="other")))
    assert [(pair.name, pair.kind) for pair in compare_runs(before, after).steps] == [
        ("a", "both"),
        ("b", "removed"),
        ("c", "added"),
    ]


def test_a_step_in_detail(world: World) -> None:
    before, after = two_runs(world)
    step = details(before, after, "train")
    code, arguments = step.changes
    assert [line.text for line in code.code.files[0].lines if line.kind == "added"] == ["print('other')"]
    assert [(w.before, w.after) for w in arguments.arguments if not w.is_same] == [("0.1", "0.2")]
    assert [(pair.name, pair.kind) for pair in step.outputs] == [("out", "other")]
    assert [pair.name for pair in step.metrics] == ["loss", "speed"]
    assert {"Outcome", "Waited", "Ran", "Node"} <= {row.label for row in step.figures}
    assert "the environment" in step.same
    (data,) = details(before, after, "report").changes
    assert data.input is not None


def test_the_page_and_its_parts(world: World, signed_in: Client) -> None:
    before, after = two_runs(world)
    at = f"left={before.pk}&right={after.pk}"
    page = signed_in.get(f"/w/ours/runs/compare/?{at}").content.decode()
    assert "differs from run" in page
    assert 'data-name="train"' in page
    assert 'data-name="prepare"' not in page  # nothing of it differs
    assert "seed" not in page
    whole = signed_in.get(f"/w/ours/runs/compare/?{at}&show=all").content.decode()
    assert 'data-name="prepare"' in whole
    assert "seed" in whole
    opened = signed_in.get(f"/w/ours/runs/compare/?{at}&step=prepare").content.decode()
    assert 'data-name="prepare" open' in opened
    step = signed_in.get(f"/w/ours/runs/compare/steps/train/?{at}").content.decode()
    assert "print(&#x27;other&#x27;)" in step
    assert f"<dt>Run {before.pk}</dt>" in step
    charts = signed_in.get(f"/w/ours/runs/compare/metrics/?{at}").json()["charts"]
    assert [chart["title"] for chart in charts] == ["loss"]
    assert [line["name"] for line in charts[0]["figure"]["data"]] == [f"run {before.pk}", f"run {after.pk}"]


def test_what_people_named_is_escaped(world: World, signed_in: Client) -> None:
    named = {"name": "rate", "type": "string", "default": "<b>1</b>"}
    pipeline = world.pipeline(world.step("only", arguments="${{parameters.rate}}"), parameters=[named], name="<i>p</i>")
    say = ["s", "<u>loss</u>", 1.0, None]
    before = run_all(world, world.submit(pipeline), only=[say])
    after = run_all(world, world.submit(pipeline, parameters={"rate": "<b>2</b>"}), only=[[*say[:2], 2.0, None]])
    at = f"left={before.pk}&right={after.pk}"
    for address in (f"?{at}", f"steps/only/?{at}"):
        page = signed_in.get(f"/w/ours/runs/compare/{address}").content.decode()
        assert not any(tag in page for tag in ("<b>1", "<b>2", "<i>p", "<u>loss"))
        assert "&lt;b&gt;2" in page


def test_ways_to_choose(world: World, signed_in: Client) -> None:
    pipeline = world.pipeline(world.step("only"))
    first = world.submit(pipeline)
    assert "Choose two runs" in signed_in.get("/w/ours/runs/compare/").content.decode()
    assert "Choose two runs" in signed_in.get(f"/w/ours/runs/compare/?right={first.pk}").content.decode()
    second, third = world.submit(pipeline), world.submit(pipeline)
    one = signed_in.get(f"/w/ours/runs/compare/?right={third.pk}&step=only")
    assert one.headers["Location"] == f"/w/ours/runs/compare/?left={second.pk}&right={third.pk}&step=only"
    ticked = signed_in.get(f"/w/ours/runs/compare/?run={third.pk}&run={first.pk}")
    assert ticked.headers["Location"] == f"/w/ours/runs/compare/?left={first.pk}&right={third.pk}"
    three = signed_in.get(f"/w/ours/runs/compare/?run={first.pk}&run={second.pk}&run={third.pk}").content.decode()
    assert "3 runs are ticked" in three
    twice = signed_in.get(f"/w/ours/runs/compare/?left={first.pk}&right={first.pk}").content.decode()
    assert "the same run twice" in twice
    for nonsense in ("abc", "0", "9" * 30, "%00"):
        assert signed_in.get(f"/w/ours/runs/compare/?left={nonsense}&right={first.pk}").status_code in {200, 302, 404}


def test_the_api(world: World, signed_in: Client) -> None:
    before, after = two_runs(world)
    at = f"left={before.pk}&right={after.pk}"
    body = signed_in.get(f"{WS}/runs/compare/?{at}").json()
    assert (body["left"]["id"], body["right"]["id"]) == (before.pk, after.pk)
    assert {"name": "rate", "differs": True, "left": 0.1, "right": 0.2} in body["parameters"]
    train = next(step for step in body["steps"] if step["name"] == "train")
    assert train["changed"] == ["the code", "the arguments"]
    loss = next(metric for metric in body["metrics"] if metric["name"] == "loss")
    assert (loss["left"], loss["right"], loss["difference"]) == (0.25, 0.125, -0.125)
    step = signed_in.get(f"{WS}/runs/compare/steps/train/?{at}").json()
    assert [change["kind"] for change in step["changes"]] == ["code", "arguments"]
    assert step["outputs"][0]["same"] is False
    assert signed_in.get(f"{WS}/runs/compare/?left={before.pk}").status_code == 400
    assert signed_in.get(f"{WS}/runs/compare/steps/nothing/?{at}").status_code == 404


def test_a_run_of_another_workspace_is_not_found(world: World, client: Client) -> None:
    ours = world.submit(world.pipeline(world.step("only")))
    stranger = World.make("theirs")
    theirs = stranger.submit(stranger.pipeline(stranger.step("only")))

    def sign_in(user: User) -> None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    parts = ("/w/{}/runs/compare/", "/w/{}/runs/compare/metrics/", "/w/{}/runs/compare/steps/only/")
    api = ("/api/workspaces/{}/runs/compare/", "/api/workspaces/{}/runs/compare/steps/only/")
    for user, slugs in ((world.owner, ("ours", "theirs")), (stranger.owner, ("ours", "theirs"))):
        sign_in(user)
        for slug in slugs:
            for address in (*parts, *api):
                for left, right in ((ours, theirs), (theirs, ours)):
                    asked = f"{address.format(slug)}?left={left.pk}&right={right.pk}"
                    assert client.get(asked).status_code == 404, asked
    sign_in(world.owner)
    assert client.get(f"/w/ours/runs/compare/?left={theirs.pk}").status_code == 404
    ticked = client.get(f"/w/ours/runs/compare/?run={ours.pk}&run={theirs.pk}", follow=True)
    assert ticked.status_code == 404


@pytest.mark.parametrize("steps", [2, 150])
def test_it_reads_as_much_for_many_steps_as_for_few(
    world: World, signed_in: Client, steps: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    pipeline = world.pipeline(*(world.step(f"s{number}") for number in range(steps)))
    before = world.submit(pipeline)
    world.save(pipeline, *(world.step(f"s{number}", arguments=f"--other {number}") for number in range(steps)))
    after = world.submit(pipeline)
    assert StepRun.objects.filter(run=after).count() == steps
    at = f"left={before.pk}&right={after.pk}"
    with django_assert_max_num_queries(14):
        page = signed_in.get(f"/w/ours/runs/compare/?{at}").content.decode()
    assert page.count('<details class="compare-step"') == min(steps, 100)
    assert f"{steps} of {steps} differ" in page
    with django_assert_max_num_queries(24):
        assert signed_in.get(f"/w/ours/runs/compare/steps/s1/?{at}").status_code == 200
