"""Everything that changes pipelines and runs."""

from pipelines.services.advancing import follow_jobs, look_after, look_after_all
from pipelines.services.aliasing import remove_alias, set_alias
from pipelines.services.answering import answer_step
from pipelines.services.cancelling import cancel_run, finish_cancelling
from pipelines.services.cancelling_steps import cancel_step
from pipelines.services.continuing import continue_run
from pipelines.services.due import end_due_steps, look_after_due_steps
from pipelines.services.editing import (
    Saved,
    create_pipeline,
    delete_pipeline,
    rename_pipeline,
    restore_pipeline,
    save_version,
)
from pipelines.services.editing_steps import Edited, StepChanges, edit_step
from pipelines.services.ending_reuse import allow_reuse, end_reuse
from pipelines.services.foreign_names import meanings_of, set_meaning
from pipelines.services.git_facts import git_facts_of, read_git_facts
from pipelines.services.importing import Imported, import_folder
from pipelines.services.journal import TEND_TASK
from pipelines.services.keeping_models import (
    change_model,
    change_model_version,
    delete_model,
    delete_model_version,
    may_delete,
    may_delete_model,
)
from pipelines.services.pausing import mend_pauses, pause_run, resume_run
from pipelines.services.pinning import pin, unpin
from pipelines.services.purging import purge_due, purge_when_free, ring_purges
from pipelines.services.registering_models import (
    Left,
    ModelExistsError,
    Registered,
    create_model,
    register_copy,
    register_model,
    rename_model,
)
from pipelines.services.resubmitting import clone_run, rerun_from, resubmit_run
from pipelines.services.retaining import follow_rules, measure_outputs, preview_rules, set_retention
from pipelines.services.sharing import LOOK_TASK
from pipelines.services.staging import archived_words, set_stage
from pipelines.services.submitting import default_experiment, submit_run
from pipelines.services.submitting_once import forget_submit_keys, submit_once
from pipelines.services.tagging import follow_records, set_tags
from pipelines.services.tending import tend, tend_all, watch_trials
from pipelines.services.tracking import (
    Records,
    SaidOtherwiseError,
    attempt_to_log_to,
    end_tracked_run,
    experiment_problems,
    log_records,
    refuse_unless_tracked,
    remove_tag,
    start_tracked_run,
)
from pipelines.services.trashing import PURGE_TASK, purge_now, restore_run, trash_run, trash_runs
from pipelines.services.without_job import DUE_TASK

__all__ = [
    "DUE_TASK",
    "LOOK_TASK",
    "PURGE_TASK",
    "TEND_TASK",
    "Edited",
    "Imported",
    "Left",
    "ModelExistsError",
    "Records",
    "Registered",
    "SaidOtherwiseError",
    "Saved",
    "StepChanges",
    "allow_reuse",
    "answer_step",
    "archived_words",
    "attempt_to_log_to",
    "cancel_run",
    "cancel_step",
    "change_model",
    "change_model_version",
    "clone_run",
    "continue_run",
    "create_model",
    "create_pipeline",
    "default_experiment",
    "delete_model",
    "delete_model_version",
    "delete_pipeline",
    "edit_step",
    "end_due_steps",
    "end_reuse",
    "end_tracked_run",
    "experiment_problems",
    "finish_cancelling",
    "follow_jobs",
    "follow_records",
    "follow_rules",
    "forget_submit_keys",
    "git_facts_of",
    "import_folder",
    "log_records",
    "look_after",
    "look_after_all",
    "look_after_due_steps",
    "may_delete",
    "may_delete_model",
    "meanings_of",
    "measure_outputs",
    "mend_pauses",
    "pause_run",
    "pin",
    "preview_rules",
    "purge_due",
    "purge_now",
    "purge_when_free",
    "read_git_facts",
    "refuse_unless_tracked",
    "register_copy",
    "register_model",
    "remove_alias",
    "remove_tag",
    "rename_model",
    "rename_pipeline",
    "rerun_from",
    "restore_pipeline",
    "restore_run",
    "resubmit_run",
    "resume_run",
    "ring_purges",
    "save_version",
    "set_alias",
    "set_meaning",
    "set_retention",
    "set_stage",
    "set_tags",
    "start_tracked_run",
    "submit_once",
    "submit_run",
    "tend",
    "tend_all",
    "trash_run",
    "trash_runs",
    "unpin",
    "watch_trials",
]
