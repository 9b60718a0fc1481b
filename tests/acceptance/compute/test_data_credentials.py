"""Keys that stop being good between registering and running: the step ends in a sentence, and in nothing else."""

import secrets
from io import BytesIO

import pytest

from compute.models import Job
from compute.spec import InputMode, JobInput, JobOutput
from compute.states import JobStatus
from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.sources import DataPath
from tests.support.compute import Compute, log_of, over
from tests.support.servers.s3 import READ_AND_WRITE, MotoServer
from tests.support.stack import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("loopback_admitted")]


def _reads(compute: Compute, store: Datastore, mode: InputMode) -> Job:
    inputs = {"data": JobInput(paths=[DataPath(datastore_id=store.pk, path="in")], mode=mode)}
    return over(compute.job("python", "-c", "print('ran')", "${{inputs.data}}", inputs=inputs))


def _writes(compute: Compute, store: Datastore) -> Job:
    script = "import pathlib, sys; pathlib.Path(sys.argv[1], 'a').write_text('x')"
    outputs = {"made": JobOutput(datastore_id=store.pk, path=f"out/{secrets.token_hex(4)}", mode="upload")}
    return over(compute.job("python", "-c", script, "${{outputs.made}}", outputs=outputs))


def test_a_key_that_was_revoked_after_registering(compute: Compute, node: Stack, s3_with_rights: MotoServer) -> None:
    user, given = s3_with_rights.make_user(*READ_AND_WRITE)
    config = {**s3_with_rights.config, "bucket": s3_with_rights.make_bucket()}
    store = compute.store("revoked", "s3", config, given)
    for number in range(3):
        get_backend(store).write(f"in/{number}", BytesIO(b"here"))
    modes: tuple[InputMode, ...] = ("download", "mount")
    for mode in modes:
        job = _reads(compute, store, mode)
        assert job.status == JobStatus.COMPLETED, job.reason
    assert _writes(compute, store).status == JobStatus.COMPLETED
    s3_with_rights.revoke(user, given)
    ended = [*(_reads(compute, store, mode) for mode in modes), _writes(compute, store)]
    for job in ended:
        assert job.status == JobStatus.FAILED
        assert "does not know this access key: it is wrong, or it was revoked." in job.reason, job.reason
        said = "\n".join([job.reason, *log_of(job)])
        assert given["secret_key"] not in said
        assert "Traceback" not in said
    assert "ran" not in log_of(ended[0], "o"), "its data is not there"
    healthy = over(compute.script("print('ran')"))
    assert healthy.status == JobStatus.COMPLETED, "the node goes on"
