"""Files in a container of Azure's blob storage."""

import base64
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, ClassVar, Literal, Self, cast
from urllib.parse import urlsplit

from django.utils import timezone
from pydantic import Field, SecretStr

from datastores.backends.azure_signatures import why_not_now
from datastores.backends.interface import (
    BackendConfig,
    ChangedMeanwhile,
    Credentials,
    DiskFull,
    NoSuchPath,
    Unreachable,
)
from datastores.backends.objects import PAGE, Draft, ObjectStore, Page, StoredObject
from datastores.backends.remote import (
    CONNECT_S,
    FETCH_AT_ONCE,
    NONSENSE,
    READ_S,
    Loc,
    clean_folder,
    clean_url,
    close_with,
    gathered,
    raised_in,
)
from datastores.source_paths import shown
from studio.lib.problems import Problem, UserError

# Azure's own names, of all its clouds: only there a token of this machine's identity is sent.
AZURE_HOST = re.compile(
    r"[a-z0-9-]+(\.z\d+)?\.blob\.(core\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|storage\.azure\.net)"
)
ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
CONTAINER = re.compile(r"\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62}")
ACCOUNT_LOC = ("config", "account")
CONTAINER_LOC = ("config", "container")
ENDPOINT_LOC = ("config", "endpoint")
AUTH_LOC = ("config", "auth")
PATH_LOC = ("path",)
WHOLE_BYTES = 512 * 1024  # more is sent as a block: the SDK would hold up the loop of connections
SECRET_OF = {"key": "account_key", "sas": "sas_token", "connection_string": "connection_string"}

# Codes: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes and its common ones
_CHANGED = (ChangedMeanwhile, "“{path}” was changed while it was read. Read it anew.", PATH_LOC)
_GONE = (NoSuchPath, "“{path}” is not there (any more).", PATH_LOC)
_BUSY = (Unreachable, "{server} is busy or out of order. Try again.", ENDPOINT_LOC)
_REFUSED = (UserError, "The server does not accept these credentials. They are wrong, expired, or were revoked.", ())
_NO_RIGHT = (UserError, "These credentials may not do this in the container {container}. Have the right added.", ())
_EITHER = (  # Azure's word for a firewall as well, Azurite's for a wrong key
    UserError,
    "The server does not accept these credentials: they are wrong, expired, or were revoked, or lack a right.",
    (),
)
_NO_NAME = (UserError, "“{path}” can't be a name in this store. Choose another one.", PATH_LOC)
_SENTENCES: Mapping[str, tuple[type[UserError], str, Loc]] = {
    "ContainerNotFound": (
        UserError,
        "There is no container {container} at {server} (any more). Check its name and the account.",
        CONTAINER_LOC,
    ),
    "ContainerBeingDeleted": (UserError, "The container {container} is being deleted.", CONTAINER_LOC),
    "ContainerDisabled": (UserError, "The container {container} is switched off.", CONTAINER_LOC),
    "AccountIsDisabled": (UserError, "The account {account} is switched off.", ACCOUNT_LOC),
    "ResourceNotFound": _GONE,
    "BlobNotFound": _GONE,
    "404": _GONE,
    "ConditionNotMet": _CHANGED,
    "412": _CHANGED,
    "AuthenticationFailed": _REFUSED,
    "InvalidAuthenticationInfo": _REFUSED,
    "401": _REFUSED,
    "NoAuthenticationInformation": (
        UserError,
        "The container {container} is not public: sign in with a key or a signature.",
        AUTH_LOC,
    ),
    "PublicAccessNotPermitted": (
        UserError,
        "The account {account} lets nobody in without signing in. Choose a key or a signature.",
        AUTH_LOC,
    ),
    "AuthorizationPermissionMismatch": _NO_RIGHT,
    "AuthorizationFailure": _EITHER,
    "403": _EITHER,
    "AuthorizationResourceTypeMismatch": _NO_RIGHT,
    "AuthorizationServiceMismatch": _NO_RIGHT,
    "KeyBasedAuthenticationNotPermitted": (
        UserError,
        "The account {account} takes no keys. Sign in with an identity.",
        AUTH_LOC,
    ),
    "AuthorizationSourceIPMismatch": (UserError, "The signature is not for this machine's address.", ()),
    "BlobArchived": (UserError, "“{path}” is in an archive. Restore it first.", PATH_LOC),
    "InvalidResourceName": _NO_NAME,
    "InvalidUri": _NO_NAME,
    "InsufficientAccountPermissions": _NO_RIGHT,
    "AccountLimitExceeded": (DiskFull, "The account is full: “{path}” was not kept.", PATH_LOC),
    "ServerBusy": _BUSY,
    "InternalError": _BUSY,
    "OperationTimedOut": _BUSY,
    "500": _BUSY,
    "": (UserError, "{server} refused to do this in the container {container}: {code}.", CONTAINER_LOC),
}


