"""The API's description at /api/schema/ names every answer that the API gives, good ones and refusals."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from studio.workspaces.models import Role, User
from studio.workspaces.tokens import make_token
from tests.service.addresses import Place, address_of, ask, is_api, put_files
from tests.service.test_every_address import none_of, signed_in, tables, undone

WRONG: list[Any] = [{"no such field": 1}, [1], "x"]


@pytest.fixture
def ours(db: None, settings: Any, tmp_path: Path) -> Place:
    settings.STUDIO_HOME = tmp_path
    User.objects.create_user("newcomer")
    return Place.furnish("ours")


class Description:
    def __init__(self) -> None:
        self.schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
        self.paths = {re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z"): path for path in self.schema["paths"]}

    def responses(self, method: str, url: str) -> dict[str, Any]:
        fitting = sorted(
            (path for pattern, path in self.paths.items() if pattern.match(url)), key=lambda p: p.count("{")
        )
        found: dict[str, Any] = self.schema["paths"][fitting[0]][method.lower()]["responses"]
        return found

    def lacks(self, method: str, url: str, answer: HttpResponseBase) -> str | None:
        said = self.responses(method, url).get(str(answer.status_code))
        if said is None:
            return f"{answer.status_code} is not described"
        kinds = {kind.partition(";")[0] for kind in said.get("content", {})}
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        has_body = bool(getattr(answer, "content", b"") or answer.streaming)
        if has_body and kind not in kinds and "*/*" not in kinds:
            return f"{answer.status_code} is {kind}, and described as {sorted(kinds)}"
        return None


def calls(place: Place, role: Role) -> Iterator[tuple[str, str, HttpResponseBase]]:
    client = signed_in(place.person(role))
    put_files(place.datastore)
    for name, address in tables():
        for method in address.methods if is_api(name) else ():
            bodies = [None, *WRONG] if method in {"POST", "PATCH", "PUT"} else [None]
            for body in bodies:
                with undone():
                    own = {"token_id": make_token(place.person(role), name="own").row.pk}
                    parts = place.parts(name) | own
                    yield method, address_of(name, parts), ask(client, method, name, parts, place, body=body)


@pytest.mark.parametrize("role", [Role.OWNER, Role.READER])
def test_every_answer_is_described(ours: Place, role: Role) -> None:
    description, wrong, seen = Description(), {}, set[int]()
    for method, url, answer in calls(ours, role):
        seen.add(answer.status_code)
        if lack := description.lacks(method, url, answer):
            wrong[f"{method} {url}"] = lack
    none_of(wrong)
    assert {200, 400} <= seen


def test_every_call_says_how_it_is_refused(db: None) -> None:
    description = Description()
    for path, operations in description.schema["paths"].items():
        for method, operation in operations.items():
            for status in ("400", "401", "403", "404", "429"):
                content = operation["responses"][status]["content"]
                assert "application/problem+json" in content, (method, path, status)
    assert description.lacks("GET", "/api/workspaces/", Client().get("/nowhere/")) == (
        "404 is text/html, and described as ['application/problem+json']"
    )
