"""Workspaces: found by a file or by variables, and what stands in them."""

import base64
import json
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer
from studio_sdk.core import ComputeTarget, Datastore, Environment, Experiment, Workspace
from studio_sdk.core.authentication import InteractiveLoginAuthentication, ServicePrincipalAuthentication
from studio_sdk.core.compute import AmlCompute
from studio_sdk.core.compute_target import ComputeTargetException
from studio_sdk.core.conda_dependencies import CondaDependencies
from studio_sdk.exceptions import (
    AuthenticationException,
    NotSupportedException,
    ProjectSystemException,
    UserErrorException,
    WorkspaceException,
)

from tests.acceptance.sdk.conftest import of
from tests.service.pipelines.world import World

KEY = base64.b64encode(b"k" * 64).decode()
VARIABLES = ("STUDIO_URL", "STUDIO_WORKSPACE", "STUDIO_TOKEN")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def token_of(workspace: Workspace) -> str:
    return str(workspace._auth.get_token())


def test_a_configuration_is_found_in_a_folder_above(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / ".azureml").mkdir()
    said = {"url": workspace.url, "workspace": "ours", "token": token_of(workspace), "subscription_id": "any"}
    (tmp_path / ".azureml" / "config.json").write_text(json.dumps(said))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    found = Workspace.from_config(tmp_path / "deep" / "er")
    assert found.name == "ours"
    assert found.subscription_id == "any"
    assert found.get_details()["role"] == "owner"
    found.write_config(tmp_path / "deep")
    assert "token" not in json.loads((tmp_path / "deep" / ".azureml" / "config.json").read_text())


def test_variables_say_it_too(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserErrorException, match="There is no “url”"):
        Workspace.from_config()
    for name, value in zip(VARIABLES, (workspace.url, "ours", token_of(workspace)), strict=True):
        monkeypatch.setenv(name, value)
    assert Workspace.from_config().get_details()["friendlyName"] == "Ours"
    assert list(Workspace.list("any subscription")) == ["ours"]
    made = Workspace.create("newer", subscription_id="any", resource_group="any", location="any", show_output=False)
    assert made.get_details()["name"] == "newer"
    assert Workspace.create("newer", exist_ok=True, show_output=False).name == "newer"
    assert sorted(Workspace.list()) == ["newer", "ours"]
    with pytest.raises(WorkspaceException, match="no workspace “theirs”"):
        Workspace.get("theirs")


def test_what_is_wrong_is_said(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UserErrorException, match=r"There is no config\.json"):
        Workspace.from_config(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ProjectSystemException, match="one JSON object"):
        Workspace.from_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"url": workspace.url, "workspace": "ours"}))
    with pytest.raises(AuthenticationException, match="There is no token"):
        Workspace.from_config(auth=InteractiveLoginAuthentication())
    wrong = Workspace.from_config(auth=ServicePrincipalAuthentication("tenant", "principal", "wrong"))
    with pytest.raises(AuthenticationException, match="does not know this token"):
        wrong.get_details()
    right = Workspace.from_config(auth=ServicePrincipalAuthentication("tenant", "principal", token_of(workspace)))
    assert right.get_details()["name"] == "ours"


def test_another_workspace_is_not_there(workspace: Workspace, live_server: LiveServer) -> None:
    theirs = World.make("theirs")
    foreign = of(theirs, live_server, workspace_owner(workspace))
    for ask in (lambda: foreign.datastores, lambda: foreign.compute_targets, lambda: foreign.experiments):
        with pytest.raises(UserErrorException, match=r"no such workspace|no member"):
            ask()


def workspace_owner(_workspace: Workspace) -> object:
    from studio.workspaces.models import User

    return User.objects.get(username="ours-owner")


def test_datastores(workspace: Workspace, tmp_path: Path) -> None:
    default = workspace.get_default_datastore()
    (tmp_path / "lies").mkdir()
    other = Datastore.register_local(workspace, "other", description="words")
    assert workspace.datastores["other"].description == "words"
    workspace.set_default_datastore("other")
    assert workspace.get_default_datastore() == other
    assert Datastore(workspace) == other
    assert Datastore(workspace, default.name) == default
    with pytest.raises(UserErrorException, match="There is a datastore “other” already"):
        Datastore.register_local(workspace, "other")
    blob = Datastore.register_azure_blob_container(
        workspace, "blobs", "container", "account", account_key=KEY, subscription_id="any", resource_group="any"
    )
    assert (type(blob).__name__, blob.container_name, blob.account_name, blob.is_sas) == (
        "AzureBlobDatastore",
        "container",
        "account",
        False,
    )
    changed = Datastore.register_azure_blob_container(workspace, "blobs", "container", "account", overwrite=True)
    assert (changed.id, workspace._client.get(changed._path)["credentials"]) == (blob.id, [])
    with pytest.raises(UserErrorException, match="would lead to"):
        Datastore.register_azure_blob_container(workspace, "blobs", "newer", "account", overwrite=True)
    tables = Datastore.register_azure_postgre_sql(workspace, "tables", "host", "data", "user", "secret")
    with pytest.raises(NotSupportedException, match="from_sql_query"):
        tables.upload("x")
    with pytest.raises(NotSupportedException, match="register_local"):
        Datastore.register_azure_file_share(workspace, "share", "share", "account")
    blob.unregister()
    with pytest.raises(UserErrorException, match="There is no datastore “blobs”"):
        Datastore.get(workspace, "blobs")


