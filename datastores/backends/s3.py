"""Files in a bucket of S3, or of a server that speaks like it: MinIO, Ceph, R2, Garage and others."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import Field, SecretStr

from datastores.backends.interface import (
    BackendConfig,
    ChangedMeanwhile,
    Credentials,
    DiskFull,
    NoSuchPath,
    Unreachable,
)
from datastores.backends.objects import PAGE, Draft, ObjectStore, Page, StoredObject
from datastores.backends.remote import CONNECT_S, FETCH_AT_ONCE, READ_S, Loc, clean_folder, clean_url
from datastores.source_paths import shown
from studio.lib.problems import Problem, UserError

AMAZON = "https://s3.amazonaws.com"
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
BUCKET_LOC = ("config", "bucket")
KEY_LOC = ("credentials", "access_key")
SECRET_LOC = ("credentials", "secret_key")
TOKEN_LOC = ("credentials", "session_token")
ENDPOINT_LOC = ("config", "endpoint")
PATH_LOC = ("path",)

# Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_CLOCKS = (UserError, "The clocks of this machine and the server differ too much. Set them right.", ENDPOINT_LOC)
_EXPIRED = (UserError, "These credentials have expired. Enter new ones.", TOKEN_LOC)
_NO_NAME = (UserError, "The bucket's name {bucket} is none.", BUCKET_LOC)
_OTHER_REGION = (UserError, "The bucket {bucket} lies in another region.{region}", ("config", "region"))
_CHANGED = (ChangedMeanwhile, "“{path}” was changed while it was read. Read it anew.", PATH_LOC)
_GONE = (NoSuchPath, "“{path}” is not there (any more).", PATH_LOC)
_TOO_LONG = (UserError, "“{path}” is too long for this store. Shorten it.", PATH_LOC)
_FULL = (DiskFull, "The store is full: “{path}” was not kept. Make room and try again.", PATH_LOC)
_BUSY = (Unreachable, "{server} is busy or out of order. Try again.", ENDPOINT_LOC)
_UNKNOWN_KEY = (
    UserError,
    "The server does not know this access key: it is wrong, or it was revoked. Enter another one.",
    KEY_LOC,
)
_SENTENCES: Mapping[str, tuple[type[UserError], str, Loc]] = {
    "NoSuchBucket": (
        UserError,
        "There is no bucket {bucket} at {server} (any more). Check its name and the region.",
        BUCKET_LOC,
    ),
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": (
        UserError,
        "The secret key does not belong to the access key. Enter it again.",
        SECRET_LOC,
    ),
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": (UserError, "The server does not accept the session token. Enter it again.", TOKEN_LOC),
    "RequestTimeTooSkewed": _CLOCKS,
    "RequestExpired": _CLOCKS,
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "301": _OTHER_REGION,
    "PreconditionFailed": _CHANGED,
    "412": _CHANGED,
    "InvalidRange": _CHANGED,  # only what a file was seen to have is asked for: it is shorter now
    "416": _CHANGED,
    "NoSuchKey": _GONE,
    "NoSuchUpload": _GONE,
    "404": _GONE,
    "InvalidObjectState": (UserError, "“{path}” is in an archive. Restore it first.", PATH_LOC),
    "InvalidBucketName": _NO_NAME,
    "KeyTooLongError": _TOO_LONG,
    "QuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "InsufficientStorage": _FULL,
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "InternalError": _BUSY,
    "RequestTimeout": _BUSY,
    "500": (  # botocore's word for a page of a web server as well
        Unreachable,
        "{server} is busy or out of order, or no S3 server. Check the address, and try again.",
        ENDPOINT_LOC,
    ),
    "403": (
        UserError,
        "These credentials may not {doing} the bucket {bucket}. Have the right added, or enter others.",
        ("credentials",),
    ),
    "": (UserError, "{server} refused to {doing} the bucket {bucket}: {code}.", BUCKET_LOC),
}

# What a person was about to do, by the name of the request.
_DOING = {
    "ListObjectsV2": "list the files of",
    "HeadObject": "look at files in",
    "GetObject": "read from",
    "PutObject": "write to",
    "CreateMultipartUpload": "write to",
    "UploadPart": "write to",
    "CompleteMultipartUpload": "write to",
    "DeleteObject": "delete from",
    "DeleteObjects": "delete from",
}


class S3Config(BackendConfig):
    bucket: str = Field(title="Bucket", max_length=255)
    folder: str = Field(default="", title="Folder", description="Leave it empty for the whole bucket.", max_length=500)
    endpoint: str = Field(
        default="",
        title="Endpoint",
        description="The server's address, as in https://minio.example.com:9000. Leave it empty for Amazon's own.",
        max_length=500,
    )
    region: str = Field(
        default="", title="Region", description="As in eu-west-1. Many other servers need none.", max_length=100
    )
    path_style: bool = Field(
        default=False,
        title="Bucket in the path",
        description="https://server/bucket instead of https://bucket.server: most servers other than Amazon's want it.",
    )
    auth: Literal["key", "identity", "anonymous"] = Field(
        default="key",
        title="Sign in with",
        json_schema_extra={
            "choices": {
                "key": "Access key",
                "identity": "The identity of the machine that opens it",
                "anonymous": "Nothing: a public bucket",
            }
        },
    )


class S3Secrets(Credentials):
    access_key: SecretStr = Field(
        default=SecretStr(""), title="Access key", json_schema_extra={"when": {"auth": ["key"]}}
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""), title="Secret key", json_schema_extra={"when": {"auth": ["key"]}}
    )
    session_token: SecretStr = Field(
        default=SecretStr(""),
        title="Session token",
        description="Only of temporary keys.",
        json_schema_extra={"when": {"auth": ["key"]}},
    )


class S3Store(ObjectStore):
    kind: ClassVar[str] = "s3"
    label: ClassVar[str] = "Amazon S3 or compatible"
    icon: ClassVar[str] = "bucket"
    summary: ClassVar[str] = "A bucket of Amazon S3, or of MinIO, Ceph, Cloudflare R2 and others that speak like it."
    Config: ClassVar[type[BackendConfig]] = S3Config
    Secrets: ClassVar[type[Credentials]] = S3Secrets

    def __init__(self, config: S3Config, secrets: S3Secrets) -> None:
        super().__init__(config.folder)
        self._config = config
        self._secrets = secrets
        self._files: Any = None  # s3fs.S3FileSystem

    @classmethod
    def settle(
        cls,
        config: BackendConfig,
        credentials: Credentials,
        *,
        workspace_id: int,  # noqa: ARG003 (other kinds make a folder of it)
        name: str,  # noqa: ARG003
    ) -> S3Config:
        config, secrets = cast("S3Config", config), cast("S3Secrets", credentials)
        problems = []
        if not BUCKET.fullmatch(config.bucket):
            problems.append(
                Problem(BUCKET_LOC, "Give the bucket's name alone: letters, digits, dots, hyphens and underscores.")
            )
        if config.auth == "key" and not secrets.access_key.get_secret_value():
            problems.append(Problem(KEY_LOC, "Enter the access key, or sign in another way."))
        if config.auth == "key" and not secrets.secret_key.get_secret_value():
            problems.append(Problem(SECRET_LOC, "Enter the secret key."))
        endpoint, folder = config.endpoint, config.folder
        try:
            endpoint = clean_url(endpoint, loc=cls.endpoint_loc) if endpoint else ""
            folder = clean_folder(folder)
        except UserError as error:
            problems += error.problems
        if problems:
            raise UserError(problems)
        return config.model_copy(update={"endpoint": endpoint, "folder": folder})

    @classmethod
    def open(cls, config: BackendConfig, credentials: Credentials) -> Self:
        return cls(cast("S3Config", config), cast("S3Secrets", credentials))

    @property
    def location(self) -> str:
        at = f" at {self._config.endpoint}" if self._config.endpoint else ""
        return f"s3://{self._config.bucket}/{self._root}".rstrip("/") + at

    @property
    def endpoint(self) -> str:
        return self._config.endpoint or AMAZON

    def address(self, path: str) -> str:
        return f"s3://{self._config.bucket}/{self._root}{path}"

    def close(self) -> None:
        files, self._files = self._files, None
        if files is not None and getattr(files, "_s3creator", None) is not None:
            files.close_session(files.loop, files._s3creator)  # noqa: SLF001 (its own way to close early)

    async def _client(self) -> Any:
        """aiobotocore's client, as s3fs made it."""
        if self._files is None:
            self._files = _filesystem(self._config, self._secrets)
        return await self._files.set_session()

    async def _page(self, prefix: str, *, deep: bool, after: str | None = None, limit: int = PAGE) -> Page:
        options: dict[str, Any] = {} if deep else {"Delimiter": "/"}
        if after:
            options["ContinuationToken"] = after
        client = await self._client()
        found = await client.list_objects_v2(Bucket=self._config.bucket, Prefix=prefix, MaxKeys=limit, **options)
        if not {"Name", "IsTruncated", "KeyCount", "Contents"} & found.keys():  # a web page says yes to everything
            raise self._of_another_kind("an S3 server")
        return Page(
            objects=[
                StoredObject(each["Key"], each["Size"], _ns(each.get("LastModified")), _etag(each.get("ETag")))
                for each in found.get("Contents", ())
            ],
            folders=[each["Prefix"] for each in found.get("CommonPrefixes", ())],
            after=found.get("NextContinuationToken") if found.get("IsTruncated") else None,
        )

    async def _head(self, key: str) -> StoredObject | None:
        from botocore.exceptions import ClientError

        client = await self._client()
        try:
            found = await client.head_object(Bucket=self._config.bucket, Key=key)
        except ClientError as error:
            if _status(error) == 404:  # of a bucket that is gone as well: whoever lists next hears of it
                return None
            if _status(error) in {401, 403}:
                await self._say_why(key)
            raise
        return StoredObject(key, found["ContentLength"], _ns(found.get("LastModified")), _etag(found.get("ETag")))

    async def _say_why(self, key: str) -> None:
        """A refused HEAD comes without words. Raises what a list says, where that is more than that it is refused."""
        from botocore.exceptions import ClientError

        try:
            await self._page(key, deep=True, limit=1)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "AccessDenied":
                raise

    async def _get(self, key: str, start: int, end: int, etag: str | None) -> bytes:
        options = {"IfMatch": f'"{etag}"'} if etag else {}
        client = await self._client()
        found = await client.get_object(
            Bucket=self._config.bucket, Key=key, Range=f"bytes={start}-{end - 1}", **options
        )
        # Told by the header, for some servers say 200 to a part as well.
        is_part = bool(found.get("ContentRange"))
        if etag and _etag(found.get("ETag")) not in {etag, None}:  # some servers pass over the condition
            found["Body"].close()
            raise ChangedMeanwhile(_CHANGED[1].format(path=shown(key)), loc=PATH_LOC)
        if not is_part and found["ContentLength"] > end:
            found["Body"].close()
            raise UserError(
                f"{shown(self.endpoint)} can't give a part of a file, as every S3 server can. Check the address.",
                loc=ENDPOINT_LOC,
            )
        async with found["Body"] as body:
            content: bytes = await body.read()
        return content if is_part else content[start:end]

    async def _put(self, key: str, content: bytes) -> None:
        client = await self._client()
        made = await client.put_object(Bucket=self._config.bucket, Key=key, Body=content)
        self._told(made, "ETag")

    def _told(self, answer: Mapping[str, Any], name: str) -> str:
        """What every S3 server says of what it kept. Raises UserError where nothing was said, so nothing is kept."""
        if not answer.get(name):
            raise self._of_another_kind("an S3 server")
        return str(answer[name])

    async def _start(self, key: str) -> Draft:
        client = await self._client()
        made = await client.create_multipart_upload(Bucket=self._config.bucket, Key=key)
        return Draft(key, self._told(made, "UploadId"))

    async def _add(self, draft: Draft, number: int, content: bytes) -> None:
        client = await self._client()
        made = await client.upload_part(
            Bucket=self._config.bucket, Key=draft.key, UploadId=draft.id, PartNumber=number, Body=content
        )
        draft.parts[number] = self._told(made, "ETag")

    async def _finish(self, draft: Draft) -> None:
        client = await self._client()
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(draft.parts.items())]
        await client.complete_multipart_upload(
            Bucket=self._config.bucket, Key=draft.key, UploadId=draft.id, MultipartUpload={"Parts": parts}
        )

    async def _abandon(self, draft: Draft) -> None:
        client = await self._client()
        await client.abort_multipart_upload(Bucket=self._config.bucket, Key=draft.key, UploadId=draft.id)

    async def _remove(self, keys: Sequence[str]) -> None:
        client = await self._client()
        if len(keys) == 1:
            await client.delete_object(Bucket=self._config.bucket, Key=keys[0])
        elif keys:
            answer = await client.delete_objects(
                Bucket=self._config.bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
            for refused in answer.get("Errors", ()):
                raise self._of_code(refused.get("Code", ""), "DeleteObjects", refused.get("Key", ""), 403)

    def _explained(self, error: BaseException, path: str) -> UserError | None:
        from botocore import exceptions, parsers

        if isinstance(error, exceptions.ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            return self._of_code(code, error.operation_name, path, _status(error), error.response)
        if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            return UserError(
                "This machine has no identity for Amazon's services. Give it one, or sign in with an access key.",
                loc=("config", "auth"),
            )
        if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
            return self._too_slow()
        if isinstance(error, parsers.ResponseParserError | RecursionError):  # a redirect without a bucket's region
            return self._of_another_kind("an S3 server")
        if isinstance(error, exceptions.ParamValidationError):
            return UserError(f"The bucket's name {shown(self._config.bucket)} is none.", loc=BUCKET_LOC)
        if isinstance(error, exceptions.InvalidRegionError | exceptions.UnknownRegionError):
            return UserError(f"There is no region {shown(self._config.region)}.", loc=("config", "region"))
        return None

    def _of_code(
        self, code: str, operation: str, path: str, status: int, response: dict[str, Any] | None = None
    ) -> UserError:
        """The sentence for an error of the server."""
        if code in {"InvalidArgument", "InvalidContinuationToken"} and operation == "ListObjectsV2":
            return UserError("`after` must be what the last page gave.", loc=("after",))
        region = _region(response)
        words = {
            "bucket": shown(self._config.bucket),
            "server": shown(self.endpoint),
            "path": shown(path),
            "doing": _DOING.get(operation, "use"),
            "region": f" It is {shown(region)}." if region else "",
            "code": shown(code),
        }
        if code not in _SENTENCES:
            code = "403" if status in {401, 403} else "404" if status == 404 else "500" if status >= 500 else ""
        kind, sentence, loc = _SENTENCES[code]
        if code == "403":
            loc = ("credentials",) if self._config.auth == "key" else ("config", "auth")
        return kind(sentence.format(**words), loc=loc)


def _filesystem(config: S3Config, secrets: S3Secrets) -> Any:
    import s3fs
    from aiobotocore.session import AioSession

    # Unless its identity is wanted, nothing of this machine is mixed in: neither keys nor a profile of its user.
    alone = {
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
        "profile": (None, None, None, None),
    }
    session = AioSession(session_vars=None if config.auth == "identity" else alone)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    keys = {
        "key": secrets.access_key.get_secret_value() or None,
        "secret": secrets.secret_key.get_secret_value() or None,
        "token": secrets.session_token.get_secret_value() or None,
    }
    # Amazon's own answer from elsewhere with the region that it is; others take any.
    region = config.region or ("" if config.auth == "identity" else "us-east-1")
    files = s3fs.S3FileSystem(
        anon=config.auth == "anonymous",
        **(keys if config.auth == "key" else {}),
        endpoint_url=config.endpoint or None,
        session=session,
        client_kwargs={"region_name": region} if region else {},
        config_kwargs={
            "http_session_cls": _session_class(),
            "proxies": {},  # what is connected to is what the guard has checked
            "connect_timeout": CONNECT_S,
            "read_timeout": READ_S,
            "retries": {"mode": "standard", "total_max_attempts": 2},
            "max_pool_connections": 2 * FETCH_AT_ONCE,
            "s3": {"addressing_style": "path" if config.path_style else "auto"},
            "ignore_configured_endpoint_urls": True,
            "user_agent": "pipeline-studio",  # put together anew for each request, botocore's own takes its time
            # Servers other than Amazon's refuse what they do not know.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    files.retries = 1  # botocore's own are enough
    return files


def _session_class() -> Any:
    import aiohttp
    from aiobotocore.httpsession import AIOHTTPSession

    from datastores.connector import GuardedConnector

    class GuardedSession(AIOHTTPSession):  # type: ignore[misc] # it has no types
        """aiobotocore's connections, through the guard."""

        async def _create_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
            context, _ = await asyncio.to_thread(self._build_ssl_contexts, proxy_url)
            return GuardedConnector(limit=self._max_pool_connections, ssl=context, **self._connector_args)

    return GuardedSession


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _region(response: dict[str, Any] | None) -> str:
    response = response or {}
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region") or response.get("Error", {}).get("Region") or "")


def _moment(text: Any) -> Any:
    """As botocore has it, whose own parser takes longer than all the rest that is done about an entry of a list."""
    from botocore.utils import parse_timestamp

    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError, TypeError):
            if (moment := read(text)).tzinfo is not None:
                return moment
    return parse_timestamp(text)


def _ns(moment: datetime | None) -> int | None:
    """Whole seconds: a list of objects has fractions, a look at one has none."""
    return None if moment is None else int(moment.timestamp()) * 10**9


def _etag(etag: str | None) -> str | None:
    return etag.strip('"') if etag else None
