"""The tracking interface: what is logged is the run's, and what is wrong is told in MLflow's words."""

from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone

from compute.models import Attempt
from datastores.backends import get_backend
from pipelines import services
from pipelines.metric_queries import measured_in, tags_json, tags_of
from pipelines.mlflow.runs import MAX_METRICS, MAX_PARAMS, MAX_TAGS
from pipelines.models import Experiment, Run, StepRun
from pipelines.services import tracked_files
from pipelines.tracked_runs import tracked_run_id
from studio.lib.problems import ConflictError
from tests.service.pipelines.tracker import Tracker
from tests.service.pipelines.world import World
from tests.support.metrics import Measuring


@pytest.fixture
def us(world: World) -> Tracker:
    return Tracker.of(world.owner)


def step_of(run_id: str) -> StepRun:
    return StepRun.objects.select_related("run").get(pk=int(run_id.rpartition("-s")[2]))


def points(*values: Any, key: str = "loss") -> list[dict[str, Any]]:
    return [{"key": key, "value": value, "timestamp": 1000 + at, "step": at} for at, value in enumerate(values)]


def test_a_run_from_its_beginning_to_its_end(us: Tracker) -> None:
    experiment_id = us.post("experiments/create", name="my iris")["experiment_id"]
    tags = [{"key": "stage", "value": "dev"}]
    run_id = us.begin(experiment_id=experiment_id, run_name="first", start_time=1_700_000_000_000, tags=tags)
    for point in points(1, 0.5, 0.25):
        us.post("runs/log-metric", run_id=run_id, **point)
    us.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1")
    told = us.run(run_id)
    assert (told["status"], told["run_name"], told["start_time"]) == ("RUNNING", "first", 1_700_000_000_000)
    assert "end_time" not in told
    assert us.post("runs/update", run_id=run_id, status="FINISHED", end_time=1_700_000_060_000)["run_info"] == {
        **{key: told[key] for key in told if key not in {"metrics", "params", "tags"}},
        "status": "FINISHED",
        "end_time": 1_700_000_060_000,
    }
    told = us.run(run_id)
    assert (told["metrics"], told["params"]) == ({"loss": 0.25}, {"lr": "0.1"})
    assert told["tags"] == {"stage": "dev", "mlflow.runName": "first", "mlflow.user": "ours-owner"}
    run = step_of(run_id).run
    assert (run.status, run.experiment.name, run.pipeline.name) == ("completed", "my iris", "Tracked runs")
    assert (run.finished_at - run.started_at).total_seconds() == 60
    (measured,) = measured_in(run)
    assert (measured.metric.name, measured.metric.count, measured.metric.last) == ("loss", 3, "0.25"), "one truth"
    assert {tag.name: tag.is_property for tag in tags_of(run, step_of(run_id))} == {
        "stage": False,
        "mlflow.runName": False,
        "lr": True,
    }


def test_the_three_ends_and_no_other(us: Tracker) -> None:
    for status, ours in (("FINISHED", "completed"), ("FAILED", "failed"), ("KILLED", "cancelled")):
        run_id = us.begin()
        us.post("runs/update", run_id=run_id, status="RUNNING")
        us.post("runs/update", run_id=run_id, status=status)
        assert (us.run(run_id)["status"], step_of(run_id).run.status) == (status, ours)
        us.post("runs/update", run_id=run_id, status="FAILED")
        assert us.run(run_id)["status"] == status, "what is over stays as it ended"
    assert us.refused("runs/update", run_id=us.begin(), status="DONE")[1] == "INVALID_PARAMETER_VALUE"


