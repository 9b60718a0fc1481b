"""Steps of the SDK as definitions: what a program says becomes what the builder would have written."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compute.execution.sdk import SDK
from pipelines.arguments import command_arguments, parse
from pipelines.sweeping.space import read
from pipelines.validation import parse_definition

sys.path.append(str(SDK))

from studio_sdk.core import Experiment, Run, RunConfiguration, ScriptRunConfig, Workspace
from studio_sdk.core._following import _Watch
from studio_sdk.core.datastore import Datastore
from studio_sdk.core.environment import Environment
from studio_sdk.data import OutputFileDatasetConfig
from studio_sdk.data.data_reference import DataReference
from studio_sdk.data.datapath import DataPath
from studio_sdk.exceptions import NotSupportedException, UserErrorException
from studio_sdk.pipeline.core import (
    InputPortBinding,
    OutputPortBinding,
    Pipeline,
    PipelineData,
    PipelineEndpoint,
    PipelineParameter,
    PublishedPipeline,
    Schedule,
    ScheduleRecurrence,
    StepSequence,
    TimeZone,
    TrainingOutput,
)
from studio_sdk.pipeline.core._names import is_name_of, step_name
from studio_sdk.pipeline.core._sending import typed_values
from studio_sdk.pipeline.core._texts import argument
from studio_sdk.pipeline.steps import (
    AutoMLStep,
    CommandStep,
    DatabricksStep,
    DataTransferStep,
    EstimatorStep,
    HyperDriveStep,
    MpiStep,
    NotebookRunConfig,
    NotebookRunnerStep,
    ParallelRunConfig,
    ParallelRunStep,
    PythonScriptStep,
    RScriptStep,
)
from studio_sdk.train.estimator import Estimator
from studio_sdk.train.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    HyperDriveConfig,
    PrimaryMetricGoal,
    RandomParameterSampling,
    choice,
    loguniform,
    normal,
    quniform,
    uniform,
)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Nobody is asked: there is no server at this address."""
    monkeypatch.delenv("STUDIO_URL", raising=False)
    return Workspace(workspace_name="ours", url="http://127.0.0.1:9", token="x")


@pytest.fixture
def store(workspace: Workspace) -> Datastore:
    row = {"id": 1, "name": "lake", "kind": "local", "holds": "files", "is_writable": True, "description": ""}
    made: Datastore = Datastore._of(workspace, row)
    return made


@pytest.fixture
def src(tmp_path: Path) -> str:
    for name in ("a.py", "b.py", "report.ipynb"):
        (tmp_path / name).write_text("")
    return str(tmp_path)


def definition(workspace: Workspace, steps: Any, **more: Any) -> dict[str, Any]:
    """Of a pipeline; the studio can read it."""
    made: dict[str, Any] = Pipeline(workspace, steps, **more).definition()
    parse_definition(made)
    return made


def only(workspace: Workspace, step: Any, **more: Any) -> dict[str, Any]:
    (made,) = definition(workspace, [step], **more)["steps"]
    return dict(made)


class TestArguments:
    @pytest.mark.parametrize(
        "text",
        [
            "plain",
            "with blank",
            "it's",
            "",
            'a "quoted" word',
            'it\'s "both" $HOME',
            "back\\slash's",
            "$[[x]]",
            "*",
            "ä",
            "a\nb",
        ],
    )
    def test_each_stays_one_and_as_it_is(self, text: str) -> None:
        assert command_arguments(parse(argument(text)), {}) == [text]

    def test_a_placeholder_stays_one_within_a_text(self) -> None:
        line = argument("--rate=${{parameters.rate}} it's")
        assert command_arguments(parse(line), {"rate": 0.5}) == ["--rate=0.5 it's"]

    def test_all_that_may_stand_there(self, workspace: Workspace, src: str) -> None:
        rate, data = PipelineParameter("rate", 0.5), PipelineData("data")
        step = PythonScriptStep(
            "a.py",
            arguments=["--n", 3, True, 0.25, Path("x/y"), rate, data, f"--out={data}/deep"],
            outputs=[data],
            source_directory=src,
        )
        made = only(workspace, step)
        assert made["arguments"] == (
            "--n 3 True 0.25 x/y ${{parameters.rate}} ${{outputs.data}} --out=${{outputs.data}}/deep"
        )

    def test_what_can_t_is_told(self, workspace: Workspace, src: str) -> None:
        for value, said in [
            (object(), "A object can't be an input"),
            ("$AZUREML_DATAREFERENCE_other", "none of the step's inputs and outputs"),
            (PipelineData("loose"), "neither among its inputs nor its outputs"),
        ]:
            with pytest.raises(UserErrorException, match=said):
                Pipeline(workspace, [PythonScriptStep("a.py", arguments=[value], source_directory=src)])


