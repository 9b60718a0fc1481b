"""Real servers of data, and a node that may reach them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.compute import Compute
from tests.support.data import FarStore
from tests.support.servers.s3 import S3Server
from tests.support.servers.tollgate import Tollgate, tollgate
from tests.support.stack import Stack

HERE = {"STUDIO_PRIVATE_HOSTS": "127.0.0.1", "STUDIO_NODE_HEARTBEAT_S": "0.5", "STUDIO_CANCEL_GRACE_S": "0.3"}


@pytest.fixture
def gate(s3_server: S3Server) -> Iterator[Tollgate]:
    """On the way to the S3 server."""
    port = urlsplit(s3_server.endpoint).port
    assert port is not None
    with tollgate(port) as opened:
        yield opened


@pytest.fixture
def compute() -> Compute:
    return Compute()


@pytest.fixture
def far(compute: Compute, s3_server: S3Server, gate: Tollgate) -> FarStore:
    """A bucket of its own behind the gate, registered in the workspace of `compute`."""
    bucket = s3_server.make_bucket()
    config = {**s3_server.config, "bucket": bucket, "endpoint": f"http://127.0.0.1:{gate.port}"}
    store = compute.store("far", "s3", config, s3_server.secrets)
    return FarStore(store, s3_server.folder / bucket, gate)


@pytest.fixture
def data_stack(worker_stack: Callable[..., Stack], tmp_path: Path) -> Callable[..., Stack]:
    """`worker_stack`, with nodes that have a home of their own and may reach this machine's servers."""
    home = str(tmp_path / "node")
    return lambda **variables: worker_stack(**{**HERE, "STUDIO_NODE_HOME": home, **variables})


@pytest.fixture
def node_home(tmp_path: Path) -> Path:
    return tmp_path / "node"


@pytest.fixture
def node(data_stack: Callable[..., Stack], compute: Compute) -> Stack:
    stack = data_stack()
    stack.node(compute.target.pk)
    return stack
