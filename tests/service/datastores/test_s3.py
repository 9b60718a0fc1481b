"""S3: the contract against a real server, and what only such a server can do to it."""

import secrets

import pytest

from datastores.backends import Backend, open_store
from tests.support.servers.s3 import S3Server

from .contract import ODD_NAMES, BackendContract

pytestmark = pytest.mark.usefixtures("loopback_admitted")


class TestS3(BackendContract):
    too_long = "x" * 1100
    odd_names = tuple(name for name in ODD_NAMES if "\n" not in name)  # rclone's disk refuses it; moto's store does not

    @pytest.fixture
    def backend(self, s3_server: S3Server) -> Backend:
        store = open_store("s3", {**s3_server.config, "bucket": s3_server.make_bucket()}, s3_server.secrets)
        assert isinstance(store, Backend)
        return store


class TestS3Folder(TestS3):
    """Below a folder of a bucket that holds other things too."""

    @pytest.fixture
    def backend(self, s3_server: S3Server) -> Backend:
        bucket = s3_server.make_bucket()
        (s3_server.folder / bucket / "beside").write_bytes(b"not the datastore's")
        config = {**s3_server.config, "bucket": bucket, "folder": f"deep/{secrets.token_hex(4)}"}
        store = open_store("s3", config, s3_server.secrets)
        assert isinstance(store, Backend)
        return store
