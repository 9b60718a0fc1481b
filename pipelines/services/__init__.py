"""Everything that changes pipelines and runs."""

from pipelines.services.advancing import LOOK_TASK, follow_jobs, look_after, look_after_all
from pipelines.services.cancelling import cancel_run, finish_cancelling
from pipelines.services.editing import Saved, create_pipeline, delete_pipeline, rename_pipeline, save_version
from pipelines.services.storage import RECOUNT_TASK, recount_after_deletion, recount_storage
from pipelines.services.submitting import submit_run

__all__ = [
    "LOOK_TASK",
    "RECOUNT_TASK",
    "Saved",
    "cancel_run",
    "create_pipeline",
    "delete_pipeline",
    "finish_cancelling",
    "follow_jobs",
    "look_after",
    "look_after_all",
    "recount_after_deletion",
    "recount_storage",
    "rename_pipeline",
    "save_version",
    "submit_run",
]
