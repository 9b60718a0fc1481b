"""Published pipelines, which the studio does not have yet."""

from __future__ import annotations

from studio_sdk.pipeline.core._later import Later

__all__ = ["PublishedPipeline"]


class PublishedPipeline(Later):
    """Raises NotSupportedException: there are no published pipelines yet."""

    _WHAT = "published pipelines"
    _INSTEAD = (
        "a pipeline that was submitted is kept: submit it again by its page, or over REST at …/pipelines/ID/runs/"
    )
    _CALLS = ("get", "get_all", "list")
