"""Keys that stop being good between registering and running: the step ends in a sentence, and in nothing else."""

import secrets
from io import BytesIO
from pathlib import Path

import pytest

from compute.models import Job
from compute.spec import InputMode, JobInput, JobOutput
from compute.states import JobStatus
from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.sources import DataPath
from studio.lib.problems import UserError
from tests.support.compute import Compute, log_of, over
from tests.support.servers.azure import Azurite
from tests.support.servers.s3 import READ_AND_WRITE, MotoServer
from tests.support.stack import Stack
from tests.support.waiting import wait_for

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
        assert job.reason.endswith("It stands in the settings of the datastore “revoked”."), job.reason
        said = "\n".join([job.reason, *log_of(job)])
        assert given["secret_key"] not in said
        assert "Traceback" not in said
    assert "ran" not in log_of(ended[0], "o"), "its data is not there"
    healthy = over(compute.script("print('ran')"))
    assert healthy.status == JobStatus.COMPLETED, "the node goes on"


# Reads one file, says so, and the other one when it is told to.
SLOW_READER = """
import pathlib, sys, time
data, signs = map(pathlib.Path, sys.argv[1:])
print((data / "0").read_text(), flush=True)
(signs / "read").touch()
while not (signs / "go").exists():
    time.sleep(0.02)
print((data / "1").read_text(), flush=True)
"""


def test_a_signature_that_expires_while_a_step_reads(
    compute: Compute, node: Stack, azurite: Azurite, tmp_path: Path
) -> None:
    container = azurite.make_container()
    config = {**azurite.config, "container": container, "auth": "sas"}
    token = azurite.sas(container, hours=25 / 3600)
    store = compute.store("expiring", "azure_blob", config, {"sas_token": token})
    for number in range(2):
        get_backend(store).write(f"in/{number}", BytesIO(b"here"))
    inputs = {"data": JobInput(paths=[DataPath(datastore_id=store.pk, path="in")], mode="mount")}
    job = compute.job("python", "-c", SLOW_READER, "${{inputs.data}}", str(tmp_path), inputs=inputs)
    wait_for((tmp_path / "read").exists, what="the first file is read")
    wait_for(lambda: _is_refused(store), what="the signature has expired", every_s=0.5)
    (tmp_path / "go").touch()
    for ended in (over(job), _reads(compute, store, "download"), _writes(compute, store)):
        assert ended.status == JobStatus.FAILED
        said = "\n".join([ended.reason, *log_of(ended)])
        assert f"The SAS token for the container {container} expired on " in said
        assert "Give the datastore a new one." in said
        assert token.partition("sig=")[2] not in said
    assert log_of(job, "o") == ["here"]


def _is_refused(store: Datastore) -> bool:
    try:
        get_backend(store).stat("in/0")
    except UserError:
        return True
    return False
