"""A pipeline is sent: its folders, environments and datasets first, then its definition, then a run of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studio_sdk import _git, _push
from studio_sdk._client import Client, Conflict
from studio_sdk._folder import SourceFolder
from studio_sdk.core.runconfig import EnvironmentDefinition
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, value_text

if TYPE_CHECKING:
    from studio_sdk.core.environment import Environment
    from studio_sdk.core.workspace import Workspace

_TRIES = 5  # of a name or a version that others take meanwhile
_MOST_NAME = 100


class GraphValidationException(UserErrorException):
    """A pipeline that can't be run. `sentences` has one for each thing that is wrong."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("The pipeline can't be submitted:\n" + "\n".join(f"- {sentence}" for sentence in sentences))
        self.sentences = list(sentences)


class Sender:
    """To one workspace. Equal folders and environments are sent once."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._client = workspace._client
        self._folders: dict[str, dict[str, Any]] = {}
        self._environments: dict[int, str | None] = {}

    def prepare(self, making: Making, name: str) -> None:
        """Everything that the definition speaks of is there after this, and is named in it."""
        for step, path in making.folders:
            sent = self._folder(path)
            step["source"] = sent["digest"]
            if sent.get("git"):
                step["git"] = sent["git"]
        for step, environment in making.environments:
            named = self._environment(environment)
            if named is not None:
                step["environment"] = named
        for binding, dataset in making.datasets:
            kept = dataset._saved(self.workspace)
            binding.update({"dataset": kept.name, "version": int(kept.version)})
        for inner in making.inner:
            inner_name = f"{name}.{inner.name}"[:_MOST_NAME].rstrip(".-")
            self.prepare(inner.making, inner_name)
            saved = self.save(inner_name, f"What “{inner.step['name']}” of “{name}” runs.", inner.making.document())
            inner.step["pipeline"], inner.step["pipeline_version"] = inner_name, saved["number"]

    def problems(self, document: Mapping[str, Any], pipeline_id: int | None = None) -> list[str]:
        """What keeps the studio from running it."""
        answer = self._client.post("/pipelines/validate/", {"definition": document, "pipeline_id": pipeline_id})
        return [_words(problem, document) for problem in answer["problems"]]

    def warnings(self, document: Mapping[str, Any]) -> list[str]:
        answer = self._client.post("/pipelines/validate/", {"definition": document, "pipeline_id": None})
        return [_words(problem, document) for problem in answer["warnings"]]

    def save(self, name: str, description: str | None, document: Mapping[str, Any]) -> dict[str, Any]:
        """The pipeline's id and the number of the version that is this definition, made where there is none.

        Raises GraphValidationException, and then nothing is kept.
        """
        row = self.pipeline(name)
        problems = self.problems(document, row["id"] if row else None)
        if problems:
            raise GraphValidationException(problems)
        row = row or self._new_pipeline(name, description)
        for _attempt in range(_TRIES):
            body = {"definition": document, "base_version": row["latest_version"]}
            if description is not None and description != row["description"]:
                body["description"] = description
            try:
                saved = self._client.post(f"/pipelines/{row['id']}/versions/", body)
            except Conflict:
                row = self._client.get(f"/pipelines/{row['id']}/")  # somebody saved meanwhile: ours comes behind
                continue
            return {"id": row["id"], "number": saved["number"]}
        raise UserErrorException(
            f"Others keep on saving the pipeline “{name}”. Submit again, or give yours a name of its own."
        )

    def submit(
        self,
        saved: Mapping[str, Any],
        known: Mapping[str, Mapping[str, Any]],
        *,
        experiment: str,
        parameters: Mapping[str, Any] | None,
        continue_on_step_failure: bool | None,
        regenerate_outputs: bool,
        tags: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """The run, as the studio names it. `known` has the pipeline's parameters by name."""
        body: dict[str, Any] = {
            "version": saved["number"],
            "experiment": experiment,
            "parameters": typed_values(parameters or {}, known),
            "regenerate_outputs": bool(regenerate_outputs),
            "continue_on_step_failure": bool(continue_on_step_failure),
        }
        try:
            run: dict[str, Any] = self._client.post(f"/pipelines/{saved['id']}/runs/", body)
        except UserErrorException as error:
            if not error.problems:
                raise
            raise GraphValidationException([_submission_words(problem) for problem in error.problems]) from None
        if tags:
            self._client.patch(
                f"/runs/{run['id']}/tags/", {"tags": {name: _tag(value) for name, value in tags.items()}}
            )
        return run

    def upload(self, path: str) -> dict[str, Any]:
        """A folder as a step's files: `digest`, and `git` where it is of a checkout."""
        return self._folder(path)

    def environment(self, environment: Environment) -> str | None:
        return self._environment(environment)

    def pipeline(self, name: str) -> dict[str, Any] | None:
        """By its name, as a list has it."""
        rows = self._client.all_of("/pipelines/", q=name)
        return next((row for row in rows if row["name"] == name), None)

    def _new_pipeline(self, name: str, description: str | None) -> dict[str, Any]:
        try:
            made: dict[str, Any] = self._client.post("/pipelines/", {"name": name, "description": description or ""})
        except UserErrorException:
            row = self.pipeline(name)  # made by somebody else at this moment, else it is what was said
            if row is None:
                raise
            return row
        return made

    def _folder(self, path: str) -> dict[str, Any]:
        if path not in self._folders:
            folder = SourceFolder(path)
            paths = folder.paths()
            facts = _git.facts_of(folder, paths)
            _push._warn_of_ignored(facts, folder)
            self._folders[path] = _push._upload(self._client, folder, paths, facts)
        return self._folders[path]

    def _environment(self, environment: Environment) -> str | None:
        if id(environment) not in self._environments:
            self._environments[id(environment)] = self._named(environment)
        return self._environments[id(environment)]

    def _named(self, environment: Environment) -> str | None:
        """Registered where it is new; None for one that says nothing, which is the studio's usual one."""
        spec = environment._spec()
        if environment._row is None and not any(spec.values()):
            return None
        if isinstance(environment, EnvironmentDefinition):
            environment = environment._unnamed(environment)
        row = environment._saved(self.workspace)
        return f"{row['name']}:{row['version']}"