class TestData:
    def test_edges(self, workspace: Workspace, store: Datastore, src: str) -> None:
        data = PipelineData("data", datastore=store, output_name="written", is_directory=False)
        port = OutputPortBinding("port", is_directory=True)
        first = PythonScriptStep("a.py", "first", ["x", data, port], outputs=[data, port], source_directory=src)
        second = PythonScriptStep(
            "b.py",
            "second",
            [data.as_mount("mine"), "--p", bound := InputPortBinding("p", port, "download")],
            inputs=[data.as_mount("mine"), bound],
            source_directory=src,
        )
        del first
        gc.collect()  # what it writes knows it, as long as that is there
        made = definition(workspace, [second])
        one, two = made["steps"]
        assert one["outputs"] == [{"name": "written", "datastore": "lake", "file": "written"}, {"name": "port"}]
        assert one["arguments"] == "x ${{outputs.written}} ${{outputs.port}}"
        assert two["inputs"] == [
            {"name": "mine", "binding": {"kind": "output", "step": "first", "output": "written"}, "mode": "mount"},
            {"name": "p", "binding": {"kind": "output", "step": "first", "output": "port"}, "mode": "download"},
        ]
        assert two["arguments"] == "${{inputs.mine}} --p ${{inputs.p}}"

    def test_an_output_config_and_its_copies_are_one(self, workspace: Workspace, store: Datastore, src: str) -> None:
        config = OutputFileDatasetConfig("out", destination=(store, "models/{run-id}"))
        said = config.as_upload().register_on_complete("models", "all of them", {"stage": "new"})
        first = PythonScriptStep("a.py", arguments=[said], source_directory=src)
        second = PythonScriptStep("b.py", arguments=[config.as_input("in")], source_directory=src)
        one, two = definition(workspace, [first, second])["steps"]
        register = {"dataset": "models", "description": "all of them", "tags": {"stage": "new"}}
        assert one["outputs"] == [
            {"name": "out", "datastore": "lake", "path": "models/{run-id}", "register_as": register}
        ]
        assert two["inputs"] == [{"name": "in", "binding": {"kind": "output", "step": "a.py", "output": "out"}}]

    def test_an_output_that_is_read_as_a_table(self, workspace: Workspace, src: str) -> None:
        config = OutputFileDatasetConfig("out")
        data = PipelineData("data")
        first = PythonScriptStep("a.py", arguments=[config, data], outputs=[data], source_directory=src)
        table = config.read_delimited_files().keep_columns("a").as_input("rows")
        other = data.as_dataset().parse_parquet_files().drop_columns(["b"]).as_named_input("more")
        second = PythonScriptStep("b.py", inputs=[table, other], source_directory=src)
        (variable,) = definition(workspace, [first, second])["steps"][1]["environment_variables"]
        assert variable["name"] == "AZUREML_INPUT_TABLES"
        assert '"rows": {"how": {"format": "delimited", "has_header": true, "separator": ","}' in variable["value"]
        assert '"transformations": [{"columns": ["b"], "kind": "drop_columns"}]' in variable["value"]

    def test_places_are_parameters(self, workspace: Workspace, store: Datastore, src: str) -> None:
        reference = DataReference(store, "raw", "2026/sales", mode="download")
        where = PipelineParameter("where", DataPath(store, "other"))
        made = definition(
            workspace,
            [PythonScriptStep("a.py", arguments=[reference, where], inputs=[reference, where], source_directory=src)],
        )
        assert made["parameters"] == [
            {"name": "raw", "type": "data_path", "default": "lake/2026/sales"},
            {"name": "where", "type": "data_path", "default": "lake/other"},
        ]
        assert made["steps"][0]["inputs"] == [
            {"name": "raw", "binding": {"kind": "parameter", "parameter": "raw"}, "mode": "download"},
            {"name": "where", "binding": {"kind": "parameter", "parameter": "where"}},
        ]
        assert made["steps"][0]["arguments"] == "${{inputs.raw}} ${{inputs.where}}"

    def test_two_that_write_the_same(self, workspace: Workspace, src: str) -> None:
        config = OutputFileDatasetConfig("out")
        steps = [PythonScriptStep(name, arguments=[config], source_directory=src) for name in ("a.py", "b.py")]
        with pytest.raises(UserErrorException, match=r"write the same output.*as_input\(\)"):
            Pipeline(workspace, steps)

    def test_a_step_made_anew_takes_the_place_of_the_first(self, workspace: Workspace, src: str) -> None:
        """As when a cell of a notebook is run again."""
        data = PipelineData("data")
        for _again in range(2):
            first = PythonScriptStep("a.py", outputs=[data], source_directory=src)
        second = PythonScriptStep("b.py", inputs=[data], source_directory=src)
        assert [step["name"] for step in definition(workspace, [first, second])["steps"]] == ["a.py", "b.py"]

    def test_nobody_writes_it(self, workspace: Workspace, src: str) -> None:
        with pytest.raises(UserErrorException, match="No step writes “data”"):
            Pipeline(workspace, [PythonScriptStep("b.py", inputs=[PipelineData("data")], source_directory=src)])


