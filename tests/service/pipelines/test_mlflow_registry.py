"""MLflow's registry: what its clients register stands on the page Models, and what stands there they can load."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from compute.services.leases import Outcome
from compute.states import JobStatus
from pipelines import services
from pipelines.models import StepRun
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.services import Left
from pipelines.tracked_runs import tracked_run_id
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from studio.workspaces.tokens import make_token
from tests.service.pipelines.models import register, trained
from tests.service.pipelines.tracker import Tracker
from tests.service.pipelines.world import World

FILES = "mlflow-artifacts/artifacts"
BAD, MISSING = (400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST")
DENIED = (403, "PERMISSION_DENIED")


@pytest.fixture
def us(world: World) -> Tracker:
    return Tracker.of(world.owner)


def logged(us: Tracker, run_id: str = "", *, content: bytes = b"flavors: {}") -> str:
    """The id of a run with the file of a model."""
    run_id = run_id or us.begin()
    answer = us.ask("PUT", f"{FILES}/{run_id}/model/MLmodel", content)
    assert answer.status_code == 200, answer.content
    return run_id


def registered(us: Tracker, name: str = "iris", run_id: str = "", **more: Any) -> dict[str, Any]:
    run_id = run_id or logged(us)
    if us.ask("GET", "mlflow/registered-models/get", {"name": name}).status_code == 404:
        us.post("registered-models/create", name=name)
    source = f"mlflow-artifacts:/{run_id}/model"
    version: dict[str, Any] = us.post("model-versions/create", name=name, source=source, **more)["model_version"]
    return version


def deleted(us: Tracker, path: str, **body: Any) -> None:
    answer = us.ask("DELETE", f"mlflow/{path}", body)
    assert answer.status_code == 200, answer.content


def patched(us: Tracker, path: str, **body: Any) -> Any:
    answer: Any = us.ask("PATCH", f"mlflow/{path}", body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def names(us: Tracker, text: str = "", **more: Any) -> list[str]:
    found = us.get("registered-models/search", filter=text, **more)["registered_models"]
    return [each["name"] for each in found]


def versions(us: Tracker, text: str = "", **more: Any) -> list[str]:
    found = us.get("model-versions/search", filter=text, **more)["model_versions"]
    return [f"{each['name']}:{each['version']}" for each in found]


class TestRegistering:
    def test_a_model_that_a_run_logged_while_it_goes_on(self, world: World, us: Tracker, client: Client) -> None:
        run_id = logged(us)
        made = registered(us, run_id=run_id, description="first", tags=[{"key": "a", "value": "b"}])
        assert {**made, "creation_timestamp": 0, "last_updated_timestamp": 0} == {
            "name": "iris",
            "version": "1",
            "creation_timestamp": 0,
            "last_updated_timestamp": 0,
            "user_id": world.owner.username,
            "current_stage": "None",
            "description": "first",
            "source": "mlflow-artifacts:/models/iris/1",
            "run_id": run_id,
            "status": "READY",
            "tags": [{"key": "a", "value": "b"}],
            "aliases": [],
        }
        version = ModelVersion.objects.get()
        assert (version.file_count, version.size_bytes, version.tags.tags) == (1, 11, {"a": "b"})
        assert AuditEvent.objects.filter(verb="model.register", target="iris:1").exists()
        us.post("registered-models/alias", name="iris", alias="champion", version="1")
        client.force_login(world.owner)
        page = client.get(reverse("models:detail", args=["ours", version.model_id])).content.decode()
        assert "first" in page
        assert "@champion" in page

    def test_its_files_are_not_deleted_under_it(self, us: Tracker) -> None:
        run_id = logged(us)
        us.ask("PUT", f"{FILES}/{run_id}/notes.txt", b"x")
        registered(us, run_id=run_id)
        for path in ("", "/model", "/model/MLmodel"):
            answer: Any = us.ask("DELETE", f"{FILES}/{run_id}{path}")
            assert answer.status_code in {400, 409}, path
        assert "Version iris:1 is made of these files" in answer.json()["message"]
        assert us.ask("DELETE", f"{FILES}/{run_id}/notes.txt").status_code == 200
        deleted(us, "model-versions/delete", name="iris", version="1")
        assert us.ask("DELETE", f"{FILES}/{run_id}/model").status_code == 200

    def test_a_logged_model_by_its_id(self, us: Tracker) -> None:
        run_id = us.begin()
        model = us.post("logged-models", name="trees", source_run_id=run_id)["model"]["info"]
        folder = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
        us.ask("PUT", f"{FILES}/{folder}/MLmodel", b"x")
        us.post("registered-models/create", name="iris")
        made = us.post("model-versions/create", name="iris", source=f"models:/{model['model_id']}", run_id=run_id)
        assert made["model_version"]["run_id"] == run_id
        assert ModelVersion.objects.get().path.endswith("/models/trees")

    def test_within_a_step_while_it_runs(self, world: World) -> None:
        run = world.submit(world.pipeline(world.step("a")))
        lease = world.claim()
        program = Tracker.within(lease)
        step = StepRun.objects.get(run=run)
        run_id = tracked_run_id(run.pk, step.pk)
        registered(program, run_id=logged(program, run_id))
        program.post("registered-models/alias", name="iris", alias="best", version="1")
        program.post("model-versions/transition-stage", name="iris", version="1", stage="Staging")
        world.end(lease, Outcome(JobStatus.COMPLETED, exit_code=0))
        version = ModelVersion.objects.get()
        assert (version.step_run_id, version.stage) == (step.pk, "staging")

    def test_a_step_registers_what_it_logged_itself_and_deletes_nothing(self, world: World, us: Tracker) -> None:
        others = logged(us)
        registered(us, run_id=others)
        world.submit(world.pipeline(world.step("a")))
        program = Tracker.within(world.claim())
        create = ("model-versions/create", "POST")
        for source in (f"mlflow-artifacts:/{others}/model", "models:/iris/1"):
            assert program.refused(*create, name="iris", source=source)[:2] == DENIED
        assert program.refused("registered-models/rename", "POST", name="iris", new_name="x")[:2] == DENIED
        assert program.refused("registered-models/delete", "DELETE", name="iris")[:2] == DENIED
        assert program.refused("model-versions/delete", "DELETE", name="iris", version="1")[:2] == DENIED
        assert ModelVersion.objects.count() == 1

    def test_what_a_run_that_failed_logged_can_be_a_model(self, us: Tracker) -> None:
        run_id = logged(us)
        us.post("runs/update", run_id=run_id, status="FAILED")
        assert registered(us, run_id=run_id)["version"] == "1"

    def test_a_step_that_runs_is_no_model_on_the_page(self, world: World) -> None:
        """Its program alone knows that a file is whole."""
        run = world.submit(world.pipeline(world.step("a")))
        program = Tracker.within(world.claim())
        step = StepRun.objects.get(run=run)
        logged(program, tracked_run_id(run.pk, step.pk))
        step.refresh_from_db()
        with pytest.raises(UserError, match="not completed"):
            services.register_model(world.access, step, Left(artifact="model"), name="iris")

    def test_a_version_becomes_one_of_another_model(self, world: World, us: Tracker) -> None:
        register(world, trained(world), "digits")
        us.post("registered-models/create", name="live")
        made = us.post("model-versions/create", name="live", source="models:/digits/1")["model_version"]
        first, second = ModelVersion.objects.order_by("pk")
        assert (made["version"], second.path, second.output_name) == ("1", first.path, "out")
        deleted(us, "model-versions/delete", name="digits", version="1")
        assert versions(us) == ["live:1"]

    @pytest.mark.parametrize(
        ("source", "sentence"),
        [
            ("s3://bucket/model", "can't register “s3://bucket/model”"),
            ("/tmp/model", "can't register"),
            ("mlflow-artifacts:/RUN/nothing", "nothing” is not there"),
            ("mlflow-artifacts:/RUN/../../secret", "path"),
        ],
    )
    def test_what_is_no_model(self, us: Tracker, source: str, sentence: str) -> None:
        us.post("registered-models/create", name="iris")
        run_id = logged(us)
        answer = us.refused("model-versions/create", name="iris", source=source.replace("RUN", run_id))
        assert answer[:2] == BAD, answer
        assert sentence in answer[2]
        assert ModelVersion.objects.count() == 0

    def test_of_a_run_in_the_trash(self, us: Tracker) -> None:
        us.post("registered-models/create", name="iris")
        run_id = logged(us)
        us.post("runs/update", run_id=run_id, status="FINISHED")
        us.post("runs/delete", run_id=run_id)
        refused = us.refused("model-versions/create", name="iris", source=f"mlflow-artifacts:/{run_id}/model")
        assert refused[:2] == (400, "INVALID_STATE")

    def test_of_another_run_than_it_says(self, us: Tracker) -> None:
        us.post("registered-models/create", name="iris")
        source, other = f"mlflow-artifacts:/{logged(us)}/model", us.begin()
        assert us.refused("model-versions/create", name="iris", source=source, run_id=other)[:2] == BAD

    def test_a_run_or_a_version_of_another_workspace_is_none(self, world: World, us: Tracker) -> None:
        run_id = logged(us)
        registered(us, run_id=run_id)
        other = World.make("theirs")
        theirs = Tracker.of(other.owner, "theirs")
        theirs.post("registered-models/create", name="mine")
        for source in (f"mlflow-artifacts:/{run_id}/model", "models:/iris/1"):
            assert theirs.refused("model-versions/create", name="mine", source=source)[:2] == MISSING
        assert theirs.refused("registered-models/get", "GET", name="iris")[:2] == MISSING
        assert theirs.refused("model-versions/get", "GET", name="iris", version="1")[:2] == MISSING
        assert theirs.ask("GET", f"{FILES}/models/iris/1/MLmodel").status_code == 404
        assert (names(theirs), versions(theirs)) == (["mine"], [])


class TestLoading:
    def test_what_the_studio_registered(self, world: World, us: Tracker) -> None:
        step = trained(world)
        register(world, step, "digits", stage="production")
        told = us.get("model-versions/get", name="digits", version="1")["model_version"]
        assert (told["current_stage"], told["run_id"]) == ("Production", tracked_run_id(step.run_id, step.pk))
        assert us.get("model-versions/get-download-uri", name="digits", version="1") == {
            "artifact_uri": "mlflow-artifacts:/models/digits/1"
        }

    def test_its_files_through_the_studio_though_the_run_is_gone(self, us: Tracker) -> None:
        run_id = logged(us, content=b"flavors")
        us.ask("PUT", f"{FILES}/{run_id}/model/deep/weights.bin", b"123")
        registered(us, run_id=run_id)
        us.post("runs/update", run_id=run_id, status="FINISHED")
        us.post("runs/delete", run_id=run_id)
        listed: Any = us.ask("GET", FILES, {"path": "models/iris/1"})
        assert sorted((each["path"], each["is_dir"]) for each in listed.json()["files"]) == [
            ("MLmodel", False),
            ("deep", True),
        ]
        below: Any = us.ask("GET", FILES, {"path": "models/iris/1/deep"})
        assert below.json()["files"] == [{"path": "weights.bin", "is_dir": False, "file_size": 3}]
        read: Any = us.ask("GET", f"{FILES}/models/iris/1/deep/weights.bin")
        assert b"".join(read.streaming_content) == b"123"
        assert us.ask("GET", f"{FILES}/models/iris/1/nothing").status_code == 404
        assert us.ask("GET", f"{FILES}/models/iris/2/MLmodel").status_code == 404
        assert us.ask("GET", f"{FILES}/models/iris/1/../../../x").status_code in {400, 404}

    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    def test_nobody_writes_there(self, us: Tracker, method: str) -> None:
        registered(us)
        assert us.ask(method, f"{FILES}/models/iris/1/MLmodel", b"other").status_code == 404
        read: Any = us.ask("GET", f"{FILES}/models/iris/1/MLmodel")
        assert b"".join(read.streaming_content) == b"flavors: {}"


class TestModels:
    def test_one_is_made_told_changed_and_deleted(self, us: Tracker) -> None:
        made = us.post(
            "registered-models/create", name="iris", description="d", tags=[{"key": "team", "value": "blue"}]
        )["registered_model"]
        assert (made["name"], made["description"], made["latest_versions"]) == ("iris", "d", [])
        assert made["tags"] == [{"key": "team", "value": "blue"}]
        assert us.refused("registered-models/create", name="iris")[:2] == (400, "RESOURCE_ALREADY_EXISTS")
        assert us.refused("registered-models/create", name="IRIS")[:2] == BAD
        assert us.refused("registered-models/create", name="a/b")[:2] == BAD
        assert (
            patched(us, "registered-models/update", name="iris", description="e")["registered_model"]["description"]
            == "e"
        )
        us.post("registered-models/set-tag", name="iris", key="k", value="v")
        deleted(us, "registered-models/delete-tag", name="iris", key="team")
        assert us.refused("registered-models/delete-tag", "DELETE", name="iris", key="team")[:2] == MISSING
        assert us.get("registered-models/get", name="iris")["registered_model"]["tags"] == [{"key": "k", "value": "v"}]
        us.post("registered-models/create", name="other")
        assert us.refused("registered-models/rename", name="iris", new_name="Other")[:2] == (
            400,
            "RESOURCE_ALREADY_EXISTS",
        )
        renamed = us.post("registered-models/rename", name="iris", new_name="flowers")["registered_model"]
        assert renamed["name"] == "flowers"
        deleted(us, "registered-models/delete", name="flowers")
        assert us.refused("registered-models/get", "GET", name="flowers")[:2] == MISSING
        assert names(us) == ["other"]

    def test_what_others_registered_is_theirs_to_rename_and_delete(self, world: World, us: Tracker) -> None:
        registered(us)
        ana = Tracker.of(world.member("ana", Role.CONTRIBUTOR))
        assert ana.refused("registered-models/rename", name="iris", new_name="mine")[:2] == DENIED
        assert ana.refused("registered-models/delete", "DELETE", name="iris")[:2] == DENIED
        assert ana.refused("model-versions/delete", "DELETE", name="iris", version="1")[:2] == DENIED
        assert RegisteredModel.objects.get().name == "iris"

    def test_a_token_for_readers_changes_nothing(self, world: World, us: Tracker) -> None:
        registered(us)
        secret = make_token(world.owner, name="a job", workspace="ours", role=Role.READER).secret
        reads = Tracker(secret)
        assert names(reads) == ["iris"]
        for path in ("registered-models/create", "registered-models/set-tag"):
            assert reads.refused(path, name="new", key="k")[:2] == DENIED

    def test_a_search(self, us: Tracker) -> None:
        for name in ("iris", "digits", "Digits_2"):
            us.post("registered-models/create", name=name)
        us.post("registered-models/set-tag", name="iris", key="team", value="blue")
        assert names(us, "name = 'iris'") == ["iris"]
        assert names(us, "name LIKE 'digi%'") == ["digits"]
        assert sorted(names(us, "name ILIKE 'digi%'")) == ["Digits_2", "digits"]
        assert names(us, "tags.team = 'blue' AND name != 'digits'") == ["iris"]
        assert names(us, "tags.`mlflow.prompt.is_prompt` != 'true'", order_by=["name DESC"])[0] == "iris"
        assert us.refused("registered-models/search", "GET", filter="metrics.a > 1")[:2] == BAD
        assert us.refused("registered-models/search", "GET", order_by=["tags.a"])[:2] == BAD
        assert us.refused("registered-models/search", "GET", max_results=1001)[:2] == BAD

    @pytest.mark.parametrize("text", ["", "tags.all = 'x'"])
    def test_a_search_by_pages(self, us: Tracker, text: str) -> None:
        for number in range(5):
            us.post("registered-models/create", name=f"m{number}", tags=[{"key": "all", "value": "x"}])
        found: list[str] = []
        token = ""
        for _page in range(3):
            answer = us.get("registered-models/search", filter=text, max_results=2, page_token=token)
            found += [each["name"] for each in answer["registered_models"]]
            token = answer.get("next_page_token", "")
        assert (found, token) == ([f"m{number}" for number in range(5)], "")
        first = us.get("registered-models/search", filter=text, max_results=2)["next_page_token"]
        again = us.refused("registered-models/search", "GET", filter="name = 'm1'", page_token=first)
        assert again[:2] == BAD

    def test_a_search_asks_the_same_few_queries_for_many(
        self, world: World, us: Tracker, django_assert_max_num_queries: Any
    ) -> None:
        step = trained(world)
        for number in range(8):
            register(world, step, f"m{number}")
        us.get("registered-models/search")
        with django_assert_max_num_queries(14):
            assert len(names(us)) == 8
        with django_assert_max_num_queries(12):
            assert len(versions(us)) == 8

    def test_prompts_are_refused(self, us: Tracker) -> None:
        tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
        assert us.refused("registered-models/create", name="greeting", tags=tags)[:2] == BAD
        assert names(us) == []


class TestVersions:
    def test_a_search(self, us: Tracker) -> None:
        run_id = logged(us)
        registered(us, "iris", run_id, tags=[{"key": "k", "value": "v"}])
        registered(us, "iris", run_id)
        registered(us, "digits")
        assert versions(us, "name = 'iris'") == ["iris:2", "iris:1"]
        assert versions(us, f"run_id = '{run_id}'", order_by=["version_number ASC"]) == ["iris:1", "iris:2"]
        assert versions(us, f"run_id IN ('{run_id}')", max_results=1) == ["iris:2"]
        assert versions(us, "tags.k = 'v'") == ["iris:1"]
        assert versions(us, "version_number > 1") == ["iris:2"]
        assert versions(us, "name = 'nothing'") == []
        for text in ("source_path = 'x'", "version_number LIKE 'x'", "version_number > 1.5", "run_id LIKE 'r%'", "x"):
            assert us.refused("model-versions/search", "GET", filter=text)[:2] == BAD

    def test_it_is_changed_and_deleted(self, us: Tracker) -> None:
        registered(us)
        about = {"name": "iris", "version": "1"}
        told = patched(us, "model-versions/update", **about, description="good")["model_version"]
        assert told["description"] == "good"
        us.post("model-versions/set-tag", **about, key="k", value="v")
        assert us.get("model-versions/get", **about)["model_version"]["tags"] == [{"key": "k", "value": "v"}]
        long = us.refused("model-versions/set-tag", **about, key="k", value="v" * 101)
        assert long[:2] == BAD
        assert "100 characters" in long[2]
        deleted(us, "model-versions/delete-tag", **about, key="k")
        assert us.refused("model-versions/delete-tag", "DELETE", **about, key="k")[:2] == MISSING
        deleted(us, "model-versions/delete", **about)
        assert us.refused("model-versions/get", "GET", **about)[:2] == MISSING
        assert registered(us)["version"] == "2", "no number is given twice"

    @pytest.mark.parametrize(("version", "kind"), [("x", BAD), ("-1", BAD), ("9" * 30, BAD), ("7", MISSING)])
    def test_one_that_is_none(self, us: Tracker, version: str, kind: tuple[int, str]) -> None:
        registered(us)
        assert us.refused("model-versions/get", "GET", name="iris", version=version)[:2] == kind

    def test_stages(self, us: Tracker) -> None:
        for _each in range(3):
            registered(us)
        move = "model-versions/transition-stage"
        us.post(move, name="iris", version="1", stage="Production")
        us.post(move, name="iris", version="2", stage="production")
        assert _stages(us) == {"1": "Archived", "2": "Production", "3": "None"}, "one is in production at most"
        us.post(move, name="iris", version="1", stage="Staging")
        us.post(move, name="iris", version="3", stage="Staging", archive_existing_versions=True)
        assert _stages(us) == {"1": "Archived", "2": "Production", "3": "Staging"}
        assert us.refused(move, name="iris", version="1", stage="Live")[:2] == BAD
        none = us.refused(move, name="iris", version="1", stage="None", archive_existing_versions=True)
        assert none[:2] == BAD
        latest = us.post("registered-models/get-latest-versions", name="iris", stages=["Staging"])["model_versions"]
        assert [each["version"] for each in latest] == ["3"]
        every = us.get("registered-models/get-latest-versions", name="iris")["model_versions"]
        assert [each["version"] for each in every] == ["1", "2", "3"]


class TestAliases:
    def test_one_is_set_moves_and_goes(self, us: Tracker) -> None:
        registered(us)
        registered(us)
        us.post("registered-models/alias", name="iris", alias="champion", version="1")
        us.post("registered-models/alias", name="iris", alias="champion", version="2")
        us.post("registered-models/alias", name="iris", alias="first", version="1")
        told = us.get("registered-models/alias", name="iris", alias="champion")["model_version"]
        assert (told["version"], told["aliases"]) == ("2", ["champion"])
        model = us.get("registered-models/get", name="iris")["registered_model"]
        assert model["aliases"] == [{"alias": "champion", "version": "2"}, {"alias": "first", "version": "1"}]
        deleted(us, "registered-models/alias", name="iris", alias="first")
        assert us.refused("registered-models/alias", "GET", name="iris", alias="first")[:2] == MISSING
        assert us.refused("registered-models/alias", "DELETE", name="iris", alias="first")[:2] == MISSING
        deleted(us, "model-versions/delete", name="iris", version="2")
        assert us.get("registered-models/get", name="iris")["registered_model"]["aliases"] == []

    def test_one_of_another_model_is_none(self, us: Tracker) -> None:
        registered(us)
        registered(us, "digits")
        us.post("registered-models/alias", name="iris", alias="champion", version="1")
        assert us.refused("registered-models/alias", "GET", name="digits", alias="champion")[:2] == MISSING

    @pytest.mark.parametrize("alias", ["latest", "v3", "a b", "", "x" * 256, "a/b"])
    def test_a_name_that_is_none(self, us: Tracker, alias: str) -> None:
        registered(us)
        assert us.refused("registered-models/alias", name="iris", alias=alias, version="1")[:2] == BAD

    def test_there_is_an_end_to_them(self, us: Tracker, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pipelines.services.aliasing.MAX_ALIASES", 1)
        registered(us)
        access: Access = world.access
        services.set_alias(access, ModelVersion.objects.get(), "one")
        services.set_alias(access, ModelVersion.objects.get(), "ONE")
        assert us.refused("registered-models/alias", name="iris", alias="two", version="1")[:2] == BAD


def test_a_version_that_was_just_deleted_gets_no_alias_and_no_copy(world: World) -> None:
    version = register(world, trained(world))
    services.delete_model_version(world.access, ModelVersion.objects.get(pk=version.pk))
    with pytest.raises(ConflictError, match="just deleted"):
        services.set_alias(world.access, version, "late")
    with pytest.raises(ConflictError, match="just deleted"):
        services.register_copy(world.access, version, name="other")
    assert not RegisteredModel.objects.filter(name="other").exists()


def _stages(us: Tracker) -> dict[str, str]:
    found = us.get("model-versions/search", filter="name = 'iris'")["model_versions"]
    return {each["version"]: each["current_stage"] for each in found}
