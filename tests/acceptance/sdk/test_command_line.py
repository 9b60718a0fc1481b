"""`studio COMMAND`: asked of a live server, with a real node behind it where something runs."""

import json
import os
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from studio_sdk._cli import studio
from studio_sdk.core import Environment, Workspace
from studio_sdk.core.conda_dependencies import CondaDependencies

from compute.execution.sdk import SDK
from pipelines.models import Pipeline, Run
from tests.service.pipelines.world import World
from tests.support.stack import Stack

Ask = Callable[..., Result]
CONFIG = ".config/pipeline-studio/config.json"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Of a person without any configuration, who works in another folder."""
    for name in ("STUDIO_URL", "STUDIO_WORKSPACE", "STUDIO_TOKEN", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "somebody"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return place


@pytest.fixture
def ask(home: Path) -> Ask:
    def run(*arguments: str, code: int = 0, given: str = "") -> Result:
        result = CliRunner().invoke(studio, arguments, input=given, prog_name="studio")
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def member(ask: Ask, workspace: Workspace) -> Ask:
    """Somebody who has logged in."""
    ask("login", workspace.url, given=f"{token_of(workspace)}\n")
    return ask


def token_of(workspace: Workspace) -> str:
    return str(workspace._auth.get_token())


def test_login_keeps_what_was_tried(ask: Ask, home: Path, workspace: Workspace) -> None:
    token = token_of(workspace)
    said = ask("login", workspace.url, given=f"{token}\n")
    assert "The workspace ours" in said.stdout
    assert token not in said.output
    place = home / CONFIG
    assert json.loads(place.read_text()) == {"url": workspace.url, "workspace": "ours", "token": token}
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [each.name for each in place.parent.iterdir()] == ["config.json"]
    assert Workspace.from_config().get_details()["role"] == "owner"


def test_login_refuses_and_keeps_nothing(ask: Ask, home: Path, workspace: Workspace, world: World) -> None:
    token = token_of(workspace)
    assert "does not know this token" in ask("login", workspace.url, given="wrong\n", code=1).stderr
    assert "no token on the standard input" in ask("login", workspace.url, code=1).stderr
    assert "begins with http" in ask("login", "studio.example.org", given=token, code=1).stderr
    assert "Say which studio" in ask("login", given=token, code=2).stderr
    World.make("theirs")
    refused = ask("login", workspace.url, "-w", "theirs", given=token, code=1)
    assert "no workspace “theirs”" in refused.stderr
    workspace._client.make_workspace("newer", "Newer")
    assert "--workspace NAME: newer, ours" in ask("login", workspace.url, given=token, code=1).stderr
    assert not (home / CONFIG).exists()
    ask("login", workspace.url, "-w", "newer", given=token)
    assert Workspace.from_config().name == "newer"


def test_a_kept_token_goes_to_no_other_server(member: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("STUDIO_WORKSPACE", "ours")
    assert "There is no token" in member("runs", code=1).stderr


def test_without_login_it_is_said_what_to_do(ask: Ask) -> None:
    refused = ask("runs", code=1)
    assert "studio login" in refused.stderr
    assert refused.stdout == ""


def test_what_a_workspace_has(member: Ask, world: World) -> None:
    assert world.datastore.name in member("datastores").stdout
    stores = json.loads(member("datastores", "--json").stdout)
    assert [store["name"] for store in stores if store["is_default"]] == [world.datastore.name]
    header, *rows = member("compute").stdout.splitlines()
    assert header.split()[:3] == ["NAME", "KIND", "NODES"]
    assert any(world.node.target.name in row for row in rows)
    assert member("data").stderr == "There are no datasets.\n"
    assert json.loads(member("data", "--json").stdout) == []
    made = Environment("plots")
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=["six==1.17.0"])
    made.register(Workspace.from_config())
    assert "six==1.17.0" in member("env").stdout
    assert "plots" in [each["name"] for each in json.loads(member("env", "--json").stdout)]


def test_runs_are_listed_cancelled_and_submitted_again(member: Ask, world: World) -> None:
    rate = {"name": "rate", "type": "number", "default": 0.1}
    pipeline = world.pipeline(world.step("train"), parameters=[rate])
    run = world.submit(pipeline, experiment="trials")
    world.submit(pipeline, experiment="others")
    (row,) = json.loads(member("runs", "--json", "-e", "trials").stdout)
    assert (row["id"], row["status"]) == (run.pk, "queued")
    assert len(member("runs").stdout.splitlines()) == 3
    assert len(member("runs", "-n", "1").stdout.splitlines()) == 2
    assert "no such runs" in member("runs", "-s", "failed").stderr
    assert member("cancel", str(run.pk)).stdout == f"Run {run.pk} is over: cancelled.\n"  # nothing of it had begun
    assert "was over already" in member("cancel", str(run.pk)).stdout
    assert Run.objects.get(pk=run.pk).status == "cancelled"
    assert "depth" in member("rerun", str(run.pk), "-p", "depth=1", code=1).stderr
    assert "NAME=VALUE" in member("rerun", str(run.pk), "-p", "depth", code=2).stderr
    assert "--failed is for a run" in member("rerun", f"{run.pk}:train", "--failed", code=2).stderr
    done = world.submit(pipeline, parameters={"rate": 0.5})
    again = member("rerun", str(done.pk), "-p", "rate=0.25", "--json")
    state = json.loads(again.stdout)
    assert Run.objects.get(pk=state["id"]).parameters.values == {"rate": 0.25}
    assert state["id"] != done.pk
    assert f"which is run {done.pk} again" in member("rerun", str(done.pk)).stdout
    assert "goes on with 1 of its steps" in member("rerun", str(run.pk), "--failed").stdout


def test_the_run_of_another_workspace_is_nobody_s(member: Ask, world: World) -> None:
    theirs = World.make("theirs")
    run = theirs.submit(theirs.pipeline(theirs.step("train")))
    for command in ("cancel", "rerun", "logs", "download"):
        assert "There is no run" in member(command, str(run.pk), code=1).stderr
        assert "no id of a run" in member(command, "nothing", code=1).stderr
    assert Run.objects.get(pk=run.pk).cancel_requested_at is None
    assert "no such workspace" in member("runs", "-w", "theirs", code=1).stderr


def test_who_only_reads_starts_and_ends_nothing(ask: Ask, read_only: Workspace, world: World) -> None:
    run = world.submit(world.pipeline(world.step("train")))
    ask("login", read_only.url, given=token_of(read_only))
    assert str(run.pk) in ask("runs").stdout
    for command in ("cancel", "rerun"):
        assert ask(command, str(run.pk), code=1).stderr.startswith("Error: ")
    assert Run.objects.count() == 1
    assert Run.objects.get().cancel_requested_at is None


def test_a_pipeline_goes_out_and_comes_back(member: Ask, world: World, tmp_path: Path) -> None:
    pipeline = world.pipeline(world.step("train"), name="digits")
    text = member("export", "digits").stdout
    assert "train" in text
    archive, file = tmp_path / "digits.zip", tmp_path / "digits.yml"
    member("export", "digits", "--archive", "-o", str(archive))
    assert zipfile.ZipFile(archive).testzip() is None
    member("export", "digits", "-o", str(file))
    assert file.read_text() == text
    assert "Did you mean “digits”" in member("export", "digit", code=1).stderr
    assert "no version 9" in member("export", "digits", "--version", "9", code=1).stderr
    file.write_text(text.replace("name: digits", "name: letters"))
    row = json.loads(member("import", str(file), "--json").stdout)
    letters = Pipeline.objects.get(name="letters")
    assert (row["id"], row["latest_version"]) == (letters.pk, 1)
    assert letters.versions.get().definition.steps == pipeline.versions.get().definition.steps
    assert "“digits”, version" in member("import", str(archive)).stdout
    file.write_text("name: [")
    assert "digits.yml:2:1: This is no YAML" in member("import", str(file), code=1).stderr


def test_a_file_becomes_a_run(member: Ask, world: World, tmp_path: Path) -> None:
    rate = {"name": "rate", "type": "number", "default": 0.1}
    world.pipeline(world.step("train"), name="Digits, of ours!", parameters=[rate])
    file = tmp_path / "digits.yml"
    member("export", "Digits, of ours!", "-o", str(file))
    refused = member("run", str(file), "-p", "depth=1", code=1)
    assert "no parameter “depth”. There are: rate." in refused.stderr
    assert "Parameter “rate”" in member("run", str(file), "-p", "rate=fast", code=1).stderr
    assert not Run.objects.exists()
    state = json.loads(member("run", str(file), "-p", "rate=0.5", "-e", "trials", "--json").stdout)
    run = Run.objects.get()
    assert (run.pk, run.parameters.values, run.experiment.name) == (state["id"], {"rate": 0.5}, "trials")
    assert run.pipeline.name == "Digits, of ours!"
    said = member("run", str(file), "--regenerate").stdout
    latest = Run.objects.latest("pk")
    assert f"Submitted PipelineRun {latest.pk}\n" in said
    assert (latest.regenerate_outputs, latest.experiment.name) == (True, "Digits-of-ours")


def test_what_makes_no_sense_is_told_at_once(member: Ask, tmp_path: Path) -> None:
    for name in ("a.txt", "a.yml", "a.py"):
        (tmp_path / name).write_text("")
    assert "neither a pipeline" in member("run", str(tmp_path / "a.txt"), code=2).stderr
    assert "--compute can be given" in member("run", str(tmp_path / "a.yml"), "--compute", "x", code=2).stderr
    assert "--regenerate can be given" in member("run", str(tmp_path / "a.py"), "--regenerate", code=2).stderr
    assert "does not exist" in member("run", str(tmp_path / "none.py"), code=2).stderr
    assert not Pipeline.objects.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(ask: Ask, shell: str) -> None:
    assert "_STUDIO_COMPLETE" in ask("completion", shell).stdout


# From here on as a person types it, in a process of its own, on a real node.

TRAIN = """
import os, sys, time
from studio_sdk.core import Run
print("given", sys.argv[1:])
os.makedirs("outputs", exist_ok=True)
with open("outputs/model.txt", "w") as file:
    file.write("weights")
