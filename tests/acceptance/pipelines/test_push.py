"""`python -m studio_sdk push` as a person types it, against a real server."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from compute.execution.sdk import SDK
from datastores import snapshots
from pipelines.models import Pipeline, PipelineVersion
from studio.workspaces.models import Role
from tests.service.pipelines.world import World


@dataclass
class Pushed:
    code: int
    out: str
    err: str


Push = Callable[..., Pushed]


@pytest.fixture
def token(world: World) -> str:
    made: str = AuthToken.objects.create(world.owner)[1]
    return made


@pytest.fixture
def push(world: World, live_server: LiveServer, token: str, tmp_path: Path) -> Push:
    def run(folder: Path, *options: str, **variables: str) -> Pushed:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SDK),
            "HOME": str(tmp_path),
            "STUDIO_URL": live_server.url,
            "STUDIO_WORKSPACE": "ours",
            "STUDIO_TOKEN": token,
            **variables,
        }
        command = [sys.executable, "-m", "studio_sdk", "push", str(folder), "--pipeline", "digits", *options]
        if "--step" not in options:
            command += ["--step", "train"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert token not in ended.stdout + ended.stderr
        return Pushed(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "main.py").write_text("print('pushed')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / ".gitignore").write_text("*.bin\n")
    (folder / "large.bin").write_text("no")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "remote", "add", "origin", "https://ada:hidden@example.org/code.git")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(
        ["git", *who, "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def latest(pipeline: Pipeline) -> PipelineVersion:
    version = pipeline.versions.order_by("-number").first()
    assert version is not None
    return version


def test_a_folder_becomes_the_files_of_a_step(world: World, push: Push, checkout: Path) -> None:
    pipeline = world.pipeline(world.step("train"), world.step("test", "train"))
    pushed = push(checkout)
    assert pushed.code == 0, pushed.err
    commit = git(checkout, "rev-parse", "HEAD")
    assert f"“digits”, version 2: step “train” has 3 files, commit {commit[:10]} on main." in pushed.out
    assert f"/w/ours/pipelines/{pipeline.pk}/" in pushed.out
    train, test = latest(pipeline).definition.steps
    assert test.source == world.source
    assert train.git is not None
    assert train.git.model_dump() == {
        "repository": "https://example.org/code.git",
        "branch": "main",
        "commit": commit,
        "dirty": False,
        "diff": "",
        "diff_note": "",
        "source": train.source,
    }
    files = snapshots.get_snapshot(world.workspace, str(train.source)).manifest.files
    assert {file.path: file.executable for file in files} == {".gitignore": False, "main.py": False, "run.sh": True}
    again = push(checkout)
    assert "version 2 as before" in again.out
    assert latest(pipeline).number == 2


def test_uncommitted_changes_come_along_unless_they_are_kept_back(world: World, push: Push, checkout: Path) -> None:
    pipeline = world.pipeline(world.step("train"))
    (checkout / "main.py").write_text("print('changed')\n")
    (checkout / "new.py").write_text("1")
    assert "with uncommitted changes" in push(checkout).out
    kept = latest(pipeline).definition.steps[0].git
    text = snapshots.read_text(snapshots.get_snapshot(world.workspace, kept.diff), "changes.diff")[1]
    assert "# untracked: new.py\n" in text
    assert "+print('changed')\n" in text
    pushed = push(checkout, "--no-diff")
    assert "It was left out" in pushed.err
    assert latest(pipeline).definition.steps[0].git.diff == ""
    assert latest(pipeline).definition.steps[0].git.dirty is True


def test_a_folder_of_no_checkout(world: World, push: Push, tmp_path: Path) -> None:
    pipeline = world.pipeline(world.step("train"))
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "other.py").write_text("1")
    pushed = push(folder, "--script", "other.py")
    assert pushed.code == 0, pushed.err
    assert "1 file, of no git checkout" in pushed.out
    assert latest(pipeline).definition.steps[0].entry == "other.py"
    assert latest(pipeline).definition.steps[0].git is None
    pushed = push(folder, "--script", "othr.py")
    assert (pushed.code, "Did you mean “other.py”?" in pushed.err) == (1, True)


def test_a_script_that_is_not_there_is_told_and_saved_all_the_same(world: World, push: Push, tmp_path: Path) -> None:
    world.pipeline(world.step("train"))
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "other.py").write_text("1")
    pushed = push(folder)
    assert pushed.code == 0
    assert "Before it can be submitted: There is no “main.py”" in pushed.err


def test_what_is_missing_is_said_in_words(world: World, push: Push, checkout: Path, tmp_path: Path) -> None:
    world.pipeline(world.step("train"), {"kind": "approval", "name": "ask", "message": "Go on?"})
    for said, options, variables in [
        ("Say which studio", (), {"STUDIO_URL": ""}),
        ("Say which workspace", (), {"STUDIO_WORKSPACE": ""}),
        ("Put your token into", (), {"STUDIO_TOKEN": ""}),
        ("does not know this token", (), {"STUDIO_TOKEN": "wrong"}),
        ("begins with http", (), {"STUDIO_URL": "file:///etc/passwd"}),
        ("address alone", (), {"STUDIO_URL": "http://ada:hidden@localhost"}),
        ("no address of a server", (), {"STUDIO_URL": "http://[::1"}),
        ("can't be reached", (), {"STUDIO_URL": "http://127.0.0.1:9"}),
        ("no such workspace", (), {"STUDIO_WORKSPACE": "another"}),
        ("no step “trane”. Did you mean “train”?", ("--step", "trane"), {}),
        ("runs no files of its own", ("--step", "ask"), {}),
        ("There is no pipeline “digit”", ("--pipeline", "digit"), {}),
    ]:
        pushed = push(checkout, *options, **variables)
        assert pushed.code == 1, said
        assert said in pushed.err
        assert "Traceback" not in pushed.err
        assert "hidden" not in pushed.err
    pushed = push(tmp_path / "nothing")
    assert (pushed.code, "There is no folder" in pushed.err) == (1, True)


def test_a_token_may_stand_in_a_file(world: World, push: Push, checkout: Path, tmp_path: Path, token: str) -> None:
    world.pipeline(world.step("train"))
    (tmp_path / "token").write_text(f"{token}\n")
    pushed = push(checkout, "--token-file", str(tmp_path / "token"), STUDIO_TOKEN="")
    assert pushed.code == 0, pushed.err


def test_what_git_ignores_and_is_sent_is_told(world: World, push: Push, checkout: Path) -> None:
    world.pipeline(world.step("train"))
    (checkout / ".amlignore").write_text("run.sh\n")
    pushed = push(checkout)
    assert pushed.code == 0, pushed.err
    assert "Git ignores large.bin, and it is sent: .amlignore here could leave it out." in pushed.err
    assert "main.py" not in pushed.err


class TestModulesOfTheCurrentFolder:
    """What looks like a module of the standard library there says so when it is imported, and ends the program."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in sys.stdlib_module_names:
            (tmp_path / f"{name}.py").write_text("print('it ran', __name__)\nraise SystemExit(3)\n")
        return tmp_path

    def asked(self, folder: Path, *python: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PYTHONPATH": str(SDK), **variables}
        command = [sys.executable, *python, "push", "--help"]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    def test_none_is_imported_where_python_is_told_not_to(self, folder: Path) -> None:
        ended = self.asked(folder, "-P", "-m", "studio_sdk")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "--pipeline NAME" in ended.stdout

    def test_none_is_imported_but_what_python_needs_to_find_the_command(self, folder: Path) -> None:
        needed = [sys.executable, "-c", "import runpy, sys; print(*sys.modules)"]
        for name in subprocess.run(needed, capture_output=True, text=True, check=True).stdout.split():
            (folder / f"{name}.py").unlink(missing_ok=True)
        assert (folder / "queue.py").exists()
        ended = self.asked(folder, "-m", "studio_sdk")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        shutil.copytree(SDK / "studio_sdk", folder / "studio_sdk")
        ended = self.asked(folder, "-m", "studio_sdk", PYTHONPATH="")
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def test_none_is_imported_by_the_command_that_is_installed(self, folder: Path, tmp_path: Path) -> None:
        scripts = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]["scripts"]
        module, _, name = scripts["studio-sdk"].partition(":")
        script = tmp_path / "bin" / "studio-sdk"
        script.parent.mkdir()
        script.write_text(f"import sys\nfrom {module} import {name}\nsys.exit({name}())\n")
        ended = self.asked(folder, str(script))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "usage: studio-sdk push" in ended.stdout


