"""A token for what runs as one attempt of a job: good as long as its lease, and for nothing but that job.

It is kept nowhere. It is made of the lease, by a key that only the studio has, and compared with what the lease that
holds now would give.
"""

import uuid
from dataclasses import dataclass

from django.utils.crypto import constant_time_compare, salted_hmac

from compute.models import Job
from compute.states import ACTIVE

PREFIX = "step"


@dataclass(frozen=True, slots=True)
class Bearer:
    """The job that a token is of, which a node runs right now."""

    job_id: int
    workspace_id: int
    owner: str
    attempt: int
    requested_by_id: int | None


def step_token(job_id: int, lease: uuid.UUID) -> str:
    made = salted_hmac("compute.step_token", f"{job_id} {lease.hex}", algorithm="sha256")
    return f"{PREFIX}.{job_id}.{made.hexdigest()}"


def is_step_token(token: str) -> bool:
    return token.startswith(f"{PREFIX}.")


def bearer_of(token: str) -> Bearer | None:
    """None where it is no token, or its lease is over."""
    _prefix, _, rest = token.partition(".")
    number, _, _digest = rest.partition(".")
    if not (number.isascii() and number.isdecimal() and len(number) <= 18):
        return None
    job = (
        Job.objects.filter(pk=int(number), status__in=ACTIVE, lease_token__isnull=False).defer("spec", "result").first()
    )
    if job is None or job.lease_token is None:
        return None
    if not constant_time_compare(token, step_token(job.pk, job.lease_token)):
        return None
    return Bearer(job.pk, job.workspace_id, job.owner, job.attempt_number, job.requested_by_id)
