"""What kinds of steps have in common that run files of their own."""

from collections.abc import Iterator

from pydantic import Field

from pipelines.hash_paths import counted, hash_path_problems
from pipelines.kinds.interface import Place, SourceFiles, StepBase


class StepWithFiles(StepBase):
    """A step with a source folder, all of which is its code unless it says what counts."""

    hash_paths: list[str] = Field(
        default=[],
        title="Files that count for reuse",
        description="Files, folders or patterns, one a line, as in src/*.py. A change of any other file still lets the "
        "step take an earlier result. Empty: all of the step's files count.",
        json_schema_extra={"widget": "paths"},
    )

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        for index, sentence in hash_path_problems(self.hash_paths, files):
            yield ("hash_paths", index), sentence

    def warnings(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        if not files or not self.hash_paths or any(hash_path_problems(self.hash_paths, files)):
            return
        if self.script in files and self.script not in counted(self.hash_paths, files):
            yield (
                "hash_paths",
                f"“{self.script}” itself is not among them, so a change of it alone is no reason to run again.",
            )
