"""Speaking to a studio over its REST interface: with a token, in pieces, and with problems in words."""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException
from types import MappingProxyType
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from studio_sdk.exceptions import AuthenticationException, ServiceException, UserErrorException

_PIECE_BYTES = 256 * 1024
_LIMIT_S = 120.0  # between two signs of life
_JSON = MappingProxyType({"Content-Type": "application/json"})
_PASSING = (429, 502, 503, 504)  # of a proxy before a studio that starts, or of one that has too much to do


class Conflict(ServiceException):
    """Somebody else was faster. `current` is what the studio says of it."""

    def __init__(self, message: str, current: Mapping[str, Any]) -> None:
        super().__init__(message, status_code=409)
        self.current = current


class NotFound(UserErrorException):
    """There is no such thing, or it is of another workspace."""


class Unreachable(ServiceException):
    """Nobody answered, or the connection broke: it may be worth another try."""


class _NoRedirects(HTTPRedirectHandler):
    """The token is for the server that was named, and for no other."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        parts = urlsplit(newurl)
        raise UserErrorException(f"The server sends on to {parts.scheme}://{parts.hostname}: give its own address.")


class Client:
    """Of one workspace. Raises UserErrorException where something is to be put right, ServiceException otherwise."""

    def __init__(self, server: str, token: str, workspace: str) -> None:
        try:
            parts = urlsplit(server)
        except ValueError:
            raise UserErrorException("This is no address of a server. One is https://studio.example.org.") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserErrorException("The address of a server begins with http:// or https://.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UserErrorException("Give the server's address alone, as in https://studio.example.org.")
        if not token.isascii() or not token.isprintable() or not token:
            raise UserErrorException("This is no token: make one with “manage.py token USERNAME”.")
        self.server = server.rstrip("/")
        self.workspace = workspace
        self._token = token
        self._root = f"/api/workspaces/{quote(workspace, safe='')}"
        self._opener = build_opener(_NoRedirects)

    def get(self, path: str, /, **query: str) -> Any:
        """`path` is below the workspace's, as in `/pipelines/`."""
        return self._call(f"{path}?{urlencode(query)}" if query else path)

    def all_of(self, path: str, /, **query: str) -> Iterator[Any]:
        """What a list has, page by page."""
        page = self.get(path, **query)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            # Of the address that comes back the query alone: behind a proxy the rest may be another one.
            page = self._call(f"{path}?{urlsplit(page['next']).query}")

    def post(self, path: str, body: Any) -> Any:
        return self._call(path, json.dumps(body).encode(), _JSON)

    def patch(self, path: str, body: Any) -> Any:
        return self._call(path, json.dumps(body).encode(), _JSON, method="PATCH")

    def delete(self, path: str, /, **query: str) -> Any:
        return self._call(f"{path}?{urlencode(query)}" if query else path, method="DELETE")

    def put_bytes(self, path: str, data: bytes, headers: Mapping[str, str]) -> Any:
        """A PATCH of bytes, as a resumable upload takes them."""
        return self._call(path, data, {"Content-Type": "application/offset+octet-stream", **headers}, method="PATCH")

    def put_file(self, path: str, file: IO[bytes]) -> Any:
        """A PUT of what the file has, in pieces. `path` is the server's own, not below the workspace's."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(_size(file))}
        return self._call(path, _pieces([file]), headers, method="PUT", is_below=False)

    def upload(
        self, path: str, fields: Mapping[str, str], files: Mapping[str, IO[bytes]] | Iterable[tuple[str, IO[bytes]]]
    ) -> Any:
        """A form, the files in pieces as they are read; as pairs, several may have one name."""
        boundary = secrets.token_hex(16)
        parts = list(_parts(boundary, fields, files))
        length = sum(len(part) if isinstance(part, bytes) else _size(part) for part in parts)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
        return self._call(path, _pieces(parts), headers)

    def download(self, path: str, file: IO[bytes], /, **query: str) -> int:
        """Writes what stands at the path to `file`, in pieces; how many bytes that were."""
        written = 0
        with self._opened(f"{path}?{urlencode(query)}" if query else path, headers={"Accept": "*/*"}) as answer:
            try:
                while True:
                    piece = answer.read(_PIECE_BYTES)
                    if not piece:
                        return written
                    written += file.write(piece)
            except (HTTPException, ConnectionError, TimeoutError) as error:
                raise Unreachable(f"{self.server} broke off: {error}.") from None

    def read(self, path: str, /, **query: str) -> bytes:
        """What stands at the path, as a whole."""
        file = io.BytesIO()
        self.download(path, file, **query)
        return file.getvalue()

    def read_answer(self, path: str, body: Any) -> bytes:
        """The bytes that a POST of JSON is answered with."""
        with self._opened(path, json.dumps(body).encode(), {**_JSON, "Accept": "*/*"}) as answer:
            try:
                text: bytes = answer.read()
            except (OSError, HTTPException) as error:
                raise Unreachable(f"{self.server} broke off: {error}.") from None
            return text

    def workspaces(self) -> list[Any]:
        """Those of the server that the token's owner is a member of."""
        found: list[Any] = []
        page = self._call("/api/workspaces/", is_below=False)
        while True:
            found += page["results"]
            if not page["next"]:
                return found
            page = self._call(f"/api/workspaces/?{urlsplit(page['next']).query}", is_below=False)

    def make_workspace(self, slug: str, name: str) -> Any:
        return self._call("/api/workspaces/", json.dumps({"slug": slug, "name": name}).encode(), _JSON, is_below=False)

    def _call(
        self,
        path: str,
        data: Any = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        method: str | None = None,
        is_below: bool = True,
    ) -> Any:
        """A POST where there is `data`, unless `method` says otherwise."""
        with self._opened(path, data, headers, method=method, is_below=is_below) as answer:
            try:
                text = answer.read()
            except (OSError, HTTPException) as error:
                raise Unreachable(f"{self.server} broke off: {error}.") from None
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise ServiceException(f"{self.server} answers with something that is no JSON: is it a studio?") from None

    def _opened(
        self,
        path: str,
        data: Any = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        method: str | None = None,
        is_below: bool = True,
    ) -> Any:
        root = self._root if is_below else ""
        request = Request(f"{self.server}{root}{path}", data=data, method=method)  # noqa: S310 (its scheme was looked at)
        for name, value in {"Accept": "application/json", **headers}.items():
            request.add_header(name, value)
        request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            return self._opener.open(request, timeout=_LIMIT_S)
        except HTTPError as error:
            with error:
                raise _refusal(error.code, error.read()) from None
        except URLError as error:
            raise Unreachable(f"{self.server} can't be reached: {error.reason}.") from None
        except (OSError, HTTPException, ValueError) as error:
            raise Unreachable(f"{self.server} broke off: {error}.") from None


