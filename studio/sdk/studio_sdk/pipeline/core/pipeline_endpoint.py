"""Endpoints of pipelines, which the studio does not have yet."""

from __future__ import annotations

from studio_sdk.pipeline.core._later import Later

__all__ = ["PipelineEndpoint"]


class PipelineEndpoint(Later):
    """Raises NotSupportedException: there are no endpoints of pipelines yet."""

    _WHAT = "endpoints of pipelines"
    _INSTEAD = "submit the pipeline over REST, at …/pipelines/ID/runs/, whose “version” names one of its versions"
    _CALLS = ("publish", "get", "get_all", "list")