def test_a_batch_is_logged_as_a_whole_or_not_at_all(us: Tracker) -> None:
    run_id = us.begin()
    params = [{"key": "a", "value": "1"}]
    us.post("runs/log-batch", run_id=run_id, metrics=points(*range(900)), params=params, tags=[])
    us.post("runs/log-batch", run_id=run_id, metrics=points(*range(900)), params=params, tags=[])
    history = us.get("metrics/get-history", run_id=run_id, metric_key="loss")["metrics"]
    assert len(history) == 900, "the same points again are none, so a client may try again"
    params = [{"key": "b", "value": "1"}, {"key": "a", "value": "2"}]
    status, code, sentence = us.refused("runs/log-batch", run_id=run_id, metrics=points(7, key="new"), params=params)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "“a” is “1” already" in sentence
    assert "can't become “2”" in sentence
    told = us.run(run_id)
    assert (set(told["metrics"]), told["params"]) == ({"loss"}, {"a": "1"})


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        ({"metrics": points(*range(MAX_METRICS + 1))}, "at most 1,000 metrics, and this one has 1,001"),
        ({"params": [{"key": f"p{n}", "value": ""} for n in range(MAX_PARAMS + 1)]}, "at most 100 params"),
        ({"tags": [{"key": f"p{n}", "value": ""} for n in range(MAX_TAGS + 1)]}, "at most 100 tags"),
        ({"metrics": points(*range(1000)), "tags": [{"key": "a"}]}, "at most 1,000 metrics, params and tags together"),
        ({"metrics": [{"key": "", "value": 1}]}, "a line of at most 250"),
        ({"metrics": [{"key": "a" * 251, "value": 1}]}, "a line of at most 250"),
        ({"metrics": [{"key": "a", "value": "word"}]}, "metrics.0.value"),
        ({"metrics": [{"key": "a", "value": True}]}, "give a number"),
        ({"metrics": [{"key": "a"}]}, "metrics.0.value"),
        ({"metrics": [{"key": "a", "value": 1, "step": 1.5}]}, "metrics.0.step"),
        ({"metrics": [{"key": "a", "value": 1, "step": 2**62}]}, "too large"),
        ({"metrics": [{"key": "a", "value": 1, "timestamp": 2**70}]}, "timestamp"),
        ({"params": [{"key": "a", "value": "v" * 6001}]}, "at most 6,000 characters"),
        ({"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, "said twice"),
        ({"tags": [{"key": "a", "value": "v" * 8001}]}, "at most 8,000 characters"),
        ({"tags": [{"key": "a\nb", "value": "v"}]}, "a line of at most 250"),
    ],
)
def test_a_batch_that_does_not_fit(us: Tracker, batch: dict[str, Any], sentence: str) -> None:
    run_id = us.begin()
    status, code, said = us.refused("runs/log-batch", run_id=run_id, **batch)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert sentence in said
    assert us.run(run_id)["metrics"] == {}


def test_numbers_that_are_none_are_kept_and_searched(us: Tracker) -> None:
    run_id = us.begin(run_name="odd")
    for key, value in (("nan", "NaN"), ("up", "Infinity"), ("down", "-Infinity")):
        us.post("runs/log-metric", run_id=run_id, key=key, value=value)
    assert us.run(run_id)["metrics"] == {"nan": "NaN", "up": "Infinity", "down": "-Infinity"}
    for text, finds in (
        ("metrics.up > 1e300", True),
        ("metrics.up = inf", True),
        ("metrics.up < 5", False),
        ("metrics.down < -1e300", True),
        ("metrics.down >= 0", False),
        ("metrics.nan > 0", False),
        ("metrics.nan != 0", True),
        ("metrics.up != inf", False),
    ):
        assert us.found(text) == (["odd"] if finds else []), text


def test_the_last_value_is_that_of_the_last_step(us: Tracker) -> None:
    run_id = us.begin()
    for step, value in ((5, 50), (3, 30), (5, 51), (4, 40)):
        us.post("runs/log-metric", run_id=run_id, key="m", value=value, step=step, timestamp=1)
    assert us.run(run_id)["metrics"] == {"m": 51}
    history = us.get("metrics/get-history", run_id=run_id, metric_key="m")["metrics"]
    assert [(each["step"], each["value"]) for each in history] == [(5, 50), (3, 30), (5, 51), (4, 40)], "as they came"