class AzureBlobConfig(BackendConfig):
    account: str = Field(
        default="",
        title="Account",
        description="The storage account's name. A connection string holds it as well.",
        max_length=100,
        json_schema_extra={"when": {"auth": ["key", "sas", "identity", "anonymous"]}},
    )
    container: str = Field(title="Container", max_length=63)
    folder: str = Field(
        default="", title="Folder", description="Leave it empty for the whole container.", max_length=500
    )
    endpoint: str = Field(
        default="",
        title="Endpoint",
        description="Leave it empty for Azure's own. Otherwise as in https://account.blob.core.usgovcloudapi.net.",
        max_length=500,
        json_schema_extra={"when": {"auth": ["key", "sas", "identity", "anonymous"]}},
    )
    auth: Literal["key", "sas", "connection_string", "identity", "anonymous"] = Field(
        default="key",
        title="Sign in with",
        json_schema_extra={
            "choices": {
                "key": "Account key",
                "sas": "Shared access signature (SAS)",
                "connection_string": "Connection string",
                "identity": "The identity of the machine that opens it",
                "anonymous": "Nothing: a public container",
            }
        },
    )


class AzureBlobSecrets(Credentials):
    account_key: SecretStr = Field(
        default=SecretStr(""), title="Account key", json_schema_extra={"when": {"auth": ["key"]}}
    )
    sas_token: SecretStr = Field(
        default=SecretStr(""),
        title="SAS token",
        description="With rights to read and list; to write, create and delete as well where files are put there.",
        json_schema_extra={"when": {"auth": ["sas"]}},
    )
    connection_string: SecretStr = Field(
        default=SecretStr(""),
        title="Connection string",
        json_schema_extra={"when": {"auth": ["connection_string"]}, "widget": "textarea"},
    )


