"""Real S3 servers: rclone's with files on this disk and its own keys, and moto's where rights and tokens matter.

with s3() as server:
    config = {**server.config, "bucket": server.make_bucket()}
    secrets = server.secrets
"""

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers.certificates import Certificates
from tests.support.servers.processes import server_on_a_port
from tests.support.servers.rclone import FRESH, rclone_binary, rclone_environment

REGION = "us-east-1"
READ_AND_WRITE = ("s3:*",)
ONLY_READ = ("s3:ListBucket", "s3:GetObject")


@dataclass(frozen=True)
class S3Server:
    """A running server that takes one pair of keys. A bucket is a folder below `folder`."""

    endpoint: str
    key: str
    secret: str
    folder: Path
    region: str = REGION

    @property
    def config(self) -> dict[str, Any]:
        """What a datastore of the kind `s3` needs, without its bucket."""
        return {"endpoint": self.endpoint, "region": self.region, "path_style": True, "auth": "key"}

    @property
    def secrets(self) -> dict[str, str]:
        return {"access_key": self.key, "secret_key": self.secret}

    def make_bucket(self, name: str = "") -> str:
        """A new bucket; gives its name."""
        name = name or f"bucket-{secrets.token_hex(6)}"
        (self.folder / name).mkdir()
        return name

    def remove_bucket(self, name: str) -> None:
        """The bucket vanishes, with all that is in it."""
        shutil.rmtree(self.folder / name)

    def files(self, bucket: str) -> dict[str, bytes]:
        """What is in a bucket, by key: as it lies on the server's disk."""
        top = self.folder / bucket
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@contextmanager
def s3(certificates: Certificates | None = None, *, public: bool = False) -> Iterator[S3Server]:
    """`rclone serve s3`, with TLS where `certificates` are given; a `public` one asks nobody for a key."""
    home = Path(tempfile.mkdtemp(prefix="studio-s3-"))
    folder = home / "buckets"
    folder.mkdir()
    key, secret = secrets.token_hex(10), secrets.token_urlsafe(30)
    environment = rclone_environment(home)
    if not public:  # not in the command: whoever lists processes would read it
        environment["RCLONE_AUTH_KEY"] = f'"{key},{secret}"'
    command = [str(rclone_binary()), "serve", "s3", *FRESH, "--vfs-cache-mode", "off", str(folder)]
    if certificates:
        command += ["--cert", str(certificates.certificate), "--key", str(certificates.key)]
    try:
        with server_on_a_port(
            "rclone's S3",
            lambda port: [*command, "--addr", f"127.0.0.1:{port}"],
            log=home / "s3.log",
            environment=environment,
        ) as port:
            scheme = "https" if certificates else "http"
            yield S3Server(f"{scheme}://127.0.0.1:{port}", key, secret, folder)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class MotoServer:
    """A running server that knows users and their rights, and enforces them. Its buckets live in memory."""

    endpoint: str
    root_key: str
    root_secret: str
    region: str = REGION

    @property
    def config(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "region": self.region, "path_style": True, "auth": "key"}

    def client(self, service: str) -> Any:
        """boto's client of the user who may do everything."""
        import botocore.session

        return botocore.session.get_session().create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.root_key,
            aws_secret_access_key=self.root_secret,
        )

    def make_bucket(self) -> str:
        name = f"bucket-{secrets.token_hex(6)}"
        self.client("s3").create_bucket(Bucket=name)
        return name

    def remove_bucket(self, name: str) -> None:
        s3 = self.client("s3")
        for found in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=found["Key"])
        s3.delete_bucket(Bucket=name)

    def make_user(self, *actions: str) -> tuple[str, dict[str, str]]:
        """A user who may do just that; gives the name, and the secrets of a datastore."""
        name = f"user-{secrets.token_hex(6)}"
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=_policy(*actions))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return name, {"access_key": made["AccessKeyId"], "secret_key": made["SecretAccessKey"]}

    def revoke(self, user: str, secrets: dict[str, str]) -> None:
        """The user's key is no longer one."""
        self.client("iam").delete_access_key(UserName=user, AccessKeyId=secrets["access_key"])


@contextmanager
def moto() -> Iterator[MotoServer]:
    home = Path(tempfile.mkdtemp(prefix="studio-moto-"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    # Its first user is made before it asks for rights: that many requests are let through.
    environment = {**kept, "INITIAL_NO_AUTH_ACTION_COUNT": "3"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p"]
    try:
        with server_on_a_port(
            "moto", lambda port: [*command, str(port)], log=home / "moto.log", environment=environment
        ) as port:
            endpoint = f"http://127.0.0.1:{port}"
            iam = MotoServer(endpoint, "nobody", "nothing").client("iam")
            iam.create_user(UserName="root")
            iam.put_user_policy(UserName="root", PolicyName="rights", PolicyDocument=_policy("s3:*", "iam:*", "sts:*"))
            made = iam.create_access_key(UserName="root")["AccessKey"]
            yield MotoServer(endpoint, made["AccessKeyId"], made["SecretAccessKey"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _policy(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
