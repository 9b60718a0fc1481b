"""A small client of the REST API: one connection kept open, as a program that asks often has."""

import http.client
import json
import time
import urllib.parse
from typing import Any, Self

# The server lets a connection go that was idle for longer than some seconds.
_IDLE_S = 2.0


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body[:2000]}")
        self.status = status


class Client:
    """Speaks for one token in one workspace. Paths are below `/api/workspaces/<slug>/`."""

    def __init__(self, address: str, *, workspace: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=60)
        self._base = f"/api/workspaces/{workspace}/"
        self._token = token
        self._used_at = time.monotonic()

    def get(self, path: str) -> Any:
        return self._request("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("POST", path, json.dumps(body).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _request(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if time.monotonic() - self._used_at > _IDLE_S:
            self._connection.close()  # it connects again by itself
        self._connection.request(method, self._base + path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        self._used_at = time.monotonic()
        if answer.status >= 300:
            raise ApiError(answer.status, text)
        return json.loads(text) if text else None