def test_compute(workspace: Workspace) -> None:
    with pytest.raises(ComputeTargetException, match="There is no compute target “pool”"):
        ComputeTarget(workspace=workspace, name="pool")
    settings = AmlCompute.provisioning_configuration("STANDARD_D2_V2", vm_priority="lowpriority", max_nodes=2)
    made = ComputeTarget.create(workspace, "pool", settings)
    assert isinstance(made, AmlCompute)
    made.wait_for_completion(show_output=True)
    status = made.get_status().serialize()
    assert (status["currentNodeCount"], status["vmSize"]) == (0, "STANDARD_D2_V2")
    assert status["scaleSettings"]["maxNodeCount"] == 2
    made.update(max_nodes=3, idle_seconds_before_scaledown=60)
    assert ComputeTarget(workspace, "pool").get_status().scale_settings.maximum_node_count == 3
    with pytest.raises(ComputeTargetException):
        made.update(max_nodes=-1)
    with pytest.raises(ComputeTargetException, match="already"):
        ComputeTarget.create(workspace, "pool", settings)
    assert [node["nodeId"] for node in workspace.compute_targets["local"].list_nodes()] == ["here"]
    made.delete()
    assert "pool" not in workspace.compute_targets


def test_environments(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# what it takes\nscikit-learn==1.5.2\npandas<3 # new enough\n")
    environment = Environment.from_pip_requirements("train", str(tmp_path / "requirements.txt"))
    environment.environment_variables = {"MODE": "fast"}
    first = environment.register(workspace)
    assert (first.version, environment.register(workspace).version) == ("1", "1")
    packages = first.python.conda_dependencies
    assert packages is not None
    assert packages.pip_packages == ["scikit-learn==1.5.2", "pandas<3"]
    packages.add_pip_package("scikit_learn==1.6")
    second = first.register(workspace)
    assert second.version == "2"
    assert Environment.get(workspace, "train", version=1).python.conda_dependencies.pip_packages == [
        "scikit-learn==1.5.2",
        "pandas<3",
    ]
    assert Environment.get(workspace, "train").environment_variables == {"MODE": "fast"}
    with pytest.raises(UserErrorException, match="The studio's own for this is “sklearn”"):
        Environment.get(workspace, "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu")
    with pytest.raises(UserErrorException, match="has no version 7"):
        Environment.get(workspace, "train", version=7)
    second.docker.base_image = "python:3"
    with pytest.raises(NotSupportedException, match="without containers"):
        second.register(workspace)
    second.save_to_directory(tmp_path / "kept")
    assert Environment.load_from_directory(tmp_path / "kept").name == "train"


def test_a_conda_file_is_an_environment(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_text(
        "name: x\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.10\n  - numpy=1.26  # fast\n"
        "  - pip:\n    - azureml-defaults\n    - 'tqdm>=4'\n  - scipy\nvariables:\n  A: '1'\n"
    )
    row = Environment.from_conda_specification("conda", str(file))._saved(workspace)
    assert (row["python_version"], row["conda"], row["pip"]) == ("3.10", ["numpy=1.26", "scipy"], ["tqdm>=4"])
    assert row["variables"] == {"A": "1"}
    packages = CondaDependencies(file)
    packages.save(tmp_path / "again.yml")
    assert CondaDependencies(tmp_path / "again.yml").as_dict() == packages.as_dict()
    file.write_text("name: x\ndependencies:\n- {a: b}\n")
    with pytest.raises(UserErrorException, match="line 3"):
        CondaDependencies(file)


def test_experiments_are_listed(workspace: Workspace, world: World) -> None:
    assert workspace.experiments == {}
    pipeline = world.pipeline(world.step("one"))
    number = workspace._client.post(f"/pipelines/{pipeline.pk}/runs/", {"experiment": "mine"})["id"]
    workspace._client.post(f"/pipelines/{pipeline.pk}/runs/", {"experiment": "mine-too"})
    assert sorted(workspace.experiments) == ["mine", "mine-too"]
    assert [run.id for run in Experiment(workspace, "mine").get_runs()] == [str(number)]


def test_a_reader_is_told_so(read_only: Workspace) -> None:
    with pytest.raises(UserErrorException, match=r"may not|permission|owner"):
        Datastore.register_local(read_only, "mine")
    with pytest.raises(UserErrorException):
        Environment("mine").register(read_only)
