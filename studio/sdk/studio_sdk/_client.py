"""Speaking to a studio over its REST interface: with a token, in pieces, and with problems in words."""

from __future__ import annotations

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

from studio_sdk.exceptions import ServiceException, UserErrorException

_PIECE_BYTES = 256 * 1024
_LIMIT_S = 120.0  # between two signs of life


class Conflict(ServiceException):
    """Somebody else was faster. `current` is what the studio says of it."""

    def __init__(self, message: str, current: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.current = current


class _NoRedirects(HTTPRedirectHandler):
    """The token is for the server that was named, and for no other."""

    def redirect_request(  # noqa: PLR0917 (urllib's)
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> None:
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
        self._token = token
        self._root = f"/api/workspaces/{quote(workspace, safe='')}"
        self._opener = build_opener(_NoRedirects)

    def get(self, path: str, **query: str) -> Any:
        """`path` is below the workspace's, as in `/pipelines/`."""
        return self._call(f"{path}?{urlencode(query)}" if query else path)

    def all_of(self, path: str, **query: str) -> Iterator[Any]:
        """What a list has, page by page."""
        page = self.get(path, **query)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            # Of the address that comes back the query alone: behind a proxy the rest may be another one.
            page = self._call(f"{path}?{urlsplit(page['next']).query}")

    def post(self, path: str, body: Any) -> Any:
        return self._call(path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def upload(self, path: str, fields: Mapping[str, str], files: Mapping[str, IO[bytes]]) -> Any:
        """A form, the files in pieces as they are read."""
        boundary = secrets.token_hex(16)
        parts = list(_parts(boundary, fields, files))
        length = sum(len(part) if isinstance(part, bytes) else _size(part) for part in parts)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
        return self._call(path, _pieces(parts), headers)

    def _call(self, path: str, data: Any = None, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
        """A POST where there is `data`."""
        request = Request(f"{self.server}{self._root}{path}", data=data)  # noqa: S310 (its scheme was looked at)
        for name, value in {"Accept": "application/json", **headers}.items():
            request.add_header(name, value)
        request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=_LIMIT_S) as answer:
                text = answer.read()
        except HTTPError as error:
            with error:
                raise _refusal(error.code, error.read()) from None
        except URLError as error:
            raise ServiceException(f"{self.server} can't be reached: {error.reason}.") from None
        except (OSError, HTTPException, ValueError) as error:
            raise ServiceException(f"{self.server} broke off: {error}.") from None
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise ServiceException(f"{self.server} answers with something that is no JSON: is it a studio?") from None


def _refusal(status: int, text: bytes) -> Exception:
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    problems = [each.get("message", "") for each in body.get("problems") or [] if isinstance(each, dict)]
    said = " ".join(problem for problem in problems if problem) or str(body.get("detail") or "")
    if status == 401:
        return UserErrorException("The studio does not know this token: it is mistyped, or somebody ended it.")
    if status == 409:
        return Conflict(said or "Somebody else changed it meanwhile.", body)
    if status == 404:
        return UserErrorException(said or "The studio has no such workspace, or you are no member of it.")
    if status >= 500 and not said:
        return ServiceException(f"The studio failed at this ({status}): its log says why.")
    return UserErrorException(said or f"The studio refused this ({status}).")


def _parts(boundary: str, fields: Mapping[str, str], files: Mapping[str, IO[bytes]]) -> Iterator[bytes | IO[bytes]]:
    for name, value in fields.items():
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, file in files.items():
        yield (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
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
