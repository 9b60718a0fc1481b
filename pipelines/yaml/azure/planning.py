"""What a file of Azure ML's command line would make here."""

from collections.abc import Mapping

from pipelines.yaml.errors import FileError
from pipelines.yaml.folder import Folder
from pipelines.yaml.plan import Plan
from studio.workspaces.access import Access


def plan_of(access: Access, folder: Folder, main: str, *, name: str, means: Mapping[str, Mapping[str, str]]) -> Plan:  # noqa: ARG001
    """Raises FileError with all problems."""
    raise FileError([folder.located(main).spot.says("This is no pipeline file: it has no “format”.")])
