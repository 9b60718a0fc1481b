"""A whole studio for page tests, with people and workspaces made in it, and a client of its API."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from studio.installation.temporary import Installation

INSIDE = str(Path(__file__).with_name("inside.py"))
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Person:
    username: str
    password: str
    token: str
    session_key: str


@dataclass(frozen=True)
class Place:
    """A workspace with one person of each role in it."""

    slug: str
    owner: Person
    contributor: Person
    reader: Person


class Api:
    """JSON over HTTP with a person's token."""

    def __init__(self, address: str, token: str) -> None:
        self._address, self._token = address, token

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Any:
        return self.call("POST", path, body)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON. Raises ApiError for a status of 400 and above."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._address + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urlopen(request, timeout=60) as answer:
                text = answer.read()
        except HTTPError as error:
            with error:
                raise ApiError(error.code, error.read().decode(errors="replace")) from None
        return json.loads(text) if text else None


class ApiError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:500]}")
        self.status, self.text = status, text


class Studio:
    """A running installation, seen from a test."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.address = installation.address
        self.home = installation.home
        self._places = 0

    def inside(self, code: str, **values: Any) -> Any:
        """Run Python inside the studio's Django (the names in `values` are set); gives what it left in `result`."""
        process = self._helper
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"code": code, "values": values}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["result"]

    def person(self, username: str) -> Person:
        """A new person, with a password, a token, and a session that is signed in (until they sign in by password)."""
        code = """
            user = User(username=username, email=f"{username}@example.org")
            user.password = PBKDF2PasswordHasher().encode(password, "salt", iterations=1)  # a real one costs 0.4 s
            user.save()
            session = SessionStore()
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.create()
            result = {"token": AuthToken.objects.create(user)[1], "session_key": session.session_key}
        """
        made = self.inside(code, username=username, password=PASSWORD)
        return Person(username=username, password=PASSWORD, **made)

    def place(self, slug: str = "") -> Place:
        """A new workspace, with its default datastore, and three new people: its owner, a contributor, a reader."""
        self._places += 1
        slug = slug or f"place-{self._places}"
        people = {role: self.person(f"{role}-{slug}") for role in ("owner", "contributor", "reader")}
        code = """
            owner = User.objects.get(username=people["owner"])
            workspace = create_workspace(name=slug.title(), slug=slug, owner=owner)
            for role in ("contributor", "reader"):
                user = User.objects.get(username=people[role])
                Membership.objects.create(workspace=workspace, user=user, role=role)
        """
        self.inside(code, slug=slug, people={role: person.username for role, person in people.items()})
        return Place(slug=slug, **people)

    def api(self, person: Person) -> Api:
        return Api(self.address, person.token)

    def close(self) -> None:
        if "_helper" in self.__dict__:
            self._helper.terminate()
            self._helper.communicate()

    @cached_property
    def _helper(self) -> "subprocess.Popen[str]":
        """One process for all of `inside`: Django is loaded once."""
        environment = {**self.installation.environment, "DJANGO_SETTINGS_MODULE": "studio.settings"}
        environment["REDIS_URL"] = f"unix://{self.home / 'redis.sock'}"
        return subprocess.Popen(
            [sys.executable, INSIDE],
            cwd=Path(INSIDE).parent.parent.parent,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