def save_yaml(client: Client, pipeline_id: int, version: int, path: str | None) -> str:
    """A version of a pipeline as YAML: to a file, where one is named."""
    text = client.read(f"/pipelines/{pipeline_id}/versions/{version}/yaml/").decode("utf-8")
    if path is not None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return text


def typed_values(given: Mapping[str, Any], parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Values as the studio takes them: a text is read as the number or truth value that its parameter is of."""
    return {name: _typed(value_text(value), parameters.get(name, {}).get("type")) for name, value in given.items()}


def _typed(value: Any, kind: str | None) -> Any:
    if isinstance(value, str):
        if kind == "boolean" and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        if kind in ("integer", "number"):
            try:
                return int(value) if kind == "integer" else float(value)
            except ValueError:
                return value  # the studio says what is wrong with it
    if kind == "string" and isinstance(value, (int, float)):
        return str(value)
    return value


def _words(problem: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """A problem with where it is, in a program's words."""
    loc = list(problem["loc"])
    if len(loc) >= 2 and loc[0] in ("steps", "parameters") and isinstance(loc[1], int):
        named = document[loc[0]][loc[1]].get("name", loc[1]) if loc[1] < len(document[loc[0]]) else loc[1]
        rest = ".".join(str(part) for part in loc[2:])
        word = "Step" if loc[0] == "steps" else "Parameter"
        return f"{word} “{named}”{f', {rest}' if rest else ''}: {problem['message']}"
    return f"{'.'.join(str(part) for part in loc)}: {problem['message']}" if loc else str(problem["message"])


def _submission_words(problem: Mapping[str, Any]) -> str:
    """A problem of a submission, as of `("parameters", NAME)`, with what it is about."""
    loc = [str(part) for part in problem["loc"]]
    if loc[:1] == ["parameters"] and len(loc) == 2:
        return f"Parameter “{loc[1]}”: {problem['message']}"
    return f"{'.'.join(loc)}: {problem['message']}" if loc else str(problem["message"])


def _tag(value: Any) -> str:
    return "" if value is None else str(value)
