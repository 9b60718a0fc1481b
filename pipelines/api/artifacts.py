"""What the attempts of a step left beside its outputs, over REST: listed folder by folder, downloaded one or all."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from datastores.backends import Listing
from datastores.paths import clean_path, name_of
from pipelines import queries
from pipelines.api.runs import ATTEMPT, StepAPIView, asked_attempt
from studio.lib.downloads import StreamedResponse, image_type, stream_file, stream_image

_PATH = OpenApiParameter("path", str, description="Below the artifacts, as in “outputs/model.pkl”.")


class ArtifactsAPIView(StepAPIView):
    """Base of these views."""

    def artifacts(self, request: Request, run_id: int, name: str) -> queries.ArtifactFolder:
        step = self.step(run_id, name)
        return queries.ArtifactFolder(self.access.workspace, step, attempt=asked_attempt(request))


class ArtifactsView(ArtifactsAPIView):
    @extend_schema(parameters=[_PATH, ATTEMPT, OpenApiParameter("after", str)], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """A folder of what an attempt left in `outputs/` and `logs/`, and of what it uploaded by call.

        A page at a time: ask again with `after` until it is null. A step that left nothing has no entries.
        """
        path = request.query_params.get("path", "")
        try:
            folder = self.artifacts(request, run_id, name)
        except queries.NoArtifacts:
            if clean_path(path) or asked_attempt(request):
                raise
            return Response(queries.listing_json(path, Listing([], None)))
        return Response(queries.listing_json(path, folder.list(path, after=request.query_params.get("after"))))


class ArtifactDownloadView(ArtifactsAPIView):
    @extend_schema(
        parameters=[_PATH, ATTEMPT, OpenApiParameter("inline", bool, description="An image, to be drawn in a page.")],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> StreamedResponse:
        """One artifact."""
        entry, stream = self.artifacts(request, run_id, name).open(request.query_params.get("path", ""))
        answer = stream_image if request.query_params.get("inline") and image_type(entry.label) else stream_file
        return answer(stream, entry.label, size_bytes=entry.size_bytes)


class ArtifactsZipView(ArtifactsAPIView):
    @extend_schema(parameters=[_PATH, ATTEMPT], responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, run_id: int, name: str) -> StreamedResponse:
        """All artifacts of an attempt, or those in one folder, as an archive that is written while it is read."""
        folder = self.artifacts(request, run_id, name)
        path = request.query_params.get("path", "")
        attempt = f"-attempt-{folder.attempt}" if folder.attempt else ""
        below = f"-{name_of(clean_path(path))}" if clean_path(path) else ""
        title = f"run-{run_id}-{name}{attempt}-artifacts{below}"
        return stream_file(folder.zipped(path, name=title), f"{title}.zip", content_type="application/zip")