class TestSteps:
    def test_names(self, workspace: Workspace, src: str) -> None:
        steps = [
            PythonScriptStep("a.py", name, source_directory=src) for name in ("prepare data!", "prepare data", "(x)")
        ]
        assert [step["name"] for step in definition(workspace, steps)["steps"]] == [
            "prepare-data",
            "prepare-data.2",
            "x",
        ]
        assert is_name_of("prepare-data.2", "prepare data")
        assert not is_name_of("prepare-data-2", "prepare data")
        assert step_name("…") == "step"

    def test_order_without_data(self, workspace: Workspace, src: str) -> None:
        one, two, three, four = (PythonScriptStep("a.py", str(n), source_directory=src) for n in range(1, 5))
        four.run_after(one)
        made = definition(workspace, StepSequence([[one, two], three, [four]]))
        assert [step.get("run_after") for step in made["steps"]] == [None, None, ["1", "2"], ["1", "3"]]

    def test_a_circle_is_refused(self, workspace: Workspace, src: str) -> None:
        one, two = (PythonScriptStep("a.py", str(n), source_directory=src) for n in range(2))
        one.run_after(two)
        two.run_after(one)
        with pytest.raises(UserErrorException, match="wait for each other in a circle: 0, 1"):
            Pipeline(workspace, [one, two])

    def test_without_the_closure_a_missing_step_is_told(self, workspace: Workspace, src: str) -> None:
        data = PipelineData("data")
        PythonScriptStep("a.py", outputs=[data], source_directory=src)
        second = PythonScriptStep("b.py", inputs=[data], source_directory=src)
        with pytest.raises(UserErrorException, match="No step writes “data”"):
            Pipeline(workspace, [second], resolve_closure=False)

    def test_an_environment_that_is_named_alone(self, workspace: Workspace, src: str) -> None:
        def of(name: str | None, version: str | None) -> dict[str, Any]:
            config = RunConfiguration()
            config.environment.version = version
            config.environment_variables = {"A": "1"}
            if name:
                config.environment.name = name
            return only(workspace, PythonScriptStep("a.py", "train", runconfig=config, source_directory=src))

        assert of("mine", "2")["environment"] == "mine:2"
        assert of("mine", None)["environment"] == "mine"
        assert of("mine", None)["environment_variables"] == [{"name": "A", "value": "1"}]
        assert "environment" not in of(None, None)

    def test_settings(self, workspace: Workspace, store: Datastore, src: str) -> None:
        data = PipelineData("data")
        run_config = RunConfiguration()
        run_config.target = "gpu"
        run_config.max_run_duration_seconds = 60
        step = PythonScriptStep(
            "a.py",
            "train",
            runconfig=run_config,
            outputs=[data],
            params={"rate": PipelineParameter("rate", 1), "word": "x"},
            allow_reuse=False,
            version="2",
            hash_paths=["a.py"],
        )
        made = only(workspace, step, default_source_directory=src, default_datastore=store)
        assert made == {
            "name": "train",
            "kind": "python_script",
            "entry": "a.py",
            "compute": "gpu",
            "timeout_s": 60,
            "hash_paths": ["a.py"],
            "environment_variables": [
                {"name": "AML_PARAMETER_rate", "value": "${{parameters.rate}}"},
                {"name": "AML_PARAMETER_word", "value": "x"},
                {"name": "AZUREML_STEP_VERSION", "value": "2"},
            ],
            "allow_reuse": False,
            "outputs": [{"name": "data", "datastore": "lake"}],
        }

    def test_parameters_have_the_type_of_their_defaults(self, workspace: Workspace, src: str) -> None:
        defaults = {"text": "a", "whole": 1, "number": 0.5, "yes": True, "needed": None}
        parameters = [PipelineParameter(name, value) for name, value in defaults.items()]
        made = definition(workspace, [PythonScriptStep("a.py", arguments=parameters, source_directory=src)])[
            "parameters"
        ]
        assert [(each["type"], each.get("default")) for each in made] == [
            ("string", "a"),
            ("integer", 1),
            ("number", 0.5),
            ("boolean", True),
            ("string", None),
        ]
        types = {each["name"]: each for each in made}
        given = {"text": 5, "whole": "7", "number": "0.25", "yes": "False", "other": "x"}
        assert typed_values(given, types) == {"text": "5", "whole": 7, "number": 0.25, "yes": False, "other": "x"}

    def test_two_parameters_of_one_name(self, workspace: Workspace, src: str) -> None:
        arguments = [PipelineParameter("rate", 1), PipelineParameter("rate", 2)]
        with pytest.raises(UserErrorException, match="two parameters “rate” with other defaults"):
            Pipeline(workspace, [PythonScriptStep("a.py", arguments=arguments, source_directory=src)])

    def test_a_script_or_folder_that_is_not_there(self, workspace: Workspace, src: str) -> None:
        for script, folder, said in [("c.py", src, "no script “c.py”"), ("a.py", f"{src}/none", "no folder")]:
            with pytest.raises(UserErrorException, match=said):
                Pipeline(workspace, [PythonScriptStep(script, source_directory=folder)])

    def test_other_kinds(self, workspace: Workspace, store: Datastore, src: str) -> None:
        transfer = DataTransferStep("copy", store.path("a", "a"), store.path("b", "b"))
        made = definition(workspace, [transfer])["steps"][0]
        assert (made["kind"], made["existing"], made["outputs"]) == (
            "transfer",
            "replace",
            [{"name": "b", "datastore": "lake", "path": "b"}],
        )
        data = PipelineData("data")
        config = NotebookRunConfig(src, "report.ipynb", parameters={"n": 5, "word": "x"})
        notebook = NotebookRunnerStep("report", config, params={"rate": PipelineParameter("rate", 1)}, outputs=[data])
        assert only(workspace, notebook)["parameters"] == [
            {"name": "data", "value": "${{outputs.data}}"},
            {"name": "n", "value": 5},
            {"name": "word", "value": "x"},
            {"name": "rate", "value": "${{parameters.rate}}"},
        ]
        command = CommandStep(
            "python a.py --out $AZUREML_DATAREFERENCE_data", "say", outputs=[data], source_directory=src
        )
        assert only(workspace, command)["command"] == "python a.py --out ${{outputs.data}}"
        estimator = Estimator(src, entry_script="a.py", compute_target="gpu", pip_packages=["numpy"])
        step = EstimatorStep("fit", estimator, estimator_entry_script_arguments=["--x", 1])
        assert only(workspace, step)["compute"] == "gpu"

    def test_a_parallel_run(self, workspace: Workspace, store: Datastore, src: str) -> None:
        config = ParallelRunConfig(
            Environment("mine"), "a.py", 5, "append_row", "local", 2, mini_batch_size="1MB", source_directory=src
        )
        step = ParallelRunStep("score", config, [store.path("in", "files")], side_inputs=[store.path("m", "model")])
        made = only(workspace, step)
        assert made | {"inputs": None} == {
            "name": "score",
            "kind": "parallel_run",
            "entry_script": "a.py",
            "input": "${{inputs.files}}",
            "output": "${{outputs.results}}",
            "split_into": "files",
            "nodes": 2,
            "error_threshold": 5,
            "output_action": "append_row",
            "append_row_file_name": "parallel_run_step.txt",
            "logging_level": "INFO",
            "batch_timeout_s": 60,
            "max_tries": 3,
            "processes": 0,
            "mini_batch_size": "1MB",
            "compute": "local",
            "inputs": None,
            "outputs": [{"name": "results"}],
        }

    def test_a_parallel_run_that_parameters_feed(
        self, workspace: Workspace, store: Datastore, src: str, tmp_path: Path
    ) -> None:
        config = ParallelRunConfig(
            Environment("mine"),
            "a.py",
            PipelineParameter("errors", 5),
            "append_row",
            "local",
            PipelineParameter("nodes", 2),
            process_count_per_node=PipelineParameter("processes", 2),
            mini_batch_size=PipelineParameter("size", "1MB"),
            run_invocation_timeout=PipelineParameter("patience", 60),
            run_max_try=PipelineParameter("tries", 3),
            source_directory=src,
        )
        made = definition(workspace, [ParallelRunStep("score", config, [store.path("in", "files")])])
        (step,) = made["steps"]
        fed = {
            "nodes": "nodes",
            "error_threshold": "errors",
            "processes": "processes",
            "mini_batch_size": "size",
            "batch_timeout_s": "patience",
            "max_tries": "tries",
        }
        assert {field: step[field] for field in fed} == {
            field: f"${{{{parameters.{name}}}}}" for field, name in fed.items()
        }
        types = {each["name"]: each["type"] for each in made["parameters"] if each["name"] in fed.values()}
        assert types == dict.fromkeys(fed.values(), "integer") | {"size": "string"}
        with pytest.raises(NotSupportedException, match="a file can't hold"):
            config.save_to_yaml(str(tmp_path / "config.yml"))
        with pytest.raises(UserErrorException, match="mini_batch_size is a number"):
            ParallelRunConfig("e", "a.py", 0, "append_row", "local", 1, mini_batch_size=PipelineParameter("s", "none"))

    def test_what_the_studio_has_not_is_named_with_what_to_use(self, workspace: Workspace, src: str) -> None:
        for make, said in [
            (lambda: AutoMLStep("a", None), "Use HyperDriveStep"),
            (lambda: RScriptStep("a.R"), "Use CommandStep"),
            (lambda: DatabricksStep("a"), "Use PythonScriptStep"),
            (MpiStep, "Use ParallelRunStep"),
            (lambda: Schedule.create(workspace, "a"), "no schedules yet"),
            (lambda: PublishedPipeline.get(workspace, "1"), "no published pipelines yet"),
            (lambda: PipelineEndpoint.get(workspace, name="a"), "no endpoints of pipelines yet"),
            (lambda: PipelineData("a", output_path_on_compute="x"), "output_path_on_compute"),
            (lambda: PythonScriptStep("a.py", runconfig_pipeline_params={"NodeCount": 1}), "NodeCount"),
            (
                lambda: ParallelRunConfig("e", "a.py", 0, "append_row", "local", 1, allowed_failed_count=1),
                "error_threshold",
            ),
        ]:
            with pytest.raises(NotSupportedException, match=said):
                make()
        assert TimeZone.PacificStandardTime == "Pacific Standard Time"
        with pytest.raises(ValueError, match="frequency is one of"):
            ScheduleRecurrence("Year", 1)
        with pytest.raises(TypeError):
            PythonScriptStep("a.py", sourcedirectory=src)  # type: ignore[call-arg]