class AzureBlobStore(ObjectStore):
    kind: ClassVar[str] = "azure_blob"
    label: ClassVar[str] = "Azure Blob Storage"
    icon: ClassVar[str] = "brand-azure"
    summary: ClassVar[str] = "A container of a storage account in Azure."
    Config: ClassVar[type[BackendConfig]] = AzureBlobConfig
    Secrets: ClassVar[type[Credentials]] = AzureBlobSecrets

    max_parts = 50_000

    def __init__(self, config: AzureBlobConfig, secrets: AzureBlobSecrets) -> None:
        super().__init__(config.folder)
        self._config = config
        self._secrets = secrets
        self._account, self._endpoint, self._credential = _signed_in(config, secrets)
        self._service: Any = None  # azure.storage.blob.aio.BlobServiceClient

    @classmethod
    def settle(
        cls,
        config: BackendConfig,
        credentials: Credentials,
        *,
        workspace_id: int,  # noqa: ARG003 (other kinds make a folder of it)
        name: str,  # noqa: ARG003
    ) -> AzureBlobConfig:
        config, secrets = cast("AzureBlobConfig", config), cast("AzureBlobSecrets", credentials)
        problems = []
        if not CONTAINER.fullmatch(config.container):
            problems.append(
                Problem(CONTAINER_LOC, "A container's name has 3 to 63 small letters, digits and single hyphens.")
            )
        secret = SECRET_OF.get(config.auth)
        if secret and not getattr(secrets, secret).get_secret_value():
            problems.append(Problem(("credentials", secret), "Enter it, or sign in another way."))
        settled = config
        try:
            endpoint = clean_url(config.endpoint, loc=ENDPOINT_LOC) if config.endpoint else ""
            settled = config.model_copy(update={"endpoint": endpoint, "folder": clean_folder(config.folder)})
            if not problems:
                account, endpoint, _ = _signed_in(settled, secrets)
                settled = settled.model_copy(update={"account": account, "endpoint": endpoint})
        except UserError as error:
            problems += error.problems
        if problems:
            raise UserError(problems)
        return settled

    @classmethod
    def open(cls, config: BackendConfig, credentials: Credentials) -> Self:
        return cls(cast("AzureBlobConfig", config), cast("AzureBlobSecrets", credentials))

    @property
    def location(self) -> str:
        return f"{self._endpoint}/{self._config.container}/{self._root}".rstrip("/")

    @property
    def endpoint(self) -> str:
        return self._endpoint

    def address(self, path: str) -> str:
        """As adlfs and Spark read it, where the account is Azure's own; else the blob's web address."""
        if AZURE_HOST.fullmatch(urlsplit(self._endpoint).hostname or ""):
            return f"abfs://{self._config.container}@{self._account}.dfs.core.windows.net/{self._root}{path}"
        return f"{self._endpoint}/{self._config.container}/{self._root}{path}"

    def _key(self, path: str) -> str:
        # https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
        if "\\" in path or any(part.endswith(".") for part in path.split("/")):
            raise UserError(
                f"“{shown(path)}” can't be a name in Azure: it turns a backslash into a slash, and drops a dot at the "
                "end of a name. Choose another one.",
                loc=PATH_LOC,
            )
        return super()._key(path)

    def close(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            self._wait(service.close())

    async def _container(self) -> Any:
        """The SDK's client of the container."""
        if self._service is None:
            self._service = _connected(self._account, self._endpoint, self._credential, self._config.auth)
            close_with(self, self._service.close)
        return self._service.get_container_client(self._config.container)

    async def _page(self, prefix: str, *, deep: bool, after: str | None = None, limit: int = PAGE) -> Page:
        from azure.storage.blob.aio import BlobPrefix

        container = await self._container()
        options = {"name_starts_with": prefix or None, "include": ["metadata"], "results_per_page": limit}
        found = container.list_blobs(**options) if deep else container.walk_blobs(**options, delimiter="/")
        pages = found.by_page(continuation_token=after)
        objects: list[StoredObject] = []
        folders: list[str] = []
        async for page in pages:
            async for each in page:
                if isinstance(each, BlobPrefix):
                    folders.append(each.name)
                else:
                    objects.append(_stored(each))
            break
        return Page(objects, folders, pages.continuation_token or None)

    async def _head(self, key: str) -> StoredObject | None:
        from azure.core.exceptions import ResourceNotFoundError

        container = await self._container()
        try:
            return _stored(await container.get_blob_client(key).get_blob_properties())
        except ResourceNotFoundError:  # of a container that is gone as well: whoever lists next hears of it
            return None

    async def _get(self, key: str, start: int, end: int, etag: str | None) -> bytes:
        from azure.core import MatchConditions

        options = {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified} if etag else {}
        blob = (await self._container()).get_blob_client(key)
        stream = await blob.download_blob(offset=start, length=end - start, max_concurrency=1, **options)
        content: bytes = await stream.readall()
        return content

    async def _put(self, key: str, content: bytes) -> None:
        if len(content) > WHOLE_BYTES:
            draft = Draft(key)
            await self._add(draft, 1, content)
            await self._finish(draft)
            return
        blob = (await self._container()).get_blob_client(key)
        await blob.upload_blob(content, overwrite=True)

    async def _start(self, key: str) -> Draft:
        return Draft(key)  # blocks need no beginning, and those that are never named vanish by themselves

    async def _add(self, draft: Draft, number: int, content: bytes) -> None:
        draft.parts[number] = base64.b64encode(b"%08d" % number).decode()
        blob = (await self._container()).get_blob_client(draft.key)
        await blob.stage_block(draft.parts[number], BytesIO(content), length=len(content))

    async def _finish(self, draft: Draft) -> None:
        from azure.storage.blob import BlobBlock

        blob = (await self._container()).get_blob_client(draft.key)
        await blob.commit_block_list([BlobBlock(block_id=name) for _, name in sorted(draft.parts.items())])

    async def _abandon(self, draft: Draft) -> None:
        pass

    async def _remove(self, keys: Sequence[str]) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        container = await self._container()

        async def one(key: str) -> None:
            try:
                await container.delete_blob(key, delete_snapshots="include")
            except ResourceNotFoundError as error:
                if getattr(error, "error_code", "") == "ContainerNotFound":
                    raise

        await gathered([one(key) for key in keys])

    def _explained(self, error: BaseException, path: str) -> UserError | None:
        from azure.core import exceptions

        if isinstance(error, exceptions.ClientAuthenticationError) and not hasattr(error, "error_code"):
            return UserError(
                "This machine has no identity for Azure's services. Give it one, or sign in another way.",
                loc=AUTH_LOC,
            )
        if isinstance(error, exceptions.HttpResponseError):
            return self._of_code(str(getattr(error, "error_code", "") or ""), error.status_code or 0, path)
        is_nonsense = isinstance(error, NONSENSE) and raised_in(error, "azure", "encodings")
        if is_nonsense or isinstance(error, exceptions.DecodeError):
            return self._of_another_kind("Azure's blob storage")
        return None

    def _of_code(self, code: str, status: int, path: str) -> UserError:
        code = code.rpartition(".")[2]
        if code in {"OutOfRangeInput", "InvalidQueryParameterValue", "InvalidMarker"} and not path:
            return UserError("`after` must be what the last page gave.", loc=("after",))
        words = {
            "account": shown(self._account),
            "container": shown(self._config.container),
            "server": shown(self.endpoint),
            "path": shown(path),
            "code": shown(code or str(status)),
        }
        if code not in _SENTENCES:
            code = str(status) if str(status) in _SENTENCES else "500" if status >= 500 else ""
        kind, sentence, loc = _SENTENCES[code]
        if not loc:
            secret = SECRET_OF.get(self._config.auth)
            loc = ("credentials", secret) if secret else AUTH_LOC
            if found := why_not_now(self._credential, timezone.now()):  # a key holds no times
                sentence = f"The SAS token for the container {{container}} {found}. Give the datastore a new one."
        return kind(sentence.format(**words), loc=loc)


def _signed_in(config: AzureBlobConfig, secrets: AzureBlobSecrets) -> tuple[str, str, str]:
    """The account, its endpoint, and the key or signature that is sent there. Raises UserError."""
    if config.auth == "connection_string":
        return _of_connection_string(secrets.connection_string.get_secret_value())
    account = config.account
    if not ACCOUNT.fullmatch(account):
        raise UserError("An account's name has 3 to 24 small letters and digits.", loc=ACCOUNT_LOC)
    endpoint = config.endpoint or f"https://{account}.blob.core.windows.net"
    if config.auth == "identity" and not _is_azures_own(endpoint):
        raise UserError(
            "An identity is only shown to Azure's own servers, over https. Sign in with a key or a signature here.",
            loc=ENDPOINT_LOC,
        )
    if config.auth == "key":
        return account, endpoint, _checked_key(secrets.account_key.get_secret_value(), ("credentials", "account_key"))
    if config.auth == "sas":
        token = secrets.sas_token.get_secret_value().removeprefix("?")
        if "sig=" not in token:
            raise UserError(
                "This is not a SAS token: it begins as in “sv=…” and holds “sig=…”.", loc=("credentials", "sas_token")
            )
        return account, endpoint, token
    return account, endpoint, ""


def _of_connection_string(text: str) -> tuple[str, str, str]:
    loc = ("credentials", "connection_string")
    parts = dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)
    account, key, token = (parts.get(name, "") for name in ("AccountName", "AccountKey", "SharedAccessSignature"))
    endpoint = parts.get("BlobEndpoint", "")
    if not endpoint and account:
        protocol = parts.get("DefaultEndpointsProtocol", "https")
        endpoint = f"{protocol}://{account}.blob.{parts.get('EndpointSuffix', 'core.windows.net')}"
    if not endpoint or not (key or token):
        raise UserError(
            "This is not a whole connection string: it holds “AccountName=…;AccountKey=…”, or “BlobEndpoint=…” and "
            "“SharedAccessSignature=…”.",
            loc=loc,
        )
    endpoint = clean_url(endpoint, loc=loc)
    account = account or (urlsplit(endpoint).hostname or "").partition(".")[0]
    return account, endpoint, _checked_key(key, loc) if key else token.removeprefix("?")


