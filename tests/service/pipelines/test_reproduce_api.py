"""The archive of a step over REST: what is in it, and what is said where there can't be one."""

from io import BytesIO
from shutil import rmtree
from typing import Any
from zipfile import ZipFile

import pytest
from django.test import Client

from compute.models import SpecificationLock
from compute.services import create_environment
from compute.spec import EnvironmentLock, EnvironmentSpec
from datastores.backends import get_backend
from datastores.content import ContentStore
from pipelines.models import Run, StepRun
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.member("reader", Role.READER))
    return client


@pytest.fixture
def run(world: World) -> Run:
    """a → b, which reads from it and waits."""
    return world.submit(world.pipeline(world.step("a"), world.step("b", "a", timeout_s=5)))


def unzipped(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/zip"
    with ZipFile(BytesIO(b"".join(answer.streaming_content))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def refused(answer: Any) -> str:
    assert answer.status_code == 400
    sentence: str = answer.json()["problems"][0]["message"]
    return sentence


def test_a_reader_takes_what_ran(world: World, client: Client, run: Run) -> None:
    world.complete(world.claim())
    files = unzipped(client.get(f"{WS}/runs/{run.pk}/steps/a/reproduce/"))
    top = f"a-of-run-{run.pk}"
    assert f"{top}/sdk/studio_sdk/core/run.py" in files
    assert sorted(name for name in files if "/sdk/" not in name) == [
        f"{top}/README.md",
        f"{top}/code/main.py",
        f"{top}/environment/requirements.txt",
        f"{top}/run.sh",
        f"{top}/step.json",
        f"{top}/studio.py",
    ]
    assert files[f"{top}/code/main.py"] == "print(1)\n"
    assert f"# a of run {run.pk}" in files[f"{top}/README.md"]
    assert "ours-owner" not in "".join(files.values()), "who ran it is nobody's business elsewhere"


def test_an_input_that_is_gone_is_said_in_its_place(world: World, client: Client, run: Run) -> None:
    assert "is missing: “a” left no output “out”" in refused(client.get(f"{WS}/runs/{run.pk}/steps/b/reproduce/"))
    world.complete(world.claim())
    written = StepRun.objects.get(run=run, name="a").outputs.outputs["out"].path
    rmtree(get_backend(world.datastore).local_path(written))
    files = unzipped(client.get(f"{WS}/runs/{run.pk}/steps/b/reproduce/?inputs=include"))
    said = files[f"b-of-run-{run.pk}/inputs/from_a (missing).txt"]
    assert said == f"Reading it: “{written}” is not there (any more).\n"
    assert unzipped(client.get(f"{WS}/runs/{run.pk}/steps/b/inputs/from_a/download/")) == {"from_a (missing).txt": said}
    assert client.get(f"{WS}/runs/{run.pk}/steps/b/inputs/other/download/").status_code == 404


def test_packages_are_those_of_the_lock(world: World, client: Client) -> None:
    spec = EnvironmentSpec(pip=["numpy"], setup_script="echo ready")
    create_environment(workspace=world.workspace, name="mine", spec=spec, created_by=world.owner)
    run = world.submit(world.pipeline(world.step("a", environment="mine")))
    address = f"{WS}/runs/{run.pk}/steps/a/reproduce/"
    assert "mine:1 was never built, so its exact packages are not known." in refused(client.get(address))
    lock = EnvironmentLock(python="3.11.7", platform="linux-64", requirements="numpy==2.1.0 --hash=sha256:0\n")
    SpecificationLock.objects.create(digest=spec.digest, document=lock, node_name="here")
    files = unzipped(client.get(address))
    assert files[f"a-of-run-{run.pk}/environment/requirements.txt"] == lock.requirements
    assert files[f"a-of-run-{run.pk}/environment/setup.sh"] == "echo ready\n"


def test_code_that_was_lost_is_said_before_anything_is_sent(world: World, client: Client, run: Run) -> None:
    stored = next(path for path in ContentStore(world.workspace.pk).root.rglob("*") if path.is_file())
    stored.unlink()
    said = refused(client.get(f"{WS}/runs/{run.pk}/steps/a/reproduce/"))
    assert said == "The studio has lost the code of this step: main.py."