class TestSearches:
    def test_expressions_are_the_studio_s(self) -> None:
        space = {
            "--a": choice(16, 32),
            "b": choice(["x", 'it"s']),
            "c": uniform(0, 1),
            "d": loguniform(-6.0, -1.0),
            "e": quniform(0, 10, 2),
            "f": normal(0, 1),
            "g": choice(True, False),
            "h": choice(range(3)),
        }
        texts = RandomParameterSampling(space, properties={"seed": 7}).texts()
        assert list(texts) == ["a", "b", "c", "d", "e", "f", "g", "h"]
        assert read(texts["b"]).ends == ("x", 'it"s')
        assert read(texts["g"]).ends == (True, False)
        assert read(texts["h"]).ends == (0, 1, 2)
        for text in texts.values():
            read(text)
        for sampling, wrong in [
            (GridParameterSampling, {"a": uniform(0, 1)}),
            (BayesianParameterSampling, {"a": normal(0, 1)}),
            (RandomParameterSampling, {"a": 5}),
            (RandomParameterSampling, {}),
        ]:
            with pytest.raises(UserErrorException):
                sampling(wrong)

    def test_a_step(self, workspace: Workspace, src: str) -> None:
        data, model, extra = PipelineData("data"), PipelineData("model", training_output=TrainingOutput("Model")), None
        first = PythonScriptStep("a.py", "first", [data], outputs=[data], source_directory=src)
        trials = PipelineData("trials", training_output=TrainingOutput("Metrics"))
        extra = PipelineData("extra")
        config = HyperDriveConfig(
            run_config=ScriptRunConfig(src, "b.py", ["--in", data, "--n", PipelineParameter("n", 3), "--out", extra]),
            hyperparameter_sampling=RandomParameterSampling({"--rate": uniform(0.1, 1), "depth": choice(1, 2)}),
            primary_metric_name="accuracy",
            primary_metric_goal=PrimaryMetricGoal.MINIMIZE,
            max_total_runs=8,
            max_duration_minutes=5,
            policy=BanditPolicy(2, slack_amount=0.5, delay_evaluation=3),
        )
        tune = HyperDriveStep("tune", config, inputs=[data], outputs=[model, extra], metrics_output=trials)
        making = Pipeline(workspace, [first, tune])._made()
        assert making.steps[1] == {
            "name": "tune",
            "kind": "sweep",
            "search_space": [{"name": "rate", "value": "uniform(0.1, 1)"}, {"name": "depth", "value": "choice(1, 2)"}],
            "sampling": "random",
            "primary_metric": "accuracy",
            "goal": "minimize",
            "max_total_runs": 8,
            "max_concurrent_runs": 8,
            "max_duration_minutes": 5,
            "early_termination": "bandit",
            "evaluation_interval": 2,
            "delay_evaluation": 3,
            "slack_amount": 0.5,
            "parameters": [{"name": "n", "value": "${{parameters.n}}"}],
            "inputs": [{"name": "data", "binding": {"kind": "output", "step": "first", "output": "data"}}],
            "outputs": [{"name": "model"}, {"name": "extra"}, {"name": "trials", "taken_from": "trials.json"}],
        }
        (inner,) = making.inner
        made = inner.making.document()
        parse_definition(made)
        assert made == {
            "parameters": [
                {"name": "data", "type": "data_path"},
                {"name": "n", "type": "integer", "default": 3},
                {"name": "rate", "type": "number"},
                {"name": "depth", "type": "integer"},
            ],
            "steps": [
                {
                    "name": "trial",
                    "kind": "command",
                    "command": "python b.py --in ${{inputs.data}} --n ${{parameters.n}} --out ${{outputs.extra}} "
                    "--rate ${{parameters.rate}} --depth ${{parameters.depth}}\ncp -R outputs ${{outputs.model}}/",
                    "compute": "local",
                    "inputs": [{"name": "data", "binding": {"kind": "parameter", "parameter": "data"}}],
                    "outputs": [{"name": "model"}, {"name": "extra"}],
                }
            ],
        }


