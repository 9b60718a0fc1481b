"""What a node on another machine must be told to serve this studio, and what it must reach from there."""

import os
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.conf import settings
from django.db import connection

# Beside everything that begins with STUDIO_: where packages come from.
_PASSED_ON = ("BROKER_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL")
# What is true of this process, or of this machine, alone.
_OWN = frozenset(
    {
        "STUDIO_DEBUG",
        "STUDIO_FOLDERS_GATEWAY",
        "STUDIO_FOLLOW_PARENT",
        "STUDIO_NODE_HOME",
        "STUDIO_SHARED_FOLDERS",
        "STUDIO_TEST_SESSION",
    }
)
_PORTS = {"postgres": 5432, "postgresql": 5432, "redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}


def node_variables() -> dict[str, str]:
    """The environment of such a node: database, Redis, broker, keys. Never for a command line, a log or a page."""
    studio = {name: value for name, value in os.environ.items() if name.startswith("STUDIO_") and name not in _OWN}
    if _is_here_alone(studio.get("STUDIO_PUBLIC_URL", "")):
        del studio["STUDIO_PUBLIC_URL"]
    packages = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return {
        **studio,
        **packages,
        "STUDIO_HOME": str(settings.STUDIO_HOME),
        "STUDIO_SECRET_KEY": ",".join(keys),
        "DATABASE_URL": _database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "PYTHONUNBUFFERED": "1",
    }


def what_to_reach() -> list[dict[str, Any]]:
    """The files and ports that a node needs: `{"name", "file"}` or `{"name", "host", "port"}`."""
    variables = node_variables()
    urls = {"database": variables["DATABASE_URL"], "Redis": variables["REDIS_URL"]}
    if "BROKER_URL" in variables:
        urls["message broker"] = variables["BROKER_URL"]
    return [_place(name, url) for name, url in urls.items()]


def _is_here_alone(url: str) -> bool:
    """Whether an address is of this machine, and means another one elsewhere."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _database_url() -> str:
    given = os.environ.get("DATABASE_URL")
    return given or f"sqlite:///{connection.settings_dict['NAME']}"


def _place(name: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme in {"sqlite", "unix", "redis+socket"}:
        path = parts.path if parts.scheme != "sqlite" else parts.path[1:] if parts.path.startswith("//") else parts.path
        return {"name": name, "file": path}
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if parts.scheme in {"postgres", "postgresql"} and (folder := _socket_folder(parts)):
        return {"name": name, "file": f"{folder}/.s.PGSQL.{port}"}
    return {"name": name, "host": parts.hostname or "localhost", "port": port}


def _socket_folder(parts: SplitResult) -> str:
    """Where PostgreSQL's socket lies, as its address says: in place of the host, encoded, or as `?host=`."""
    host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    host = host or dict(parse_qsl(parts.query)).get("host", "")
    return host if host.startswith("/") else ""
