"""Every address, walked: who is let in, and that nobody learns or changes what is not theirs.

The tables are in `tests.service.addresses`. A new page, API route or socket that is missing there fails here.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.http import HttpResponseBase
from django.test import Client
from knox.models import AuthToken
from rest_framework.views import APIView

from studio.asgi import routes
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.models import Membership, Role, User
from studio.workspaces.permissions import PERMISSIONS
from studio.workspaces.tokens import make_token
from tests.service.addresses import (
    NOT_THERE,
    OF_A_WORKSPACE,
    OF_NO_WORKSPACE,
    PARTS,
    PUBLIC,
    RELATIVE,
    SOCKETS,
    Address,
    Place,
    address_of,
    addresses_found,
    ask,
    is_api,
    put_files,
)

BACKEND = "django.contrib.auth.backends.ModelBackend"
TOKEN = re.compile(r"\b[A-Za-z0-9]{64}\b")
WRITING = {"POST", "PUT", "PATCH", "DELETE"}
OURS = ("workspaces", "datastores", "compute", "pipelines")
Findings = dict[str, Any]


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.STUDIO_HOME = tmp_path
    return tmp_path


@pytest.fixture
def ours(db: None) -> Place:
    User.objects.create_user("newcomer")
    return Place.furnish("ours")


@pytest.fixture
def theirs(ours: Place) -> Place:
    return Place.furnish("theirs", step="their-own-step")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def state(home: Path) -> dict[str, Any]:
    """Every row and every file."""
    rows = {
        model._meta.label: list(model._base_manager.order_by("pk").values_list())
        for label in OURS
        for model in apps.get_app_config(label).get_models()
    }
    return {**rows, "files": files_of(home)}


def files_of(home: Path) -> dict[str, int]:
    return {str(path.relative_to(home)): path.stat().st_size for path in home.rglob("*") if path.is_file()}


class Watch:
    """Whether anything was changed since it began. Reading every row after each request would take a hundred times as
    long as the request, so it is read where a statement was sent that may write, and once at the end.
    """

    _HARMLESS = ("SELECT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")

    def __init__(self, home: Path) -> None:
        self.home = home
        self.before = state(home)
        self._may_have_written = False

    def has_changed(self) -> bool:
        """Since it began, or since it was asked, for whatever was done then is taken back."""
        asked, self._may_have_written = self._may_have_written, False
        if not asked:
            return files_of(self.home) != self.before["files"]
        changed = state(self.home) != self.before
        self._may_have_written = False
        return changed

    def note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._may_have_written |= not sql.lstrip().upper().startswith(self._HARMLESS)
        return execute(sql, params, many, context)


@contextmanager
def watched(home: Path) -> Iterator[Watch]:
    watch = Watch(home)
    with connection.execute_wrapper(watch.note):
        yield watch
    assert state(home) == watch.before, "something was changed, and by no statement that was noticed"


def tables() -> Iterator[tuple[str, Address]]:
    yield from OF_A_WORKSPACE.items()
    yield from OF_NO_WORKSPACE.items()


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is done in the database inside is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def none_of(wrong: Findings) -> None:
    """All of them in the report, not the first few."""
    assert not wrong, "\n" + "\n".join(f"{what}: {why}" for what, why in wrong.items())


def said(answer: HttpResponseBase) -> str:
    """The answer's body, without what is new in each: the token in a page's forms."""
    return TOKEN.sub("token", b"".join(answer).decode(errors="replace"))  # type: ignore[arg-type]


def test_no_address_is_forgotten() -> None:
    found = {found.name for found in addresses_found()}
    told = [*PUBLIC, *OF_NO_WORKSPACE, *OF_A_WORKSPACE]
    assert found == set(told), "add the address to a table in tests/service/addresses.py, or take it out there"
    assert len(told) == len(set(told))
    assert {name for name in found if "slug" in PARTS[name]} == set(OF_A_WORKSPACE)
    assert {str(route.pattern) for route in routes} == set(SOCKETS)


def test_the_table_has_every_method_of_the_api() -> None:
    wrong: Findings = {}
    for found in addresses_found():
        view = getattr(found.view, "cls", None)
        if found.name in PUBLIC:
            continue
        if is_api(found.name) != (view is not None and issubclass(view, APIView)):
            wrong[found.name] = "an API address is called api-… and no other one is"
        if view is None or not is_api(found.name):
            continue
        takes = {method.upper() for method in view.http_method_names if hasattr(view, method)} - {"OPTIONS", "HEAD"}
        table = {**OF_NO_WORKSPACE, **OF_A_WORKSPACE}[found.name]
        if takes != set(table.methods):
            wrong[found.name] = takes
        if found.name in OF_A_WORKSPACE and not issubclass(view, WorkspaceAPIView):
            wrong[found.name] = "not a WorkspaceAPIView"
    none_of(wrong)


def test_whoever_may_gets_a_good_answer(ours: Place) -> None:
    """So that a refusal below is about the person, and not about the request."""
    wrong: Findings = {}
    for role in Role:
        client = signed_in(ours.person(role))
        put_files(ours.datastore)  # what the one before deleted: a disk takes nothing back
        for name, address in tables():
            for method, permission in address.methods.items():
                if permission is not None and permission not in PERMISSIONS[role]:
                    continue
                with undone():
                    own = {"token_id": make_token(ours.person(role), name="own").row.pk}
                    answer = ask(client, method, name, ours.parts(name) | own, ours)
                    if answer.status_code >= 400:
                        wrong[f"{role} {method} {name}"] = (answer.status_code, said(answer)[:300])
    none_of(wrong)


def test_whoever_may_not_is_told_so_and_changes_nothing(ours: Place, home: Path) -> None:
    wrong: Findings = {}
    for role in (Role.READER, Role.CONTRIBUTOR):
        client = signed_in(ours.person(role))
        with watched(home) as watch:
            for name, address in OF_A_WORKSPACE.items():
                with undone():
                    for method in ("GET", *WRITING):
                        permission = address.methods.get(method)
                        if permission in PERMISSIONS[role]:
                            continue
                        answer = ask(client, method, name, ours.parts(name), ours)
                        # What an address does not take may be refused for the person as well as for the method.
                        if answer.status_code not in ({403} if permission else {403, 405}):
                            wrong[f"{role} {method} {name}"] = answer.status_code
                    if watch.has_changed():
                        wrong[f"{role} {name}"] = "changed something"
    none_of(wrong)


def test_whoever_is_signed_out_comes_nowhere(ours: Place, home: Path) -> None:
    none_of(_refused_outside(Client(), ours, home))


def test_somebody_who_was_switched_off_comes_nowhere(ours: Place, home: Path) -> None:
    session = signed_in(ours.owner)
    _, token = AuthToken.objects.create(ours.owner)
    assert ask(Client(), "GET", "api-run", ours.parts(), ours, authorization=f"Bearer {token}").status_code == 200
    User.objects.filter(pk=ours.owner.pk).update(is_active=False)
    none_of(_refused_outside(session, ours, home))
    none_of(_refused_outside(Client(), ours, home, authorization=f"Bearer {token}"))


def _refused_outside(client: Client, place: Place, home: Path, **headers: Any) -> Findings:
    wrong: Findings = {}
    with watched(home) as watch:
        for name, address in tables():
            for method in address.methods:
                with undone():
                    answer = ask(client, method, name, place.parts(name), place, **headers)
                    if is_api(name):
                        right = answer.status_code == 401
                    else:
                        right = answer.status_code == 302 and answer.headers["Location"].startswith(
                            "/accounts/login/?next=/"
                        )
                    if not right or watch.has_changed():
                        wrong[f"{method} {name}"] = answer.status_code
    return wrong


def test_a_token_opens_the_api_and_no_page(ours: Place) -> None:
    _, token = AuthToken.objects.create(ours.owner)
    for name in ("pipelines:list", "runs:detail", "datastores:download"):
        answer = ask(Client(), "GET", name, ours.parts(name), ours, authorization=f"Bearer {token}")
        assert answer.status_code == 302


def test_a_stranger_can_not_tell_a_workspace_from_none(ours: Place, theirs: Place, home: Path) -> None:
    wrong: Findings = {}
    client = signed_in(theirs.owner)
    with watched(home) as watch:
        for name, address in OF_A_WORKSPACE.items():
            for method in address.methods:
                with undone():
                    answer = ask(client, method, name, ours.parts(name), ours)
                    none = ask(client, method, name, ours.parts(name) | {"slug": "nowhere"}, ours)
                    if answer.status_code != 404 or watch.has_changed():
                        wrong[f"{method} {name}"] = answer.status_code
                    elif said(answer).replace("/ours", "/nowhere") != said(none):
                        wrong[f"{method} {name}"] = "says that the workspace exists"
    none_of(wrong)


def test_what_belongs_to_another_workspace_is_not_there(ours: Place, theirs: Place, home: Path) -> None:
    """Even for somebody who owns both: an address means its own workspace."""
    both = User.objects.create_user("both")
    for place in (ours, theirs):
        Membership.objects.create(workspace=place.world.workspace, user=both, role=Role.OWNER)
    client = signed_in(both)
    wrong: Findings = {}
    with watched(home) as watch:
        for name, address in OF_A_WORKSPACE.items():
            foreign = PARTS[name] - RELATIVE
            if not foreign:
                continue
            mixed = ours.parts(name) | {part: theirs.parts(name)[part] for part in foreign}
            # A step's name is looked for in the run that was named, and must not be found there either.
            mixed["name"] = theirs.parts(name)["name"]
            missing = mixed | {part: NOT_THERE.get(part, 10**9) for part in foreign}
            for method in address.methods:
                with undone():
                    answer = ask(client, method, name, mixed, ours)
                    none = ask(client, method, name, missing, ours)
                    if answer.status_code != 404 or watch.has_changed():
                        wrong[f"{method} {name}"] = answer.status_code
                    elif _without(answer, mixed, foreign) != _without(none, missing, foreign):
                        wrong[f"{method} {name}"] = "says that it exists"
    none_of(wrong)


def _without(answer: HttpResponseBase, parts: dict[str, Any], foreign: Any) -> str:
    text = said(answer)
    for part in foreign:
        text = text.replace(f"/{parts[part]}/", "/…/")
    return text


def test_no_page_and_no_answer_names_what_is_in_another_workspace(ours: Place, theirs: Place) -> None:
    client = signed_in(ours.owner)
    wrong: Findings = {}
    for name, address in tables():
        if "GET" in address.methods:
            text = said(ask(client, "GET", name, ours.parts(name), ours))
            if any(word in text for word in (theirs.mark, "theirs-", theirs.step)):
                wrong[name] = text
    none_of(wrong)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("runs:list", "pipeline={pipeline}"),
        ("api-runs", "pipeline={pipeline}"),
        ("api-runs", "submitted_by=theirs-owner"),
        ("runs:list", "submitted_by=theirs-owner"),
        ("runs:list", "experiment=theirs"),
        ("environments:new", "from={environment}"),
        ("datasets:new", "datastore={datastore}&path=files/"),
        ("datastores:browse", "path=../../{workspace}/workspaceblobstore"),
        ("datastores:file", "path=../../{workspace}/workspaceblobstore/files/old.txt"),
        ("datastores:download", "path=../../{workspace}/workspaceblobstore/files/old.txt"),
        ("api-step-output", "path=../../../../../{workspace}"),
        ("api-step-output-download", "path=../data.txt"),
        ("workspaces:members", "before=999999"),
    ],
)
def test_a_question_about_another_workspace_finds_nothing(ours: Place, theirs: Place, name: str, query: str) -> None:
    filled = query.format(
        pipeline=theirs.pipeline.pk,
        environment=theirs.environment.pk,
        datastore=theirs.datastore.pk,
        workspace=theirs.world.workspace.pk,
    )
    answer = signed_in(ours.owner).get(f"{address_of(name, ours.parts(name))}?{filled}")
    assert answer.status_code in {200, 400, 404}
    text = said(answer).replace("theirs-owner", "") if "theirs-owner" in query else said(answer)
    assert theirs.mark not in text
    assert "theirs-" not in text
    if name == "api-runs":
        assert json.loads(text)["results"] == []


def _send(client: Client, place: Place, method: str, name: str, body: Any) -> tuple[int, str]:
    with undone():
        answer = client.generic(method, address_of(name, place.parts(name)), json.dumps(body), "application/json")
        return answer.status_code, said(answer)


@pytest.mark.parametrize("name", ["api-datasets", "api-dataset-preview", "api-dataset-versions"])
def test_a_dataset_can_not_point_into_another_workspace(ours: Place, theirs: Place, name: str) -> None:
    client = signed_in(ours.owner)
    answers = [
        _send(client, ours, "POST", name, {"name": "x", "paths": [{"datastore_id": number, "path": "files/"}]})
        for number in (theirs.datastore.pk, 10**9)
    ]
    assert answers[0][0] == 400
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", ["datasets:new", "datasets:version_new"])
def test_nor_through_a_form(ours: Place, theirs: Place, name: str) -> None:
    fields = {"name": "x", "datastore": theirs.datastore.pk, "path": "files/"}
    answer = signed_in(ours.owner).post(address_of(name, ours.parts(name)), fields)
    assert answer.status_code == 400
    assert "Choose a datastore of this workspace." in said(answer)
    assert "theirs" not in said(answer)


def test_a_datastore_can_not_be_laid_over_another_workspaces_folder(ours: Place, theirs: Place, home: Path) -> None:
    client = signed_in(ours.owner)
    there = Path(get_root(theirs))
    assert there.is_dir()
    for path in (there, there.parent, there.parent.parent):
        missing = str(path) + "-not-there"
        answers = [
            _send(client, ours, "POST", "api-datastores", {"name": "x", "config": {"path": each}})
            for each in (str(path), missing)
        ]
        assert answers[0][0] == 400
        assert answers[0][1].replace(str(path), "…") == answers[1][1].replace(missing, "…")


def get_root(place: Place) -> str:
    from datastores.backends import get_backend

    return get_backend(place.datastore).location


def test_a_definition_finds_nothing_of_another_workspace(ours: Place, theirs: Place) -> None:
    client = signed_in(ours.owner)

    def step(slug: str, digest: str) -> dict[str, Any]:
        inputs = [{"name": "data", "binding": {"kind": "dataset", "dataset": f"{slug}-data"}}]
        more = {"compute": f"{slug}-box", "environment": f"{slug}-env", "inputs": inputs}
        return ours.world.step("a", source=digest, arguments="${{inputs.data}}", **more)

    real, made_up = step("theirs", theirs.digest), step("nobodys", NOT_THERE["digest"])
    answers = [
        _send(client, ours, "POST", "api-validate", {"definition": {"steps": [each]}}) for each in (real, made_up)
    ]
    problems = json.loads(answers[0][1])["problems"]
    assert {tuple(problem["loc"])[2] for problem in problems} >= {"compute", "environment", "inputs", "source"}
    assert answers[0][1].replace("theirs", "nobodys") == answers[1][1]
    for each in (real, made_up):
        with undone():
            body = {"definition": {"steps": [each]}, "base_version": 1}
            saved = client.post(address_of("api-versions", ours.parts()), body, content_type="application/json")
            assert saved.status_code == 201, "a half-finished pipeline is kept"
            assert (
                client.post(address_of("api-submit", ours.parts()), {}, content_type="application/json").status_code
                == 400
            )
            assert theirs.mark not in said(client.get(address_of("pipelines:edit", ours.parts())))


def test_sources_are_not_built_on_another_workspaces(ours: Place, theirs: Place) -> None:
    client = signed_in(ours.owner)
    answers = [
        _send(client, ours, "POST", "api-edit-sources", {"base": base, "put": [{"path": "a.py", "text": "1"}]})
        for base in (theirs.digest, NOT_THERE["digest"])
    ]
    assert answers[0][0] == 400
    assert answers[0] == answers[1]
    upload = client.post(address_of("api-sources", ours.parts()), {"base": theirs.digest})
    assert upload.status_code == 400


def test_writing_with_a_session_needs_the_csrf_token(ours: Place, home: Path) -> None:
    """A page of another site sends this one's cookies along."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(ours.owner, backend=BACKEND)
    wrong: Findings = {}
    with watched(home) as watch:
        for name, address in tables():
            for method in address.methods.keys() & WRITING:
                with undone():
                    answer = ask(client, method, name, ours.parts(name), ours)
                    if answer.status_code != 403 or watch.has_changed():
                        wrong[f"{method} {name}"] = answer.status_code
    none_of(wrong)
    assert (
        Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "x", "password": "y"}).status_code == 403
    )
    client.get(address_of("pipelines:list", ours.parts()))
    token = client.cookies[django_settings.CSRF_COOKIE_NAME].value
    headers = {"x-csrftoken": token}
    assert ask(client, "POST", "api-pipelines", ours.parts(), ours, **headers).status_code == 201
    # A program's token is no cookie: no browser sends it by itself.
    _, bearer = AuthToken.objects.create(ours.owner)
    program = Client(enforce_csrf_checks=True)
    answer = ask(program, "POST", "api-submit", ours.parts(), ours, authorization=f"Bearer {bearer}")
    assert answer.status_code == 201
