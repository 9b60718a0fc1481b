"""What a specification means, written down once: by whoever built it first."""

from django.db import IntegrityError, transaction

from compute.environments.installed import canonical
from compute.models import SpecificationLock
from compute.spec import EnvironmentLock, EnvironmentSpec


def lock_of(digest: str) -> EnvironmentLock | None:
    """The lock of the specification with this digest, where it was built before."""
    row = SpecificationLock.objects.filter(digest=digest).only("document").first()
    return row.document if row else None


def packages_of(spec: EnvironmentSpec) -> frozenset[str] | None:
    """The names of all packages, in lower case with hyphens; None where that is not known before its first build."""
    if not spec.is_managed or spec.setup_script:
        return None
    if not (spec.pip or spec.conda):
        return frozenset()
    lock = lock_of(spec.digest)
    return frozenset(canonical(each.name) for each in lock.packages) if lock else None


def record_lock(digest: str, lock: EnvironmentLock, *, node_name: str) -> EnvironmentLock:
    """Write it down, unless somebody else was faster. Returns the one that counts."""
    try:
        with transaction.atomic():
            SpecificationLock.objects.create(digest=digest, document=lock, node_name=node_name)
    except IntegrityError:
        counts = lock_of(digest)
        if counts is None:
            raise
        return counts
    return lock
