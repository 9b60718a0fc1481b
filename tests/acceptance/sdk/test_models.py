"""Models of this computer's files, and files of runs that a program does by itself."""

import io
import os
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer
from studio_sdk.core import Experiment, Model, Run, Workspace
from studio_sdk.exceptions import NotSupportedException, UserErrorException

from pipelines.models import Run as OurRun
from pipelines.registered import ModelVersion
from studio.workspaces.models import Role
from tests.acceptance.sdk.conftest import of
from tests.service.pipelines.world import World


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "forest"
    (made / "trees").mkdir(parents=True)
    (made / "words.txt").write_text("cat\ndog\n")
    (made / "trees" / "100 % ä#.bin").write_bytes(os.urandom(3_000_000))
    return made


def test_a_file_and_then_a_folder_become_versions(
    workspace: Workspace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Model.register(
        workspace,
        model_path=str(folder / "words.txt"),
        model_name="animals",
        tags={"area": "pets"},
        properties={"rows": "2"},
        description="Two of them.",
        model_framework="Custom",
        model_framework_version="1.0",
    )
    assert (first.id, first.description) == ("animals:1", "Two of them.")
    assert first.tags == {"area": "pets", "rows": "2", "framework": "Custom", "framework_version": "1.0"}
    second = Model.register(workspace, str(folder), "animals")
    assert second.version == 2
    assert ModelVersion.objects.get(number=2).file_count == 2
    assert Path(first.download(str(tmp_path / "one"))).read_text() == "cat\ndog\n"
    second.download(str(tmp_path / "two"))
    for path in ("words.txt", "trees/100 % ä#.bin"):
        assert (tmp_path / "two" / path).read_bytes() == (folder / path).read_bytes()
    monkeypatch.chdir(tmp_path)
    place = Model.get_model_path("animals", version=1, _workspace=workspace)
    assert Path(place) == Path("azureml-models/animals/1/words.txt")
    assert Path(place).read_text() == "cat\ndog\n"
    assert first.run is not None
    assert first.experiment_name == "models"
    assert first.run.get_file_names() == ["outputs/words.txt"]
    assert set(OurRun.objects.values_list("status", flat=True)) == {"completed"}


def test_what_can_not_be_a_model_is_told(  # noqa: PLR0917 (fixtures)
    workspace: Workspace, read_only: Workspace, world: World, live_server: LiveServer, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserErrorException, match="There is no file or folder"):
        Model.register(workspace, str(tmp_path / "nothing"), "animals")
    with pytest.raises(UserErrorException, match="There is no file in the folder"):
        Model.register(workspace, str(tmp_path / "empty"), "animals")
    with pytest.raises(NotSupportedException, match="one file or one folder"):
        Model.register(workspace, str(folder), "animals", child_paths=["words.txt"])
    assert not OurRun.objects.exists(), "nothing is begun for what is not there"
    with pytest.raises(UserErrorException, match=r"[Ll]etters"):
        Model.register(workspace, str(folder), "no such/name")
    begun = OurRun.objects.count()
    with pytest.raises(UserErrorException):
        Model.register(read_only, str(folder), "animals")
    theirs = World.make("theirs")
    foreign = of(world, live_server, theirs.owner)  # a token of somebody who is no member
    with pytest.raises(UserErrorException, match="no such workspace"):
        Model.register(foreign, str(folder), "animals")
    assert OurRun.objects.count() == begun
    assert not ModelVersion.objects.exists()


def test_a_run_of_one_s_own_keeps_files(workspace: Workspace, world: World, live_server: LiveServer) -> None:
    run = Experiment(workspace, "laptop").start_logging()
    run.upload_file("outputs/a.txt", io.StringIO("first"))
    run.upload_file("outputs/a.txt", io.BytesIO(b"second"))
    assert run.get_file_names() == ["outputs/a.txt"]
    with pytest.raises(UserErrorException, match="no name for an artifact"):
        run.upload_file("../a.txt", io.BytesIO(b""))
    with pytest.raises(UserErrorException, match=r"use upload_folder"):
        run.upload_file("outputs/b", ".")
    with pytest.raises(UserErrorException, match=r"\* or \? means a pattern"):
        run.upload_file("outputs/a*", io.BytesIO(b""))
    with pytest.raises(UserErrorException, match=r"Call complete\(\) first"):
        run.register_model("animals", "outputs/a.txt")
    theirs = World.make("theirs")
    elsewhere = Experiment(of(theirs, live_server, theirs.owner), "laptop").start_logging()
    elsewhere._files = run._files.replace("/mlflow/ours/", "/mlflow/theirs/")
    with pytest.raises(UserErrorException, match="There is no run"):
        elsewhere.upload_file("outputs/a.txt", io.BytesIO(b"foreign"))
    elsewhere.complete()
    reader = of(world, live_server, world.member("looker", Role.READER))
    run.complete()
    model = run.register_model("animals", "outputs/a.txt")
    (step,) = Run.get(reader, run.id).get_children()
    assert step.get_file_names() == ["outputs/a.txt"]
    assert (model.run_id, model.version) == (step.id, 1)