def test_a_long_history_comes_in_pages(us: Tracker) -> None:
    run_id = us.begin()
    for start in range(0, 9000, 1000):
        batch = [{"key": "m", "value": at, "step": at, "timestamp": 10_000 + at} for at in range(start, start + 1000)]
        us.post("runs/log-batch", run_id=run_id, metrics=batch)
    token, found = "", []
    while True:
        answer = us.get("metrics/get-history", run_id=run_id, metric_key="m", max_results=3500, page_token=token)
        found += [(each["step"], each["value"], each["timestamp"]) for each in answer["metrics"]]
        token = answer.get("next_page_token", "")
        if not token:
            break
    assert found == [(at, at, 10_000 + at) for at in range(9000)]
    assert us.get("metrics/get-history", run_id=run_id, metric_key="other")["metrics"] == []
    refused = us.refused("metrics/get-history", "GET", run_id=run_id, metric_key="m", page_token="x")
    assert "not given by the studio" in refused[2]


class TestSearch:
    @pytest.fixture
    def runs(self, us: Tracker) -> list[str]:
        found = []
        for number, name in enumerate(["one", "two", "three"]):
            run_id = us.begin(run_name=name, start_time=1_700_000_000_000 + number)
            us.post("runs/log-metric", run_id=run_id, key="val loss", value=10 - number)
            us.post("runs/log-parameter", run_id=run_id, key="lr", value=f"0.{number}")
            us.post("runs/set-tag", run_id=run_id, key="team", value=f"Blue {name}")
            found.append(run_id)
        us.post("runs/update", run_id=found[0], status="FINISHED", end_time=1_700_000_001_000)
        us.post("runs/log-metric", run_id=found[2], key="only", value=1)
        return found

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("", ["three", "two", "one"]),
            ("metrics.`val loss` < 10", ["three", "two"]),
            ("metrics.`val loss` = 9", ["two"]),
            ("metrics.only > 0 AND metrics.`val loss` <= 8", ["three"]),
            ("params.lr = '0.1'", ["two"]),
            ("params.lr != '0.1'", ["three", "one"]),
            ("params.lr IN ('0.0', '0.2')", ["three", "one"]),
            ("params.other IS NULL", ["three", "two", "one"]),
            ("params.lr IS NULL", []),
            ("tags.team LIKE 'Blue t%'", ["three", "two"]),
            ("tags.team LIKE 'blue%'", []),
            ("tags.team ILIKE 'blue%o_'", []),
            ("tags.team ILIKE 'BLUE O_E'", ["one"]),
            ("tags.mlflow.runName = 'two'", ["two"]),
            ("attributes.run_name != 'two'", ["three", "one"]),
            ("status = 'FINISHED'", ["one"]),
            ("status != 'FINISHED'", ["three", "two"]),
            ("attributes.status IN ('RUNNING')", ["three", "two"]),
            ("start_time >= 1700000000001", ["three", "two"]),
            ("start_time = 1700000000001", ["two"]),
            ("end_time < 1800000000000", ["one"]),
            ("user_id = 'ours-owner'", ["three", "two", "one"]),
            ('user_id = "x\' OR 1=1"', []),
        ],
    )
    def test_it_finds(self, us: Tracker, runs: list[str], text: str, names: list[str]) -> None:
        assert us.found(text) == names

    def test_by_the_runs_themselves(self, us: Tracker, runs: list[str]) -> None:
        assert us.found(f"run_id = '{runs[1]}'") == ["two"]
        assert us.found(f"attributes.run_id IN ('{runs[0]}', 'nothing')") == ["one"]
        assert us.found("run_id = 'nothing'") == []

    @pytest.mark.parametrize(
        ("orders", "names"),
        [
            (["metrics.`val loss`"], ["three", "two", "one"]),
            (["metrics.`val loss` DESC"], ["one", "two", "three"]),
            (["metrics.only DESC", "params.lr ASC"], ["three", "one", "two"]),
            (["tags.team DESC"], ["two", "three", "one"]),
            (["attributes.start_time ASC"], ["one", "two", "three"]),
            (["attributes.run_name"], ["one", "three", "two"]),
            (["status", "start_time"], ["one", "two", "three"]),
        ],
    )
    def test_it_sorts(self, us: Tracker, runs: list[str], orders: list[str], names: list[str]) -> None:
        assert us.found(order_by=orders) == names

    def test_it_pages(self, us: Tracker, runs: list[str]) -> None:
        first = us.post("runs/search", experiment_ids=["0"], max_results=2)
        assert len(first["runs"]) == 2
        token = first["next_page_token"]
        assert us.found(max_results=2, page_token=token) == ["one"]
        asked = {"experiment_ids": ["0"], "filter": "metrics.x > 1", "page_token": token}
        assert "another search" in us.refused("runs/search", **asked)[2]
        for most in (0, -1, 50_001, "x"):
            assert us.refused("runs/search", experiment_ids=["0"], max_results=most)[0] == 400

    @pytest.mark.parametrize(
        ("asked", "sentence"),
        [
            ({"filter": "metrics.a < 'b'"}, "a number"),
            ({"filter": "attributes.artifact_uri = 'x'"}, "can't be searched by the attribute"),
            ({"filter": "start_time = 'yesterday'"}, "milliseconds since 1970"),
            ({"filter": "start_time LIKE '1'"}, "can't be compared by LIKE"),
            ({"filter": "run_id LIKE '1'"}, "Compare run_id by"),
            ({"filter": "run_name > 'a'"}, "can't be compared by >"),
            ({"order_by": ["attributes.nothing"]}, "can't be sorted by"),
            ({"order_by": ["metrics.a sideways"]}, "ASC, DESC or nothing more"),
            ({"run_view_type": "SOME"}, "run_view_type"),
            ({"experiment_ids": ["x"]}, "no number of an experiment"),
        ],
    )
    def test_what_makes_no_sense_is_told(self, us: Tracker, asked: dict[str, Any], sentence: str) -> None:
        status, code, said = us.refused("runs/search", **{"experiment_ids": ["0"], **asked})
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
        assert sentence in said

    def test_it_costs_as_much_for_many_as_for_one(
        self, us: Tracker, runs: list[str], django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(14):
            assert len(us.found("metrics.`val loss` > 0", order_by=["params.lr"])) == 3

    def test_steps_that_the_studio_runs_are_found_too(self, world: World, us: Tracker) -> None:
        run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")), experiment="ours")
        lease = world.claim()
        measuring = Measuring(lease)
        measuring.say(["s", "loss", 0.5, None])
        world.complete(lease)
        experiments = [str(run.experiment_id)]
        assert us.found("metrics.loss < 1", experiments=experiments) == ["a"]
        assert us.found("status = 'SCHEDULED'", experiments=experiments) == ["b"]


def test_what_the_sdk_logs_and_what_mlflow_logs_do_not_mix(world: World) -> None:
    world.submit(world.pipeline(world.step("a")))
    lease = world.claim()
    program, measuring = Tracker.within(lease), Measuring(lease)
    step = StepRun.objects.get(name="a")
    run_id = f"r{step.run_id}-s{step.pk}"
    measuring.say(["s", "ours", 1.0, None])
    status, code, sentence = program.refused("runs/log-metric", run_id=run_id, key="ours", value=2)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "by the studio's own SDK" in sentence
    program.post("runs/log-metric", run_id=run_id, key="theirs", value=2)
    measuring.say(["s", "theirs", 9.0, None], ["s", "ours", 3.0, None])
    measuring.say(["s", "theirs", 8.0, None])
    assert program.run(run_id)["metrics"] == {"ours": 3.0, "theirs": 2.0}
    told = [line for line in measuring.said if "a client of the tracking API logs a metric of this name" in line]
    assert len(told) == 1, measuring.said


def test_nobody_but_its_program_logs_to_a_step(world: World, us: Tracker) -> None:
    world.submit(world.pipeline(world.step("a")))
    step = StepRun.objects.get()
    run_id = f"r{step.run_id}-s{step.pk}"
    status, code, sentence = us.refused("runs/log-metric", run_id=run_id, key="m", value=1)
    assert (status, code) == (400, "INVALID_STATE")
    assert "only its own program logs to it" in sentence
    us.post("runs/set-tag", run_id=run_id, key="seen", value="yes")
    assert us.run(run_id)["tags"]["seen"] == "yes"
    us.post("runs/update", run_id=run_id, status="FAILED")
    assert us.run(run_id)["status"] == "SCHEDULED", "its status is its program's"
    assert us.refused("runs/delete", run_id=run_id)[1] == "INVALID_STATE"


def test_a_deleted_run_is_in_the_trash(us: Tracker) -> None:
    run_id = us.begin(run_name="gone")
    assert us.refused("runs/delete", run_id=run_id)[1] == "INVALID_STATE", "it is not over"
    us.post("runs/update", run_id=run_id, status="FINISHED")
    us.post("runs/delete", run_id=run_id)
    us.post("runs/delete", run_id=run_id)
    assert us.run(run_id)["lifecycle_stage"] == "deleted"
    assert not Run.objects.exists()
    assert us.found() == []
    assert us.found(run_view_type="DELETED_ONLY") == us.found(run_view_type="ALL") == ["gone"]
    for path, more in (("log-metric", {"key": "m", "value": 1}), ("set-tag", {"key": "k"}), ("update", {})):
        assert us.refused(f"runs/{path}", run_id=run_id, **more)[1] == "INVALID_STATE", path
    us.post("runs/restore", run_id=run_id)
    assert us.found() == ["gone"]


def test_tags_are_set_again_and_taken_away(us: Tracker) -> None:
    run_id = us.begin()
    for value in ("1", "2", "line\nafter line"):
        us.post("runs/set-tag", run_id=run_id, key="note", value=value)
        assert us.run(run_id)["tags"]["note"] == value
    us.post("runs/delete-tag", run_id=run_id, key="note")
    assert "note" not in us.run(run_id)["tags"]
    assert us.refused("runs/delete-tag", run_id=run_id, key="note")[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


def test_data_sets_are_told_again(us: Tracker) -> None:
    run_id = us.begin()
    dataset = {"name": "iris", "digest": "abc", "source_type": "code", "source": "{}", "schema": "s" * 9000}
    tags = [{"key": "mlflow.data.context", "value": "train"}]
    us.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": tags}])
    run = us.get("runs/get", run_id=run_id)["run"]
    (told,) = run["inputs"]["dataset_inputs"]
    assert (told["dataset"]["name"], told["dataset"]["schema"], told["tags"]) == ("iris", "", tags)
    assert not [tag for tag in run["data"]["tags"] if "iris" in tag["key"]]


class TestExperiments:
    def test_from_its_name_to_its_end(self, us: Tracker) -> None:
        made = us.post("experiments/create", name="Iris, the first", tags=[{"key": "a", "value": "b"}])["experiment_id"]
        told = us.get("experiments/get", experiment_id=made)["experiment"]
        assert (told["name"], told["lifecycle_stage"]) == ("Iris, the first", "active")
        assert told["tags"] == [{"key": "a", "value": "b"}]
        us.post("experiments/update", experiment_id=made, new_name="iris")
        us.post("experiments/set-experiment-tag", experiment_id=made, key="c", value="d")
        us.post("experiments/delete-experiment-tag", experiment_id=made, key="a")
        told = us.get("experiments/get-by-name", experiment_name="iris")["experiment"]
        assert told["tags"] == [{"key": "c", "value": "d"}]
        us.post("experiments/delete", experiment_id=made)
        assert us.refused("runs/create", experiment_id=made)[1] == "INVALID_STATE"
        assert us.refused("experiments/set-experiment-tag", experiment_id=made, key="c")[1] == "INVALID_STATE"
        assert us.refused("experiments/delete", experiment_id=made)[1] == "RESOURCE_DOES_NOT_EXIST"
        assert "is deleted. Restore it" in us.refused("experiments/create", name="iris")[2]
        us.post("experiments/restore", experiment_id=made)
        assert us.refused("experiments/restore", experiment_id=made)[1] == "RESOURCE_DOES_NOT_EXIST"
        us.begin(experiment_id=made)

    @pytest.mark.parametrize("name", ["", "  ", "a" * 101, "a\nb"])
    def test_a_name_that_does_not_fit(self, us: Tracker, name: str) -> None:
        assert us.refused("experiments/create", name=name)[1] == "INVALID_PARAMETER_VALUE"

    def test_a_name_is_there_once(self, us: Tracker) -> None:
        us.post("experiments/create", name="a")
        other = us.post("experiments/create", name="b")["experiment_id"]
        assert us.refused("experiments/create", name="a")[:2] == (400, "RESOURCE_ALREADY_EXISTS")
        assert us.refused("experiments/update", experiment_id=other, new_name="a")[1] == "RESOURCE_ALREADY_EXISTS"

    def test_they_are_searched(self, us: Tracker) -> None:
        for name in ("ab", "ac", "bc"):
            made = us.post("experiments/create", name=name, tags=[{"key": "n", "value": name}])["experiment_id"]
        us.post("experiments/delete", experiment_id=made)

        def found(**asked: Any) -> list[str]:
            return [each["name"] for each in us.post("experiments/search", **asked)["experiments"]]

        assert found() == ["ac", "ab"]
        assert found(view_type="DELETED_ONLY") == ["bc"]
        assert found(view_type="ALL", order_by=["name DESC"]) == ["bc", "ac", "ab"]
        assert found(filter="name LIKE '%b'") == found(filter="tags.n = 'ab'") == ["ab"]
        assert found(filter="tags.other IS NULL", order_by=["name"], max_results=1) == ["ab"]
        assert us.refused("experiments/search", filter="metrics.a > 1")[0] == 400
        assert us.refused("experiments/search", order_by=["tags.a"])[0] == 400

    def test_a_submission_brings_a_deleted_one_back(self, world: World, us: Tracker) -> None:
        made = us.post("experiments/create", name="again")["experiment_id"]
        us.post("experiments/delete", experiment_id=made)
        world.submit(world.pipeline(world.step("a")), experiment="again")
        assert Experiment.objects.get(pk=int(made)).deleted_at is None


class TestFiles:
    ROOT = "mlflow-artifacts/artifacts"

    def put(self, us: Tracker, path: str, content: bytes = b"x") -> int:
        return us.ask("PUT", f"{self.ROOT}/{path}", content).status_code

    def names(self, us: Tracker, run_id: str, path: str = "") -> list[tuple[str, bool, int | None]]:
        files = us.get("artifacts/list", run_id=run_id, path=path)["files"]
        return [(each["path"], each["is_dir"], each.get("file_size")) for each in files]

    def test_they_come_and_go(self, world: World, us: Tracker) -> None:
        run_id = us.begin()
        assert self.names(us, run_id) == []
        assert [self.put(us, f"{run_id}/{path}", b"hello") for path in ("a.txt", "deep/b.txt", "deep/ü c.txt")] == [
            200
        ] * 3
        assert self.put(us, f"{run_id}/a.txt", b"again!") == 200
        assert self.names(us, run_id) == [("deep", True, None), ("a.txt", False, 6)]
        assert self.names(us, run_id, "deep") == [("deep/b.txt", False, 5), ("deep/ü c.txt", False, 5)]
        assert self.names(us, run_id, "a.txt") == self.names(us, run_id, "nothing") == []
        below: Any = us.ask("GET", self.ROOT, {"path": f"{run_id}/deep"})
        assert [each["path"] for each in below.json()["files"]] == ["b.txt", "ü c.txt"]
        answer: Any = us.ask("GET", f"{self.ROOT}/{run_id}/a.txt")
        assert b"".join(answer.streaming_content) == b"again!"
        folder = services_folder(world, run_id)
        assert (folder.file_count, folder.size_bytes) == (3, 16), "the page counts them, too"
        assert us.ask("DELETE", f"{self.ROOT}/{run_id}/deep").status_code == 200
        folder = services_folder(world, run_id)
        assert (folder.file_count, folder.size_bytes) == (1, 6)
        assert us.ask("GET", f"{self.ROOT}/{run_id}/deep/b.txt").status_code == 404

    @pytest.mark.parametrize(
        "path",
        ["", "%2e%2e/x", "a/%2e%2e/%2e%2e/x", "a*", "a?b".replace("?", "%3F"), "n" * 300, "a%00b", "a/" * 600 + "a"],
    )
    def test_a_path_that_leads_nowhere(self, us: Tracker, path: str) -> None:
        run_id = us.begin()
        assert self.put(us, f"{run_id}/{path}") in {400, 404}
        assert self.names(us, run_id) == []

    def test_of_more_files_than_an_answer_holds_none_is_left_out_silently(
        self, us: Tracker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pipelines.mlflow.artifacts.MAX_LISTED", 2)
        run_id = us.begin()
        for name in "abc":
            self.put(us, f"{run_id}/{name}")
        answer: Any = us.ask("GET", self.ROOT, {"path": run_id})
        assert answer.status_code == 400
        assert f"artifacts/list with run_id={run_id}" in answer.json()["message"]
        assert len(self.names(us, run_id)) == 3

    def test_nothing_is_touched_of_a_run_in_the_trash(self, world: World, us: Tracker) -> None:
        run_id = us.begin()
        self.put(us, f"{run_id}/a.txt", b"hello")
        us.post("runs/update", run_id=run_id, status="FINISHED")
        step = step_of(run_id)
        attempt = services.attempt_to_log_to(step, as_its_program=False)
        services.trash_run(world.access, step.run)
        with pytest.raises(ConflictError):
            tracked_files.put_file(world.access, step, attempt, "a.txt", BytesIO(b"other"))
        with pytest.raises(ConflictError):
            tracked_files.delete_file(world.access, step, attempt, "a.txt")
        assert [entry.size_bytes for entry in files_of(world, attempt)] == [5]

    def test_a_file_that_came_while_its_run_went_does_not_stay(
        self, world: World, us: Tracker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = us.begin()
        us.post("runs/update", run_id=run_id, status="FINISHED")
        step = step_of(run_id)
        attempt = services.attempt_to_log_to(step, as_its_program=False)

        class Slow(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                Run.objects.filter(pk=step.run_id).update(trashed_at=timezone.now())
                return super().read(size)

        with pytest.raises(ConflictError):
            tracked_files.put_file(world.access, step, attempt, "a.txt", Slow(b"late"))
        assert not files_of(world, attempt)

    def test_files_of_a_step_are_its_program_s_and_stay_with_what_it_left(self, world: World, us: Tracker) -> None:
        world.submit(world.pipeline(world.step("a")))
        lease = world.claim()
        program = Tracker.within(lease)
        step = StepRun.objects.get()
        run_id = f"r{step.run_id}-s{step.pk}"
        assert self.put(us, f"{run_id}/mine.txt") == 400, "nobody else puts files among them"
        assert self.put(program, f"{run_id}/model/weights.bin", b"12345") == 200
        assert [name for name, _folder, _size in self.names(us, run_id)] == ["model"], "while it runs"
        world.complete(lease, artifacts={"outputs/own.txt": b"own"})
        assert sorted(name for name, _folder, _size in self.names(us, run_id)) == ["model", "outputs"]
        step.refresh_from_db()
        assert step.outputs is not None
        assert step.outputs.artifacts is not None
        assert (step.outputs.artifacts.file_count, step.outputs.artifacts.size_bytes) == (2, 8)
        assert self.put(us, f"{run_id}/late.txt") == 400


def files_of(world: World, attempt: Attempt) -> list[Any]:
    to = attempt.job.spec.artifacts
    assert to is not None
    return [
        each
        for each in get_backend(world.datastore).glob(f"{tracked_files.folder_of(to, attempt)}/**")
        if each.kind == "file"
    ]


def services_folder(world: World, run_id: str) -> Any:
    from pipelines.artifacts import artifacts_by_attempt
    from pipelines.queries import attempts_of

    step = step_of(run_id)
    return artifacts_by_attempt(step, attempts_of(step))[1]


class TestLoggedModels:
    def test_a_model_is_a_folder_of_its_run(self, us: Tracker) -> None:
        run_id = us.begin()
        asked = {"experiment_id": "0", "name": "forest", "model_type": "sklearn", "source_run_id": run_id}
        made = us.post("logged-models", **asked, params=[{"key": "trees", "value": "9"}])["model"]["info"]
        assert (made["status"], made["source_run_id"]) == ("LOGGED_MODEL_PENDING", run_id)
        assert made["artifact_uri"] == f"mlflow-artifacts:/{run_id}/models/forest"
        second = us.post("logged-models", **asked)["model"]["info"]
        assert second["artifact_uri"].endswith("/models/forest-2")
        address = f"logged-models/{made['model_id']}"
        for method, path, body in (
            ("PATCH", address, {"status": "LOGGED_MODEL_READY"}),
            ("PATCH", f"{address}/tags", {"tags": [{"key": "a", "value": "b"}, {"key": "c", "value": "d"}]}),
            ("DELETE", f"{address}/tags/a", None),
            ("POST", f"{address}/params", {"params": [{"key": "depth", "value": "3"}]}),
        ):
            assert us.ask(method, f"mlflow/{path}", body).status_code == 200, path
        told = us.get(address)["model"]
        assert told["info"]["status"] == "LOGGED_MODEL_READY"
        assert told["info"]["tags"] == [{"key": "c", "value": "d"}]
        assert {each["key"]: each["value"] for each in told["data"]["params"]} == {"trees": "9", "depth": "3"}
        experiments = [us.run(run_id)["experiment_id"]]
        for text, count in (("", 2), ("status = 'READY'", 1), ("name = 'other'", 0), ("params.depth = '3'", 1)):
            found = us.post("logged-models/search", experiment_ids=experiments, filter=text)["models"]
            assert len(found) == count, text
        us.post("runs/outputs", run_id=run_id, models=[{"model_id": made["model_id"], "step": 0}])
        outputs = us.get("runs/get", run_id=run_id)["run"]["outputs"]["model_outputs"]
        assert {each["model_id"] for each in outputs} == {made["model_id"], second["model_id"]}
        us.ask("PUT", f"mlflow-artifacts/artifacts/{run_id}/models/forest/MLmodel", b"flavors: {}")
        files = us.get(f"{address}/artifacts/directories")["files"]
        assert [each["path"] for each in files] == ["MLmodel"]
        assert us.ask("DELETE", f"mlflow/{address}").status_code == 200
        assert us.refused(address, "GET")[1] == "RESOURCE_DOES_NOT_EXIST"

    @pytest.mark.parametrize("name", ["a/b", "a:b", "..", "a%b", 'a"b', "n" * 201])
    def test_a_name_that_does_not_fit(self, us: Tracker, name: str) -> None:
        asked = {"experiment_id": "0", "name": name, "source_run_id": us.begin()}
        assert us.refused("logged-models", **asked)[1] == "INVALID_PARAMETER_VALUE"

    def test_it_needs_a_run(self, us: Tracker) -> None:
        assert "Begin a run" in us.refused("logged-models", experiment_id="0", name="a")[2]
        assert us.refused("logged-models", experiment_id="0", source_run_id="r1-s1")[1] == "RESOURCE_DOES_NOT_EXIST"


def test_a_reused_step_has_the_metrics_and_params_of_what_was_taken(world: World, us: Tracker) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    lease = world.claim()
    program = Tracker.within(lease)
    run_id = tracked_run_id(run.pk, StepRun.objects.get(run=run).pk)
    program.post("runs/log-metric", run_id=run_id, key="loss", value=0.5, timestamp=1, step=0)
    program.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1")
    program.post("runs/set-tag", run_id=run_id, key="own", value="1")
    world.complete(lease)
    again = world.submit(run.pipeline)
    step = StepRun.objects.get(run=again)
    assert step.reused_from_id is not None
    told = us.run(tracked_run_id(again.pk, step.pk))
    assert (told["metrics"], told["params"], "own" in told["tags"]) == ({"loss": 0.5}, {"lr": "0.1"}, False)
    everywhere = [str(run.experiment_id)]
    for text in ("params.lr = '0.1'", "metrics.loss < 1"):
        assert len(us.found(text, experiments=everywhere)) == 2, text
    assert len(us.found("tags.own = '1'", experiments=everywhere)) == 1


def test_what_tags_keep_for_programs_is_on_no_page(world: World, us: Tracker) -> None:
    run_id = us.begin()
    us.post("logged-models", name="trees", source_run_id=run_id)
    dataset = {"name": "iris", "digest": "abc", "source_type": "local", "source": "{}"}
    us.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset}])
    us.post("runs/set-tag", run_id=run_id, key="mlflow.log-model.history", value="[{}]")
    us.post("runs/set-tag", run_id=run_id, key="team", value="blue")
    step = StepRun.objects.get()
    shown = tags_json(tags_of(step.run, step), step)["tags"]
    assert "team" in shown
    assert not [name for name, tag in shown.items() if tag["value"].startswith(("{", "["))]
