"""Runs of pipelines, and of their steps."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from studio_sdk.core.run import Run
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._later import later
from studio_sdk.pipeline.core._names import is_name_of
from studio_sdk.pipeline.core._sending import save_yaml
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core._words import line_text, stream_of
from studio_sdk.pipeline.core.graph import PortDataReference

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = ["PipelineRun", "StepRun", "StepRunOutput"]


_COMPLETED, _FINISHED = "Completed", "Finished"  # azureml's words: of any run, and of pipelines and their steps


class StepRunOutput:
    """One output of a step's run."""

    def __init__(self, step_run: StepRun, row: Mapping[str, Any]) -> None:
        self._step_run = step_run
        self._row = dict(row)
        self.name = str(row["name"])

    def get_port_data_reference(self) -> PortDataReference:
        """Where it lies. Raises UserErrorException where the step has not written it yet."""
        if not self._row["datastore"] or self._row["path"] is None:
            raise UserErrorException(f"“{self._step_run.name}” has not written “{self.name}”: wait for its completion.")
        return PortDataReference(self._step_run, self.name, self._row["datastore"], self._row["path"])

    def __repr__(self) -> str:
        return f"StepRunOutput(name={self.name})"


class _OfPipeline(Run):
    """What runs of pipelines and of steps have in common."""

    def get_status(self) -> str:
        """`NotStarted`, `Queued`, `Preparing`, `Running`, `CancelRequested`, `Finished`, `Failed`, or `Canceled`, which
        a step is, too, that was not run because one before it failed.
        """
        status = super().get_status()
        return _FINISHED if status == _COMPLETED else status

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,  # noqa: A002 (azureml's name)
        status: str | None = None,
    ) -> Iterator[Run]:
        """The runs of its steps; of those with a status alone, where one is named."""
        wanted = _COMPLETED if status == _FINISHED else status
        return super().get_children(recursive, tags, properties, type, wanted)

    def complete(self, *arguments: Any, **more: Any) -> NoReturn:
        """Raises NotSupportedException: the studio ends it."""
        refuse("Completing a run of a pipeline by a program", "wait_for_completion()")

    def fail(self, *arguments: Any, **more: Any) -> NoReturn:
        """Raises NotSupportedException: the studio ends it."""
        refuse("Failing a run of a pipeline by a program", "cancel()")

    def child_run(self, *arguments: Any, **more: Any) -> NoReturn:
        """Raises NotSupportedException: its children are its steps."""
        refuse("A child of a run of a pipeline", "find_step_run()")

    def _wait(self, what: str, show_output: bool, timeout_s: float, raise_on_error: bool) -> str:
        """The status in the end, or when the time is up. Raises ActivityFailedException."""
        from studio_sdk.core import _following

        _following.wait(self, show_output=show_output, raise_on_error=raise_on_error, timeout_s=timeout_s)
        status = self.get_status()
        if show_output:
            print(f"\n{what} Execution Summary\n{'=' * (len(what) + 18)}\n{what} Status: {status}")
        return status


class PipelineRun(_OfPipeline):
    """A run of a pipeline. Its children are the runs of its steps.

    ```python
    run = experiment.submit(pipeline)
    run.wait_for_completion(show_output=True)
    model = run.find_step_run("train")[0].get_output_data("model")
    model.download("here")
    ```
    """

    def __init__(self, experiment: Any, run_id: str) -> None:
        super().__init__(experiment, str(run_id))
        self._pipeline_outputs: dict[str, tuple[str, str]] = {}  # by their pipeline_output_name

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> PipelineRun:
        """By its id. Raises UserErrorException where there is none."""
        state = workspace._client.get(f"/runs/{_number(run_id)}/")
        return PipelineRun(_experiment(workspace, state["experiment"]), str(state["id"]))

    @staticmethod
    def get_pipeline_runs(workspace: Workspace, pipeline_id: str) -> list[PipelineRun]:
        """The runs of a pipeline of the studio, the newest first."""
        rows = workspace._client.all_of("/runs/", pipeline=str(pipeline_id))
        return [PipelineRun(_experiment(workspace, row["experiment"]), str(row["id"])) for row in rows]

    def get_steps(self) -> Iterator[StepRun]:
        """The runs of its steps, in their order."""
        return iter(self._step_runs())

    def find_step_run(self, name: str) -> list[StepRun]:
        """The runs of the steps that have this name; an empty list where there is none."""
        return [step for step in self._step_runs() if is_name_of(step.name, name)]

    def get_pipeline_output(self, pipeline_output_name: str) -> PortDataReference:
        """What was written under a `pipeline_output_name`, of a run that this program submitted; else by an output's
        own name, which one step alone has. Raises UserErrorException.
        """
        if pipeline_output_name in self._pipeline_outputs:
            step, output = self._pipeline_outputs[pipeline_output_name]
            return StepRun(self.experiment, f"{self._number}:{step}").get_output_data(output)
        found = [
            output
            for step_run in self._step_runs()
            for output in step_run.get_outputs().values()
            if output.name == pipeline_output_name
        ]
        if len(found) != 1:
            raise UserErrorException(
                f"{len(found)} steps write “{pipeline_output_name}”: use find_step_run(…)[0].get_output_data(…)."
            )
        return found[0].get_port_data_reference()

    def get_graph(self) -> NoReturn:
        """Raises NotSupportedException."""
        refuse("get_graph", "get_steps(), or GET …/runs/ID/ with its “edges”")

    def publish_pipeline(self, *arguments: Any, **more: Any) -> NoReturn:
        """Raises NotSupportedException: there are no published pipelines yet."""
        later("published pipelines", "submit the pipeline again by its page, or over REST at …/pipelines/ID/runs/")

    def save(self, path: str | None = None) -> str:
        """The version that it ran as YAML: to the file `path`, else the text is given."""
        state = self._state()
        return save_yaml(self._client, state["pipeline"]["id"], state["version"], path)

    def wait_for_completion(  # type: ignore[override]  # as azureml's, it gives the status alone
        self, show_output: bool = True, timeout_seconds: float = math.inf, raise_on_error: bool = True, **more: Any
    ) -> str:
        """Wait for its end, and print states and logs until then. The last status.

        A studio that is away for some minutes is waited for. Raises ActivityFailedException with the reason where it
        failed or was cancelled, unless `raise_on_error` is false.
        """
        return self._wait("PipelineRun", show_output, timeout_seconds, raise_on_error)

    def _state(self) -> dict[str, Any]:
        return self._row()

    def _step_runs(self) -> list[StepRun]:
        steps = sorted(self._state()["steps"], key=lambda each: each["position"])
        return [StepRun(self.experiment, f"{self._number}:{step['name']}") for step in steps]


