"""A pipeline: steps, and how they are submitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._later import later
from studio_sdk.pipeline.core._making import Making
from studio_sdk.pipeline.core._sending import GraphValidationException, Sender, save_yaml
from studio_sdk.pipeline.core._unsupported import refuse

if TYPE_CHECKING:
    from studio_sdk.core.experiment import Experiment
    from studio_sdk.core.workspace import Workspace
    from studio_sdk.pipeline.core.run import PipelineRun

__all__ = ["GraphValidationException", "Pipeline"]


class Pipeline:
    """Steps that run when what they read is there.

    `steps` is a list, or lists in lists; steps that others need are found by themselves unless `resolve_closure` is
    false. In the studio it has the name of the experiment that it is submitted in, or `name`; a submission makes a
    version of it where it differs from the last one.

    ```python
    pipeline = Pipeline(workspace, [prepare, [train_a, train_b], compare], default_source_directory="src")
    run = pipeline.submit("digits", pipeline_parameters={"rate": 0.2})
    run.wait_for_completion()
    ```
    """

    def __init__(
        self,
        workspace: Workspace,
        steps: Any,
        description: str | None = None,
        default_datastore: Any = None,
        default_source_directory: Any = None,
        resolve_closure: bool = True,
        *,
        name: str | None = None,
    ) -> None:
        self._workspace = workspace
        self._steps = steps
        self.description = description
        self.name = name
        self._default_datastore = default_datastore
        self._default_source_directory = default_source_directory
        self._resolve_closure = resolve_closure
        self._made()  # what makes no pipeline is told at once

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    def validate(self) -> list[str]:
        """A sentence for each thing that keeps it from being run; none where it can be. It is printed, too.

        Folders are sent for that, and nothing else is made.
        """
        making = self._made()
        sender = Sender(self._workspace)
        for step, path in making.folders:
            step["source"] = sender.upload(path)["digest"]
        of_inner = {id(inner.step) for inner in making.inner}
        document = making.document()
        found = sender.problems(document)
        # What trials run is saved with a submission, so that the studio can't know it yet.
        names = {step["name"] for step in making.steps if id(step) in of_inner}
        found = [
            problem for problem in found if not any(problem.startswith(f"Step “{name}”, pipeline") for name in names)
        ]
        for problem in found:
            print(problem)
        return found

    def submit(
        self,
        experiment_name: str,
        pipeline_parameters: Mapping[str, Any] | None = None,
        continue_on_step_failure: bool = False,
        regenerate_outputs: bool = False,
        parent_run_id: str | None = None,
        credential_passthrough: bool | None = None,
        *,
        tags: Mapping[str, Any] | None = None,
    ) -> PipelineRun:
        """Submit a run in an experiment. With `regenerate_outputs` every step runs, whatever earlier results there are.

        Raises GraphValidationException where it can't be run.
        """
        from studio_sdk.core.experiment import Experiment

        return self._submit(
            Experiment(self._workspace, experiment_name),
            pipeline_parameters=pipeline_parameters,
            continue_on_step_failure=continue_on_step_failure,
            regenerate_outputs=regenerate_outputs,
            parent_run_id=parent_run_id,
            credential_passthrough=credential_passthrough,
            tags=tags,
        )

    def publish(
        self,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        continue_on_step_failure: bool | None = None,
    ) -> NoReturn:
        """Raises NotSupportedException: a pipeline that was submitted has its page, and is submitted from there."""
        later("published pipelines", "submit() keeps the pipeline: submit it again by its page, or over REST")

    def definition(self) -> dict[str, Any]:
        """What the studio would keep, without the folders and environments that are sent first."""
        return self._made().document()

    def save(self, path: str | None = None) -> str:
        """Keep it in the studio, and write it as YAML: to the file `path`, else the text is given. It needs a `name`.

        The text says by digests which folders its steps have, so it is for the same workspace.
        """
        if not self.name:
            raise UserErrorException("Give the pipeline a name: Pipeline(…, name='digits').")
        making = self._made()
        sender = Sender(self._workspace)
        sender.prepare(making, self.name)
        saved = sender.save(self.name, self.description, making.document())
        return save_yaml(self._workspace._client, saved["id"], saved["number"], path)

    @staticmethod
    def load_yaml(workspace: Workspace, filename: str) -> Pipeline:
        """Take a pipeline of a file in: one of the studio's own, or of Azure ML's command line (version 2).

        What the file speaks of, as `code: ./src`, is sent with it. A pipeline of that name gets it as its next version.

        ```python
        Pipeline.load_yaml(workspace, "pipeline.yml").submit("digits", pipeline_parameters={"rate": 0.2})
        ```
        """
        from studio_sdk.pipeline.core._loaded import LoadedPipeline, load

        return LoadedPipeline(workspace, load(workspace, filename))

    def _made(self) -> Making:
        making = Making(
            default_datastore=self._default_datastore, default_source_directory=self._default_source_directory
        )
        making.make(self._steps, resolve_closure=self._resolve_closure)
        return making

    def _saved(self, name: str, making: Making) -> dict[str, Any]:
        sender = Sender(self._workspace)
        sender.prepare(making, name)
        return sender.save(name, self.description, making.document())

    def _submit(
        self,
        experiment: Experiment,
        *,
        tags: Mapping[str, Any] | None = None,
        pipeline_parameters: Mapping[str, Any] | None = None,
        continue_on_step_failure: bool = False,
        regenerate_outputs: bool = False,
        parent_run_id: str | None = None,
        credential_passthrough: bool | None = None,
    ) -> PipelineRun:
        """As `experiment.submit(pipeline)` asks for it."""
        from studio_sdk.pipeline.core.run import PipelineRun

        if parent_run_id is not None:
            refuse("parent_run_id", "tags, which several runs can share,")
        if credential_passthrough:
            refuse("credential_passthrough", "datastores, whose credentials the workspace keeps")
        saved, known = self._kept(experiment.name)
        unknown = [name for name in pipeline_parameters or {} if name not in known]
        if unknown:
            raise UserErrorException(
                f"The pipeline has no parameter “{unknown[0]}”. There are: {', '.join(known) or 'none'}."
            )
        run = Sender(self._workspace).submit(
            saved,
            known,
            experiment=experiment.name,
            parameters=pipeline_parameters,
            continue_on_step_failure=continue_on_step_failure,
            regenerate_outputs=regenerate_outputs,
            tags=tags,
        )
        made = PipelineRun(experiment, str(run["id"]))
        made._pipeline_outputs = self._named_outputs()
        print(f"Submitted PipelineRun {made.id}\nLink to the run: {made.get_portal_url()}")
        return made

    def _kept(self, experiment: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Its id and version in the studio, sent and saved where it is new, and its parameters by name."""
        making = self._made()
        name = self.name or experiment
        sender = Sender(self._workspace)
        sender.prepare(making, name)
        return sender.save(name, self.description, making.document()), making.parameters

    def _named_outputs(self) -> dict[str, tuple[str, str]]:
        """The steps and their outputs, by the `pipeline_output_name` that data has."""
        return dict(self._made().named_outputs)

    def __repr__(self) -> str:
        return f"Pipeline(Name: {self.name}, Steps: {json.dumps([step['name'] for step in self._made().steps])})"
