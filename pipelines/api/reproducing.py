"""A step as an archive that runs it again elsewhere, over REST."""

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from pipelines.api.runs import StepAPIView
from pipelines.reproduction.archive import Archive, archive_of, input_archive
from studio.lib.downloads import StreamedResponse, stream_file

_ZIP = {(200, "application/zip"): OpenApiTypes.BINARY}


class ReproduceView(StepAPIView):
    @extend_schema(
        parameters=[OpenApiParameter("inputs", str, enum=["include"], description="Else the archive fetches them.")],
        responses=_ZIP,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> StreamedResponse:
        """A ZIP archive that runs the step on any machine: its code, lock, arguments and variables, and `run.sh`."""
        return _sent(
            archive_of(
                self.access.workspace,
                self.step(run_id, name),
                with_inputs=request.query_params.get("inputs") == "include",
                studio=request.build_absolute_uri("/"),
            )
        )


class InputDownloadView(StepAPIView):
    @extend_schema(responses=_ZIP)
    def get(self, request: Request, slug: str, run_id: int, name: str, given: str) -> StreamedResponse:
        """A ZIP archive of what the step reads as one of its inputs, laid out as the step finds it."""
        try:
            return _sent(input_archive(self.access.workspace, self.step(run_id, name), given))
        except KeyError as error:
            raise Http404("The step has no such input.") from error


def _sent(archive: Archive) -> StreamedResponse:
    return stream_file(archive.pieces, archive.name, content_type="application/zip")
