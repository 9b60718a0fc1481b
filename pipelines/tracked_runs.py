"""What the clients of the tracking interface call a run: by it people find the run, and we its step."""

import re

DATASET_TAG = "mlflow.dataset."  # followed by name and digest: a data set that a client says it used
MODEL_TAG = "mlflow.loggedModel."  # followed by its id: `pipelines.mlflow.logged_models`
# What clients or we keep in tags as JSON, which is for programs: no page shows it.
FOR_PROGRAMS = (DATASET_TAG, MODEL_TAG, "mlflow.log-model.history")
_ID = re.compile(r"\Ar([0-9]{1,18})-s([0-9]{1,18})\Z")


def tracked_run_id(run_id: int, step_run_id: int) -> str:
    """As in `r17-s204`, for the step with the key 204 of run 17."""
    return f"r{run_id}-s{step_run_id}"


def parts_of(text: str) -> tuple[int, int] | None:
    """The numbers of the run and of the step; None for what is no such name."""
    found = _ID.match(text)
    return (int(found[1]), int(found[2])) if found else None
