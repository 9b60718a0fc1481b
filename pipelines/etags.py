"""Entity tags of pipelines, RFC 9110: what somebody read is what they change, or they are told."""

from http import HTTPStatus

from pipelines.models import Pipeline
from studio.lib.problems import UserError


class PreconditionFailedError(UserError):
    """What was read is not what there is. Becomes a 412."""

    status_code = HTTPStatus.PRECONDITION_FAILED


def etag_of(pipeline: Pipeline) -> str:
    """By its latest version: versions are never changed."""
    return f'"{pipeline.pk}-{pipeline.latest_version}"'


def require_match(if_match: str | None, pipeline: Pipeline) -> int:
    """The version that a request with this header changes.

    Raises PreconditionFailedError where it names another one, UserError where there is no header.
    """
    if if_match is None:
        raise UserError(
            "Say which version was edited: here (0 for none), or with the pipeline's ETag as If-Match.",
            loc=("base_version",),
        )
    tags = {tag.strip() for tag in if_match.split(",")}
    if "*" not in tags and etag_of(pipeline) not in tags:
        raise PreconditionFailedError(
            f"The pipeline is at version {pipeline.latest_version} by now. Read it again and make your changes there."
        )
    return pipeline.latest_version