class StepRun(_OfPipeline):
    """The run of one step. Its id has the number of the pipeline's run and the step's name, as in `7:train`."""

    def __init__(
        self, experiment: Any, step_run_id: str, pipeline_run_id: str | None = None, node_id: str | None = None
    ) -> None:
        if pipeline_run_id is not None and ":" not in str(step_run_id):
            step_run_id = f"{pipeline_run_id}:{step_run_id}"
        super().__init__(experiment, str(step_run_id))

    @property
    def pipeline_run_id(self) -> str:
        return self.id.partition(":")[0]

    def get_job_log(self) -> str:
        """The log of its last attempt: what it wrote to its standard output and error, in their order."""
        return self._client.read(f"{self._path}log/download/").decode("utf-8", "replace")

    def get_stdout_log(self) -> str:
        """What it wrote to its standard output."""
        return self._stream("stdout")

    def get_stderr_log(self) -> str:
        """What it wrote to its standard error."""
        return self._stream("stderr")

    def get_outputs(self) -> dict[str, StepRunOutput]:
        """By name."""
        return {row["name"]: StepRunOutput(self, row) for row in self._detail()["outputs"]}

    def get_output(self, name: str) -> StepRunOutput:
        """Raises UserErrorException where there is none of that name."""
        outputs = self.get_outputs()
        if name not in outputs:
            raise UserErrorException(
                f"“{self.name}” has no output “{name}”. There are: {', '.join(outputs) or 'none'}."
            )
        return outputs[name]

    def get_output_data(self, name: str) -> PortDataReference:
        """Where an output lies, and what downloads it."""
        return self.get_output(name).get_port_data_reference()

    def wait_for_completion(  # type: ignore[override]  # as azureml's, it gives the status alone
        self, show_output: bool = True, timeout_seconds: float = math.inf, raise_on_error: bool = True, **more: Any
    ) -> str:
        """As that of the pipeline's run, for this step."""
        return self._wait(f"StepRun ({self.name})", show_output, timeout_seconds, raise_on_error)

    def _stream(self, which: str) -> str:
        """The lines of one of the two, of the last attempt."""
        found: list[str] = []
        start = 0
        while True:
            page = self._client.get(f"{self._path}log/", start=str(start), count="2000")
            found += [line_text(line) for line in page["lines"] if stream_of(line) == which]
            start += len(page["lines"])
            if not page["lines"] or start >= page["total_lines"]:
                return "".join(f"{line}\n" for line in found)

    def _download_output(self, name: str, target: str, *, overwrite: bool, show_progress: bool) -> int:
        """Bring an output's files below the folder `target`. How many were brought."""
        count = 0
        for path in self._files_of(name, ""):
            place = os.path.join(target, *path.split("/"))
            if os.path.exists(place) and not overwrite:
                continue
            os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
            draft = f"{place}.part"
            with open(draft, "wb") as file:
                self._client.download(f"{self._path}outputs/{name}/download/", file, path=path)
            os.replace(draft, place)
            count += 1
            if show_progress:
                print(f"Downloaded {path}")
        return count

    def _files_of(self, name: str, folder: str) -> Iterator[str]:
        after = ""
        while True:
            query = {"path": folder, **({"after": after} if after else {})}
            page = self._client.get(f"{self._path}outputs/{name}/", **query)
            for entry in page["entries"]:
                path = f"{folder}/{entry['name']}" if folder else entry["name"]
                if entry["kind"] == "folder":
                    yield from self._files_of(name, path)
                else:
                    yield path
            after = page["after"]
            if not after:
                return


Run.add_type_provider("azureml.PipelineRun", PipelineRun)
Run.add_type_provider("azureml.StepRun", StepRun)


def _number(run_id: Any) -> int:
    """The number of a pipeline's run. Raises UserErrorException."""
    found = re.fullmatch(r"(\d+)(?::.*)?", str(run_id))
    if found is None:
        raise UserErrorException(f"“{run_id}” is no id of a run: those of the studio are numbers, as 7.")
    return int(found[1])


def _experiment(workspace: Workspace, name: str) -> Any:
    from studio_sdk.core.experiment import Experiment

    return Experiment(workspace, name)
