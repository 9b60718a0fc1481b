"""Runs by the SDK, on a real node: watched through a broken connection, asked for all that they left, and told why."""

import io
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_django.live_server_helper import LiveServer
from studio_sdk.core import Dataset, Experiment, Model, Run, Workspace, get_run
from studio_sdk.core.authentication import TokenAuthentication
from studio_sdk.exceptions import (
    ActivityFailedException,
    ModelNotFoundException,
    NotSupportedException,
    UserErrorException,
)

from datastores import snapshots
from tests.acceptance.sdk.conftest import of
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for

SCRIPTS = {
    "train.py": """
import os, time
from studio_sdk.core import Run
run = Run.get_context()
print("inputs", sorted(run.input_datasets))
rows = run.input_datasets["sales"]
print(type(rows).__name__, os.path.isdir(rows._local))
print(open(run.input_datasets["note"]).read())
os.makedirs(run.output_datasets["out"], exist_ok=True)
with open(os.path.join(run.output_datasets["out"], "done.txt"), "w") as file:
    file.write("done")
for number in range(3):
    run.log("loss", 1 / (number + 1))
    time.sleep(0.4)
    print("epoch", number)
run.log("accuracy", 0.75)
run.log_list("names", ["a", "b"])
run.log_table("scores", {"fold": [1, 2], "score": [0.5, 0.6]})
run.tag("stage", "baseline")
run.add_properties({"rows": 100})
os.makedirs("outputs/model", exist_ok=True)
for name in ("weights.bin", "words.txt"):
    with open(f"outputs/model/{name}", "w") as file:
        file.write(name)
print("last words")
""",
    "fails.py": "import sys\nprint('about to fail')\nsys.exit('no such column: price')\n",
}


