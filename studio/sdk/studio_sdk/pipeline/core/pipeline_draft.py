"""Drafts of pipelines, which the studio does not have yet."""

from __future__ import annotations

from studio_sdk.pipeline.core._later import Later

__all__ = ["PipelineDraft"]


class PipelineDraft(Later):
    """Raises NotSupportedException: a pipeline is edited by its versions."""

    _WHAT = "drafts of pipelines"
    _INSTEAD = "Pipeline.submit keeps a version each time, and the pipeline's page edits the latest one"
    _CALLS = ("get", "create", "list")