print("last words")
"""


@pytest.fixture
def node(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(STUDIO_NODE_HEARTBEAT_S="0.5")
    stack.node(world.node.target_id)
    return stack


def variables(workspace: Workspace, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SDK),
        "HOME": str(home),
        "STUDIO_URL": workspace.url,
        "STUDIO_WORKSPACE": "ours",
        "STUDIO_TOKEN": token_of(workspace),
    }


COMMAND = (sys.executable, "-c", "import sys; from studio_sdk._studio import main; sys.exit(main())")


def typed(workspace: Workspace, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=variables(workspace, home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_script_runs_and_leaves_its_files(
    workspace: Workspace, world: World, node: Stack, home: Path, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text(TRAIN)
    target = ("--compute", world.node.target.name)
    ran = typed(workspace, home, "run", str(code / "train.py"), *target, "-p", "rate=0.1", "--follow", "--", "--more")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "[train] given ['--rate', '0.1', '--more']" in ran.stdout
    assert "[train] last words" in ran.stdout
    run = Run.objects.get()
    logs = typed(workspace, home, "logs", f"{run.pk}:train")
    assert logs.stdout.endswith("last words\n")
    got = typed(workspace, home, "download", str(run.pk), "--artifacts", "--logs", "--to", "here")
    assert got.returncode == 0, got.stderr
    assert (home / "here/train/outputs/model.txt").read_text() == "weights"
    assert "last words" in (home / f"here/{run.pk}-train.log").read_text()
    assert "no output “none”" in typed(workspace, home, "download", str(run.pk), "-o", "none").stderr


def test_a_failed_run_is_a_failure_of_the_command(
    workspace: Workspace, world: World, node: Stack, home: Path, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "bad.py").write_text("import sys\nsys.exit('no such column: price')\n")
    target = ("--compute", world.node.target.name)
    ran = typed(workspace, home, "run", str(code / "bad.py"), *target, "-f", "--json")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "no such column: price" in ran.stderr
    assert json.loads(ran.stdout)["status"] == "failed"
    assert typed(workspace, home, "logs", "-f", str(Run.objects.get().pk)).returncode == 1


def test_who_stops_watching_stops_no_run(workspace: Workspace, world: World, home: Path) -> None:
    run = world.submit(world.pipeline(world.step("train")))
    watching = subprocess.Popen(
        [*COMMAND, "logs", "-f", str(run.pk)],
        env={**variables(workspace, home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As at a terminal, also where these tests themselves run behind a shell's “&”.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 (one thread)
    )
    assert watching.stdout is not None
    assert f"Run {run.pk}: " in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _out, err = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert f"Run {run.pk} goes on." in err
    assert Run.objects.get().cancel_requested_at is None
    typed(workspace, home, "cancel", str(run.pk))
    ended = typed(workspace, home, "logs", "-f", str(run.pk))
    assert ended.returncode == 3, ended.stdout + ended.stderr


def test_without_click_it_says_what_to_install(home: Path) -> None:
    hidden = "import sys; sys.modules['click'] = None; from studio_sdk._studio import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", hidden],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SDK), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "studio-sdk[cli]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_up_becomes_the_studio_of_the_folder_or_one_above(home: Path, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    below = root / "static" / "src"
    below.mkdir(parents=True)
    (root / "manage.py").touch()
    setup = root / "studio" / "installation" / "setup.py"
    setup.parent.mkdir(parents=True)
    setup.write_text("import os, sys\nprint(os.getcwd(), *sys.argv[1:])\n")
    command = [sys.executable, "-c", "from studio_sdk._studio import main; main()", "up"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SDK)}

    def up(*more: str, at: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], cwd=at, env=environment, capture_output=True, text=True, check=False)

    rest = "up -- .venv/bin/python manage.py up --host 127.0.0.1 --port"
    assert up(at=below).stdout == f"{root} {rest} 8000\n"
    assert up("-C", str(root), "--port", "8123", "--no-demo", at=tmp_path).stdout == f"{root} {rest} 8123 --no-demo\n"
    refused = up(at=tmp_path)
    assert refused.returncode == 1
    assert "holds a Pipeline Studio. Clone its repository" in refused.stderr
    assert up("--port", "0", at=root).returncode == 2
