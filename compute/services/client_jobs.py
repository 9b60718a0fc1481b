"""What a client does itself, somewhere that the studio knows nothing of, and only tells what it measures.

For its metrics it has an attempt like any other, of a job that was over before anybody could run it: no node, queue,
quota or sweep ever looks at it.
"""

from datetime import datetime

from compute.models import Attempt, ComputeTarget, Job
from compute.spec import EnvironmentSpec, JobArtifacts, JobSpec
from compute.states import JobStatus
from studio.workspaces.models import Workspace

_NAME = "clients"


def job_of_client(
    workspace: Workspace, *, owner: str, title: str, requested_by_id: int | None, artifacts: JobArtifacts, at: datetime
) -> Attempt:
    """The attempt under which its metrics are kept. Within a transaction."""
    job = Job.objects.create(
        workspace=workspace,
        target=_no_target(workspace, at),
        owner=owner,
        title=title[:200],
        spec=JobSpec(command=[], environment=EnvironmentSpec(), artifacts=artifacts),
        status=JobStatus.COMPLETED,
        requested_by_id=requested_by_id,
        queued_at=at,
        started_at=at,
        finished_at=at,
        attempt_number=1,
    )
    return Attempt.objects.create(
        job=job, number=1, node_name="", claimed_at=at, started_at=at, finished_at=at, log_complete=True
    )


def _no_target(workspace: Workspace, at: datetime) -> ComputeTarget:
    """A row that jobs without a target name. It counts as removed, so that nobody is shown it or can choose it."""
    removed = ComputeTarget._base_manager  # noqa: SLF001 (the others do not know it)
    found = removed.filter(workspace=workspace, name=_NAME, slots=0).first()
    if found is None:
        found = ComputeTarget.objects.create(
            workspace=workspace, name=_NAME, description="Not a target: what clients do.", slots=0, deleted_at=at
        )
    return found
