"""Everything that changes pipelines and runs."""

from pipelines.services.advancing import LOOK_TASK, follow_jobs, look_after, look_after_all
from pipelines.services.cancelling import cancel_run, finish_cancelling
from pipelines.services.editing import Saved, create_pipeline, delete_pipeline, rename_pipeline, save_version
from pipelines.services.submitting import submit_run

__all__ = [
    "LOOK_TASK",
    "Saved",
    "cancel_run",
    "create_pipeline",
    "delete_pipeline",
    "finish_cancelling",
    "follow_jobs",
    "look_after",
    "look_after_all",
    "rename_pipeline",
    "save_version",
    "submit_run",
]