def _checked_key(key: str, loc: Loc) -> str:
    try:
        if base64.b64decode(key, validate=True):
            return key
    except ValueError:
        pass
    raise UserError("This is not an account key: it is a long text that mostly ends in “==”.", loc=loc)


def _is_azures_own(endpoint: str) -> bool:
    split = urlsplit(endpoint)
    return split.scheme == "https" and bool(AZURE_HOST.fullmatch(split.hostname or ""))


def _connected(account: str, endpoint: str, credential: str, auth: str) -> Any:
    """The SDK's client, which adlfs uses as well (and never lets go of): guarded, and nothing of the environment in it.

    To be called in the loop of connections.
    """
    import aiohttp
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.storage.blob.aio import BlobServiceClient

    from datastores.connector import GuardedConnector

    # Every request with all its headers is more than a log should hold.
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
    signed: Any = None
    if auth == "identity":
        from azure.identity.aio import DefaultAzureCredential

        signed = DefaultAzureCredential()
    elif credential:
        is_signature = "sig=" in credential
        signed = AzureSasCredential(credential) if is_signature else AzureNamedKeyCredential(account, credential)
    session = aiohttp.ClientSession(
        connector=GuardedConnector(limit=2 * FETCH_AT_ONCE),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
    return BlobServiceClient(
        endpoint,
        credential=signed,
        transport=AioHttpTransport(session=session, session_owner=True, use_env_settings=False),
        connection_timeout=CONNECT_S,
        read_timeout=READ_S,
        retry_total=1,
        retry_connect=1,
        retry_read=1,
        initial_backoff=0.2,
        increment_base=1,
        max_single_get_size=64 * 1024 * 1024,  # what is asked for comes in one answer
        max_single_put_size=64 * 1024 * 1024,
    )


def _stored(found: Any) -> StoredObject:
    metadata = found.metadata or {}
    return StoredObject(
        found.name,
        found.size or 0,
        _ns(found.last_modified),
        (found.etag or "").strip('"') or None,
        is_folder=metadata.get("hdi_isfolder") == "true",
    )


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp()) * 10**9