class Gate:
    """A way to the server that can be shut, as while it is started again."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        target = (parts.hostname, parts.port)
        self.is_shut = False
        self.refused = 0

        class Handler(socketserver.BaseRequestHandler):
            def handle(handler) -> None:  # noqa: N805
                if self.is_shut:
                    self.refused += 1
                    return
                with socket.create_connection(target) as there:
                    back = threading.Thread(target=_pour, args=(there, handler.request), daemon=True)
                    back.start()
                    _pour(handler.request, there)
                    back.join()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(STUDIO_NODE_HEARTBEAT_S="0.5")
    stack.node(world.node.target_id)
    return stack


@pytest.fixture
def gate(live_server: LiveServer) -> Iterator[Gate]:
    made = Gate(live_server.url)
    yield made
    made.close()


@pytest.fixture
def source(world: World) -> str:
    files = [(path, io.BytesIO(text.encode())) for path, text in SCRIPTS.items()]
    return snapshots.add_files(world.workspace, None, files).digest


@pytest.fixture
def submit(workspace: Workspace, world: World, source: str) -> Callable[..., Run]:
    def make(*steps: dict[str, Any]) -> Run:
        pipeline = world.pipeline(*({**step, "source": source} for step in steps))
        row = workspace._client.post(f"/pipelines/{pipeline.pk}/runs/", {"experiment": "trials"})
        return get_run(Experiment(workspace, "trials"), row["id"])

    return make


def test_a_run_is_watched_and_asked(  # noqa: PLR0917 (fixtures)
    workspace: Workspace,
    world: World,
    submit: Callable[..., Run],
    gate: Gate,
    studio: Stack,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    store = workspace.get_default_datastore()
    (tmp_path / "sales.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "note.txt").write_text("a note")
    store.upload_files([tmp_path / "sales.csv", tmp_path / "note.txt"], target_path="given", show_progress=False)
    Dataset.Tabular.from_delimited_files((store, "given/sales.csv")).register(workspace, "sales")
    Dataset.File.from_files((store, "given/note.txt")).register(workspace, "note")
    inputs = [{"name": name, "binding": {"kind": "dataset", "dataset": name}} for name in ("sales", "note")]
    step = world.step("train") | {"entry": "train.py", "inputs": inputs, "arguments": ""}
    submitted = submit(step)

    # The same run, asked through a gate that is shut for a while.
    token = workspace._auth.get_token()
    through = Workspace(workspace_name="ours", url=gate.address, auth=TokenAuthentication(lambda _audience: token))
    run = Run.get(through, submitted.id)
    shut = threading.Thread(target=_shut_for_a_while, args=(gate, workspace, submitted.id), daemon=True)
    shut.start()
    assert run.wait_for_completion(show_output=True) == "Finished"
    details = run.get_details()
    shut.join()
    assert gate.refused
    said = capsys.readouterr().out
    assert details["status"] == "Completed"
    for line in ("[train] epoch 0", "[train] epoch 2", "[train] last words"):
        assert said.count(f"{line}\n") == 1, said
    assert "[train] TabularDataset True" in said
    assert "[train] a note" in said
    assert "Step train: Completed." in said

    assert run.get_status() == run.status == "Finished"
    (train,) = run.get_children()
    assert (train.id, train.name, train.type) == (f"{run.id}:train", "train", "azureml.StepRun")
    assert train.parent is not None
    assert train.parent.id == run.id
    assert train.get_metrics() == {
        "loss": [1.0, 0.5, pytest.approx(1 / 3)],
        "accuracy": 0.75,
        "names": ["a", "b"],
        "scores": [{"fold": 1, "score": 0.5}, {"fold": 2, "score": 0.6}],
    }
    assert run.get_metrics(recursive=True)[train.id]["accuracy"] == 0.75
    assert (train.get_tags(), train.get_properties()["rows"]) == ({"stage": "baseline"}, "100")
    train.tag("seen", "yes")
    train.remove_tags("seen")
    assert "seen" not in train.get_tags()
    assert train.get_file_names() == ["outputs/model/weights.bin", "outputs/model/words.txt"]
    train.download_file("outputs/model/words.txt", str(tmp_path / "words"))
    assert (tmp_path / "words").read_text() == "words.txt"
    train.download_files("outputs/model/w", str(tmp_path / "all"))
    assert (tmp_path / "all/outputs/model/weights.bin").read_text() == "weights.bin"
    with pytest.raises(UserErrorException, match="It has: outputs/model"):
        train.download_file("outputs/nothing")
    (log,) = run.get_all_logs(str(tmp_path / "logs"))
    assert "last words" in Path(log).read_text()
    assert "last words" in train.get_details_with_logs()["logFiles"][f"{run.id}-train.log"]
    assert [each["name"] for each in train.get_details()["inputDatasets"]] == ["sales", "note"]
    assert train.restore_snapshot(path=str(tmp_path / "code"))
    assert (tmp_path / "code/train.py").read_text() == SCRIPTS["train.py"]
    with pytest.raises(NotSupportedException, match="get_context"):
        train.log("late", 1)

    model = train.register_model("digits", "outputs/model", tags={"a": "b"}, model_framework="own")
    assert (model.id, model.run_id, model.tags) == ("digits:1", train.id, {"a": "b", "framework": "own"})
    assert train.register_model("digits", "outputs/model/words.txt").version == 2
    found = Model(workspace, "digits", tags=[["a", "b"]])
    assert found.version == 1
    assert found.download(str(tmp_path / "model")) == str(tmp_path / "model")
    assert (tmp_path / "model/weights.bin").read_text() == "weights.bin"
    assert Path(Model(workspace, "digits").download(str(tmp_path / "one"))).read_text() == "words.txt"
    found.add_tags({"c": "d"})
    found.update(stage="production")
    assert (Model(workspace, id="digits:1").stage, workspace.models["digits"].version) == ("production", 2)
    with pytest.raises(ModelNotFoundException, match="version 9"):
        Model(workspace, "digits", version=9)
    assert [each.id for each in Experiment(workspace, "trials").get_runs(include_children=True)] == [run.id, train.id]
    assert list(Experiment(workspace, "trials").get_runs(tags={"no": "such"})) == []


def _shut_for_a_while(gate: Gate, workspace: Workspace, run_id: str) -> None:
    """From when its step runs on, until several have been refused."""
    step = Run.get(workspace, f"{run_id}:train")
    wait_for(lambda: step.get_status() not in ("NotStarted", "Queued", "Preparing"), what="the step runs", timeout_s=60)
    gate.is_shut = True
    wait_for(lambda: gate.refused >= 2, what="two are refused", timeout_s=60)
    gate.is_shut = False


def test_a_failure_says_why(
    world: World, submit: Callable[..., Run], studio: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    run = submit(
        world.step("bad") | {"entry": "fails.py"},
        world.step("after", "bad") | {"entry": "train.py"},
    )
    with pytest.raises(ActivityFailedException, match="no such column: price") as failure:
        run.wait_for_completion(show_output=True)
    assert "Step bad: " in failure.value.error_details
    assert "[bad] about to fail" in capsys.readouterr().out
    assert run.wait_for_completion(raise_on_error=False) == "Failed"
    details = run.get_details()
    assert details["status"] == "Failed"
    states = {child.name: child.get_status() for child in run.get_children()}
    assert states == {"bad": "Failed", "after": "Canceled"}


def test_a_run_is_cancelled_and_is_nobody_else_s(
    workspace: Workspace, world: World, submit: Callable[..., Run], live_server: LiveServer
) -> None:
    run = submit(world.step("waits") | {"entry": "train.py"})
    theirs = World.make("theirs")
    foreign = of(theirs, live_server, theirs.owner)
    with pytest.raises(UserErrorException, match="There is no run"):
        Run.get(foreign, run.id)
    with pytest.raises(UserErrorException, match="has no step"):
        Run.get(workspace, f"{run.id}:other")
    with pytest.raises(UserErrorException, match="no id of a run"):
        Run.get(workspace, "not a number")
    run.cancel()
    with pytest.raises(ActivityFailedException, match="was cancelled"):
        run.wait_for_completion()
    assert run.get_status() == "Canceled"
