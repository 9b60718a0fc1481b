"""The API is asked for whatever its description allows and forbids: nothing fails, every answer is as described."""

import gc
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given
from hypothesis import seed as seeded
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from studio.workspaces.models import Role, User
from studio.workspaces.tokens import make_token
from tests.service.addresses import Place, address_of, is_api, put_files
from tests.service.test_every_address import none_of, tables, undone

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
GROUPS = 8
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
TRIES = int(os.environ.get("STUDIO_FUZZ_TRIES", "4"))  # of each call, with what is described, and with what is not


@pytest.fixture
def ours(db: None, settings: Any, tmp_path: Path) -> Place:
    settings.STUDIO_HOME = tmp_path
    settings.API_RATE = 0
    User.objects.create_user("newcomer")
    place = Place.furnish("ours")
    put_files(place.datastore)
    return place


@contextmanager
def _one_connection() -> Iterator[None]:
    """Requests leave the connection open: it holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


@contextmanager
def _collected() -> Iterator[None]:
    """What is left to the garbage collector is collected here, and not within another test that it would fail."""
    try:
        yield
    finally:
        gc.collect()


def _addresses(place: Place, schema: Mapping[str, Any]) -> dict[str, str]:
    """The names of addresses by their paths in the description."""
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z") for path in schema["paths"]}
    found: dict[str, str] = {}
    for name, _address in tables():
        if not is_api(name):
            continue
        url = address_of(name, place.parts(name) | {"token_id": 1})
        fitting = [path for path, pattern in patterns.items() if pattern.match(url)]
        found[min(fitting, key=lambda path: path.count("{"))] = name
    assert found.keys() == patterns.keys()
    return found


# The client that is asked with leaves a large form's temporary file to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("role", [Role.OWNER, Role.READER])
@pytest.mark.parametrize("group", range(GROUPS))
def test_whatever_is_asked_the_answer_is_as_described(ours: Place, role: Role, group: int) -> None:
    document: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    described = schemathesis.openapi.from_dict(document)
    described.app = get_wsgi_application()
    names = _addresses(ours, document)
    token = make_token(ours.person(role), name="fuzzing").secret
    headers = {"Authorization": f"Bearer {token}"}
    start = int(os.environ.get("STUDIO_FUZZ_SEED", "1"))  # the same each time, unless somebody goes looking
    wrong: dict[str, str] = {}
    with _one_connection(), _collected():
        operations = sorted((each.ok() for each in described.get_all_operations()), key=lambda each: str(each.label))
        for operation in operations[group::GROUPS]:
            parts = ours.parts(names[operation.path]) | {"token_id": make_token(ours.person(role), name="own").row.pk}
            there = {each.name: parts[each.name] for each in operation.path_parameters}
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                wrong |= _findings(operation, mode, there, headers, start)
    if wrong:
        wrong["asked"] = f"with STUDIO_FUZZ_SEED={start} STUDIO_FUZZ_TRIES={TRIES}"
    none_of(wrong)


def _findings(
    operation: Any, mode: GenerationMode, there: Mapping[str, Any], headers: Mapping[str, str], start: int
) -> dict[str, str]:
    wrong: dict[str, str] = {}

    @seeded(start)
    @hypothesis.settings(
        max_examples=TRIES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=there))
    def ask(case: Any) -> None:
        with undone():
            answer = case.call(headers=headers)
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as failures:
            for each in failures.exceptions:
                what, *more = str(each).splitlines()
                said = "\n".join(more)[:1500]
                wrong.setdefault(
                    f"{case.method} {operation.path}: {what}", f"{said}\n{case.as_curl_command()[:3000]}\n"
                )

    ask()
    return wrong