def test_a_reader_is_refused(world: World, push: Push, checkout: Path) -> None:
    pipeline = world.pipeline(world.step("train"))
    reader = AuthToken.objects.create(world.member("reader", Role.READER))[1]
    pushed = push(checkout, STUDIO_TOKEN=reader)
    assert pushed.code == 1
    assert "role" in pushed.err
    assert latest(pipeline).number == 1


def test_a_token_goes_to_no_other_server(world: World, push: Push, checkout: Path, token: str) -> None:
    heard: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/other?{token}")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        pushed = push(checkout, STUDIO_URL=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert pushed.code == 1
    assert "sends on to http://localhost" in pushed.err
    assert len(heard) == 1


class TestSomebodySavesMeanwhile:
    """git itself is slow here: what it waits for, the test does."""

    @pytest.fixture
    def slow_git(self, tmp_path: Path) -> Path:
        """A git that tells when it is asked first, and goes on when it may."""
        program = tmp_path / "bin" / "git"
        program.parent.mkdir()
        (tmp_path / "may go on").write_text("")
        program.write_text(
            f"#!/bin/sh\n[ -e '{tmp_path}/asked' ] || {{ touch '{tmp_path}/asked';"
            f" while [ -e '{tmp_path}/may go on' ]; do sleep 0.05; done; }}\n"
            f'exec {subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()} "$@"\n'
        )
        program.chmod(0o755)
        return program.parent

    def pushed_while(
        self, push: Push, checkout: Path, slow_git: Path, tmp_path: Path, save: Callable[[], None]
    ) -> Pushed:
        from tests.support.waiting import wait_for

        ended: list[Pushed] = []
        path = f"{slow_git}:{os.environ['PATH']}"
        pushing = Thread(target=lambda: ended.append(push(checkout, PATH=path)))
        pushing.start()
        wait_for((tmp_path / "asked").exists, what="git is asked")
        save()
        (tmp_path / "may go on").unlink()
        pushing.join()
        return ended[0]

    def test_another_step_both_are_kept(
        self, world: World, push: Push, checkout: Path, slow_git: Path, tmp_path: Path
    ) -> None:
        pipeline = world.pipeline(world.step("train"), world.step("test"))
        theirs = world.step("test", description="theirs")
        pushed = self.pushed_while(
            push, checkout, slow_git, tmp_path, lambda: world.save(pipeline, world.step("train"), theirs)
        )
        assert pushed.code == 0, pushed.err
        version = latest(pipeline)
        assert version.number == 3
        assert version.definition.steps[1].description == "theirs"
        assert version.definition.steps[0].git is not None

    def test_the_same_files_of_another_commit_are_no_change(
        self, world: World, push: Push, checkout: Path, slow_git: Path, tmp_path: Path
    ) -> None:
        pipeline = world.pipeline(world.step("train"))
        theirs = world.step("train", git={"commit": "a" * 40, "source": world.source})
        pushed = self.pushed_while(push, checkout, slow_git, tmp_path, lambda: world.save(pipeline, theirs))
        assert pushed.code == 0, pushed.err
        assert latest(pipeline).number == 3
        assert latest(pipeline).definition.steps[0].git.commit == git(checkout, "rev-parse", "HEAD")

    def test_the_same_step_nothing_is_overwritten(
        self, world: World, push: Push, checkout: Path, slow_git: Path, tmp_path: Path
    ) -> None:
        pipeline = world.pipeline(world.step("train"))
        theirs = world.step("train", description="theirs")
        pushed = self.pushed_while(push, checkout, slow_git, tmp_path, lambda: world.save(pipeline, theirs))
        assert pushed.code == 1
        assert "Somebody changed the step “train”" in pushed.err
        assert latest(pipeline).number == 2
        assert latest(pipeline).definition.steps[0].description == "theirs"