def test_every_module_can_be_imported_by_itself() -> None:
    """In any order, as a program does: none needs that another one was imported before."""
    root = SDK / "studio_sdk"
    paths = [
        path.relative_to(SDK)
        for below in ("pipeline", "train", "widgets", "contrib")
        for path in (root / below).rglob("*.py")
    ]
    names = sorted({".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths})
    assert len(names) > 40
    text = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    for each in [each for each in sys.modules if each.startswith('studio_sdk')]: del sys.modules[each]\n"
        "    importlib.import_module(name)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SDK)}
    ended = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_how_far_a_search_is_is_told_once(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    watch = _Watch(Run(Experiment(workspace, "trials"), "7"), show_output=True)
    step: dict[str, Any] = {"name": "tune", "job_id": None, "attempt": 1, "reused_from": None}
    for status, reason in [
        ("waiting", ""),
        ("running", "1 of 4 trials are over."),
        ("running", "1 of 4 trials are over."),
        ("running", "3 of 4 trials are over."),
        ("completed", "The best of 4 trials."),
        ("completed", "The best of 4 trials."),
    ]:
        watch._tell_step({**step, "status": status, "reason": reason})
    assert capsys.readouterr().out.splitlines() == [
        "Step tune: Running: 1 of 4 trials are over.",
        "Step tune: Running: 3 of 4 trials are over.",
        "Step tune: Completed: The best of 4 trials.",
    ]
