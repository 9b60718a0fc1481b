"""A real node builds environments: when it is killed, when a step is cancelled, and when it is asked ahead."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from compute.models import Environment, EnvironmentBuild
from compute.services import request_cancel
from compute.services.builds import request_builds
from compute.spec import EnvironmentSpec
from compute.states import BuildStatus, JobStatus
from studio.workspaces.models import User
from tests.support.compute import Compute, log_of, over
from tests.support.packages import PackageIndex
from tests.support.spying import found_by, spy
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SHOW = "import os, toy; print(toy.__version__, os.environ['TONE'])"


@pytest.fixture
def compute() -> Compute:
    return Compute()


@pytest.fixture
def start(worker_stack: Callable[..., Stack], compute: Compute, tmp_path: Path) -> Callable[[], Stack]:
    """Start the node of a machine, or start it again."""
    index = PackageIndex(tmp_path / "index")
    index.wheel("toy", "1.0")
    here = {
        "STUDIO_NODE_HOME": str(tmp_path / "node"),
        "STUDIO_NODE_HEARTBEAT_S": "0.5",
        "STUDIO_CANCEL_GRACE_S": "0.3",
        **index.variables,
    }

    def node() -> Stack:
        stack = worker_stack(**here)
        stack.node(compute.target.pk, name="one")
        return stack

    return node


def builds_begun() -> bool:
    return EnvironmentBuild.objects.filter(log__contains="begun").exists()


def test_a_build_whose_node_is_killed_never_looks_finished(
    compute: Compute, start: Callable[[], Stack], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    spec = EnvironmentSpec(
        pip=["toy"],
        variables={"TONE": "blue"},
        setup_script=f"echo begun\nwhile [ ! -e {gate} ]; do sleep 0.05; done\n",
    )
    stack = start()
    job = compute.script(SHOW, environment=spec)
    wait_for(builds_begun, what="it builds")
    stack.workers[0].process.kill()
    stack.workers[0].process.wait(10)
    gate.touch()
    start()
    over(job)
    assert (job.status, log_of(job, "o")) == (JobStatus.COMPLETED, ["1.0 blue"]), job.reason
    assert list(EnvironmentBuild.objects.order_by("id").values_list("status", flat=True)) == ["failed", "ready"]


def test_what_was_asked_for_ahead_is_there_and_what_was_cancelled_leaves_nothing(
    compute: Compute, start: Callable[[], Stack], tmp_path: Path
) -> None:
    start()
    spec = EnvironmentSpec(setup_script=f"echo begun {tmp_path}; sleep 600 & sleep 600\n")
    job = compute.script("print('never')", environment=spec)
    wait_for(builds_begun, what="it builds")
    request_cancel([job.pk])
    assert over(job).status == JobStatus.CANCELLED
    build = EnvironmentBuild.objects.get()
    assert (build.status, build.reason) == (BuildStatus.FAILED, "Whoever waited for it was cancelled.")
    folder = tmp_path / "node/environments"
    assert not (folder / spec.digest).exists()
    assert not [each for each in psutil.process_iter() if str(folder) in _home_of(each)]

    ahead = EnvironmentSpec(pip=["toy"], variables={"TONE": "blue"})
    environment = Environment.objects.create(workspace=compute.workspace, name="toys", version=1, spec=ahead)
    person = User.objects.create_user("olga")
    (asked,) = request_builds(environment, compute.target, workspace=compute.workspace, requested_by=person)

    def is_ready() -> bool:
        asked.refresh_from_db()
        return asked.status == BuildStatus.READY

    wait_for(is_ready, what="it is built ahead")
    assert "toy==1.0" in asked.log
    job = over(compute.script(SHOW, environment=ahead))
    assert (log_of(job, "o"), log_of(job, "s")) == (["1.0 blue"], [])
    (again,) = request_builds(environment, compute.target, workspace=compute.workspace, requested_by=person)
    wait_for(lambda: not EnvironmentBuild.objects.filter(pk=again.pk).exists(), what="it is found to be there")
    assert EnvironmentBuild.objects.filter(digest=ahead.digest).count() == 1


def test_links_in_the_home_that_an_environment_gives_lead_no_step_anywhere(
    compute: Compute, start: Callable[[], Stack]
) -> None:
    start()
    secret = Path(settings.STUDIO_HOME) / "secret-key"
    secret.write_text("secret")
    leads = f"echo kept > kept\nln -s {secret} stolen\nln -s {secret.parent} code\nln -s {secret.parent} tmp\n"
    spec = EnvironmentSpec(setup_script=f'mkdir "$STUDIO_ENVIRONMENT/.home"\ncd "$STUDIO_ENVIRONMENT/.home"\n{leads}')
    tries = {
        "kept": "read(os.path.expanduser('~/kept'))",
        "stolen": "read(os.path.expanduser('~/stolen'))",
        "code": "os.getcwd() == os.path.expanduser('~/code') and os.listdir()",
    }
    found = found_by(over(spy(compute, tries, environment=spec)))
    assert found["kept"] == ("got", 5)
    assert found["stolen"][0] == "refused"
    assert found["code"] == ("got", [])


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("HOME", "")
    except psutil.Error:
        return ""
