"""`MLTable` folders: a YAML file that says how the files beside it are a table.

The schema is Azure ML's (learn.microsoft.com/azure/machine-learning/reference-yaml-mltable).
"""

from datastores.sources import DataPath, TabularDefinition
from datastores.tabular import isolated
from datastores.tabular.inference import Inference
from datastores.tabular.stores import specs_for


def read(path: DataPath, *, workspace_id: int, deadline_s: float = 20.0) -> TabularDefinition:
    """`look`, without its notes."""
    return look(path, workspace_id=workspace_id, deadline_s=deadline_s).definition


def look(path: DataPath, *, workspace_id: int, deadline_s: float = 20.0) -> Inference:
    """The table that the folder `path` is, by the file `MLTable` in it. Raises UserError, naming what it can't do."""
    specs = specs_for([path], workspace_id=workspace_id)
    return isolated.call(
        "datastores.tabular.mltable_folders:look",
        {"path": path, "specs": specs},
        returns=Inference,
        deadline_s=deadline_s,
        preload=specs.preload,
        secrets=specs.secrets,
    )