def _refusal(status: int, text: bytes) -> Exception:
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    problems = [each.get("message", "") for each in body.get("problems") or [] if isinstance(each, dict)]
    said = " ".join(problem for problem in problems if problem) or str(body.get("detail") or body.get("message") or "")
    if status == 401:
        return AuthenticationException("The studio does not know this token: it is mistyped, or somebody ended it.")
    if status == 409:
        return Conflict(said or "Somebody else changed it meanwhile.", body)
    if status == 404:
        return NotFound(said or "The studio has no such workspace, or you are no member of it.")
    if status in _PASSING:
        return Unreachable(said or f"The studio is not ready ({status}).", status_code=status)
    if status >= 500 and not said:
        return ServiceException(f"The studio failed at this ({status}): its log says why.", status_code=status)
    refused = UserErrorException(said or f"The studio refused this ({status}).")
    refused.problems = [each for each in body.get("problems") or [] if isinstance(each, dict) and "loc" in each]
    return refused


def _parts(
    boundary: str, fields: Mapping[str, str], files: Mapping[str, IO[bytes]] | Iterable[tuple[str, IO[bytes]]]
) -> Iterator[bytes | IO[bytes]]:
    for name, value in fields.items():
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, file in files.items() if isinstance(files, Mapping) else files:
        field, _, file_name = name.partition("/")  # as in `file/code.zip`, where the studio looks at the name
        yield (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{file_name or name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        yield file
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _pieces(parts: Iterable[bytes | IO[bytes]]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        part.seek(0)
        while True:
            piece = part.read(_PIECE_BYTES)
            if not piece:
                break
            yield piece


def _size(file: IO[bytes]) -> int:
    file.seek(0, os.SEEK_END)
    return file.tell()
