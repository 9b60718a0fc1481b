"""Names written to hurt, bytes that would act, and requests from elsewhere: what reaches a browser is harmless."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from datastores.backends import get_backend
from studio.workspaces.models import Role, User
from tests.service.addresses import (
    DOWNLOADS,
    OF_A_WORKSPACE,
    OF_NO_WORKSPACE,
    Bytes,
    Form,
    Place,
    address_of,
    ask,
    is_api,
)
from tests.service.test_every_address import Findings, none_of, said, signed_in, undone

HURTING = "<script>alert(1)</script>\"'--><img src=x onerror=alert(2)>"
PASSWORD = "a long passphrase"
# In a page, and nothing else.
SHOWN = {"datastores:image", "datastores:audio", "datastores:thumbnail", "api-step-metric-image"}


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.STUDIO_HOME = tmp_path
    return tmp_path


@pytest.fixture
def place(db: None) -> Place:
    return Place.furnish("ours")


def every_get(place: Place) -> dict[str, Any]:
    client = signed_in(place.owner)
    known = {**OF_NO_WORKSPACE, **OF_A_WORKSPACE}
    return {
        name: ask(client, "GET", name, place.parts(name), place)
        for name, address in known.items()
        if "GET" in address.methods
    }


def test_names_reach_no_page_as_markup(db: None) -> None:
    place = Place.furnish("ours", mark=HURTING)
    for name in ("files/<img src=x onerror=alert(3)>.txt", "files/<b>bold", "<script>alert(1)<"):
        get_backend(place.datastore).write(name + "/x", BytesIO(b"<script>alert(1)</script>"))
    answers = every_get(place)
    wrong: Findings = {}
    shown: set[str] = set()
    for name, answer in answers.items():
        if not answer.headers["Content-Type"].startswith("text/html"):
            assert answer.headers["Content-Type"].partition(";")[0] in {
                "application/json",
                "application/octet-stream",
                "text/plain",
                "application/vnd.apache.parquet",
                "application/yaml",
                "application/zip",
                "audio/wav",
                "image/png",
                "image/webp",
            }
            continue
        text = said(answer)
        if re.search(r"<script>alert|<img src=x|<b>bold", text):
            wrong[name] = "not escaped"
        if re.search(r"&lt;script&gt;alert|\\u003Cscript\\u003Ealert", text):
            shown.add(name)
    none_of(wrong)
    assert shown >= {
        *("pipelines:list", "pipelines:detail", "pipelines:edit", "runs:list", "runs:detail", "runs:failure"),
        "runs:approvals",
        *("datasets:list", "datasets:detail", "datastores:list", "datastores:file", "datastores:browse"),
        *("compute:list", "compute:detail", "environments:list", "environments:detail", "workspaces:members"),
    }, "the test must put the name where each page shows it"


def test_every_answer_says_what_a_browser_may_do_with_it(place: Place) -> None:
    wrong: Findings = {}
    for name, answer in every_get(place).items():
        headers = answer.headers
        policy = headers.get("Content-Security-Policy", "")
        directives = dict(each.strip().partition(" ")[::2] for each in policy.split(";"))
        is_right = (
            headers.get("X-Content-Type-Options") == "nosniff"
            and headers.get("X-Frame-Options") == "DENY"
            and headers.get("Referrer-Policy") == "same-origin"
        )
        if name in DOWNLOADS:
            is_right &= directives == {"default-src": "'none'", "sandbox": ""}
            # What can be gone on with by its ETag is asked for anew each time; a small picture is kept for a while.
            is_right &= headers["Cache-Control"].startswith("private, ")
            is_right &= "no-" in headers["Cache-Control"] or name == "datastores:thumbnail"
            is_right &= name in SHOWN or headers["Content-Disposition"].startswith("attachment")
        else:
            is_right &= directives.get("script-src") == "'self'" and directives.get("frame-ancestors") == "'none'"
            is_right &= directives.get("object-src") == "'none'" and directives.get("base-uri") == "'self'"
        if not is_right:
            wrong[name] = dict(headers)
    none_of(wrong)


def test_pages_have_no_script_of_their_own(place: Place) -> None:
    """The policy would refuse it; a page that needs one would be broken."""
    wrong: Findings = {}
    for name, answer in every_get(place).items():
        if answer.headers["Content-Type"].startswith("text/html"):
            text = said(answer)
            inline = [tag for tag in re.findall(r"<script\b[^>]*>", text) if "src=" not in tag and "json" not in tag]
            handlers = re.findall(r"<[a-z][^<>]*\son[a-z]+=", text)
            if inline or handlers:
                wrong[name] = [*inline, *handlers]
    none_of(wrong)


ODD = [
    "page.html",
    "drawing.svg",
    'a "quoted" name.html',
    "semicolon; filename=evil.exe",
    "two\r\nSet-Cookie: a=b\nlines.txt",
    "back\\slash.svg",
    "emoji 😀 ünï.html",
    "percent%0d%0a.txt",
    "'single'.xhtml",
]


@pytest.mark.parametrize("name", ODD)
def test_a_file_is_saved_and_never_opened_whatever_its_name(place: Place, name: str) -> None:
    client = signed_in(place.owner)
    get_backend(place.datastore).write(f"odd/{name}", BytesIO(b"<script>alert(1)</script>"))
    output = place.run.steps.get(name=place.step).outputs.outputs["out"]
    get_backend(place.world.datastore).write(f"{output.path}/{name}", BytesIO(b"<script>alert(1)</script>"))
    asked = [
        ("datastores:download", {"path": f"odd/{name}"}),
        ("api-datastore-download", {"path": f"odd/{name}"}),
        ("api-step-output-download", {"path": name}),
        ("api-step-output-download", {"path": name, "inline": "1"}),
    ]
    for address, query in asked:
        answer = client.get(f"{address_of(address, place.parts())}?{urlencode(query)}")
        assert said(answer) == "<script>alert(1)</script>"
        disposition = answer.headers["Content-Disposition"]
        assert re.fullmatch(r"attachment(; filename\*?=[\x20-\x7e]+)?", disposition)
        # One file name and nothing behind it: within quotes every quote is escaped.
        assert re.fullmatch(r"""attachment; filename(="([^"\\]|\\.)*"|\*=utf-8''[\w.%~!#$&+^`|-]+)""", disposition)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    shown = client.get(f"{address_of('datastores:image', place.parts())}?{urlencode({'path': f'odd/{name}'})}")
    assert shown.status_code == 404, "only pictures that run nothing are drawn"


ELSEWHERE = [
    "https://elsewhere.example/",
    "//elsewhere.example/",
    "///elsewhere.example/",
    "/\\elsewhere.example/",
    "\\\\elsewhere.example",
    "http:elsewhere.example",
    "javascript:alert(1)",
    "https://testserver@elsewhere.example/",
    "\thttps://elsewhere.example/",
]


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("door", ["/accounts/login/", "/admin/login/", "/accounts/logout/"])
def test_no_door_leads_to_another_site(place: Place, target: str, door: str) -> None:
    User.objects.filter(pk=place.owner.pk).update(is_staff=True)
    query = urlencode({"next": target})
    form = {"username": place.owner.username, "password": PASSWORD, "next": target}
    client = signed_in(place.owner) if "logout" in door else Client()
    answers = [client.post(f"{door}?{query}", form)]
    if "logout" not in door:
        answers.append(signed_in(place.owner).get(f"{door}?{query}"))
    for answer in answers:
        if answer.status_code == 302:
            location = answer.headers["Location"]
            # A door may keep the question in its own address, and that is where it stays.
            assert re.match(r"/(?![/\\])", location)
            assert "elsewhere" not in location.partition("?")[0]


def test_the_admin_is_for_staff(place: Place) -> None:
    clients = {"an owner": signed_in(place.owner), "nobody": Client()}
    boss = User.objects.create_user("boss", is_staff=True, is_superuser=True)
    clients["somebody switched off"] = signed_in(boss)
    User.objects.filter(pk=boss.pk).update(is_active=False)
    wrong: Findings = {}
    for who, client in clients.items():
        for path in _admin_addresses():
            answer = client.get(path)
            if answer.status_code != 302 or not answer.headers["Location"].startswith("/admin/login/?next="):
                wrong[f"{who} {path}"] = answer.status_code
    none_of(wrong)


def test_staff_without_permissions_see_no_rows(place: Place) -> None:
    helper = User.objects.create_user("helper", is_staff=True)
    client = signed_in(helper)
    for path in _admin_addresses():
        if path.count("/") > 3 and "password" not in path:
            assert client.get(path).status_code == 403, path


def _admin_addresses() -> list[str]:
    lists = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]
    changes = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
        for model in admin.site._registry
        if (row := model._base_manager.first())
    ]
    return [reverse("admin:index"), reverse("admin:password_change"), *lists, *changes]


def test_an_administrator_is_no_member_of_every_workspace(place: Place) -> None:
    """The admin shows the rows; pages, files and logs are for members."""
    boss = signed_in(User.objects.create_user("boss", is_staff=True, is_superuser=True))
    wrong: Findings = {}
    for name, address in OF_A_WORKSPACE.items():
        for method in address.methods:
            answer = ask(boss, method, name, place.parts(), place)
            if answer.status_code != 404:
                wrong[f"{method} {name}"] = answer.status_code
    none_of(wrong)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("environments:new", "from=" + "9" * 5000),
        ("environments:new", "from=" + "9" * 30),
        ("runs:list", "pipeline=" + "9" * 5000 + "&before=-1&after=x"),
        ("runs:list", "q=%00&submitted_by=%00&experiment=%00"),
        ("pipelines:list", "q=%00&page=" + "9" * 5000),
        ("pipelines:edit", "version=" + "9" * 5000),
        ("datasets:list", "q=%00&page=" + "9" * 5000),
        ("datasets:detail", "version=" + "9" * 5000),
        ("environments:list", "q=%00&page=-1"),
        ("compute:detail", "page=" + "9" * 5000),
        ("workspaces:members", "before=" + "9" * 5000),
        ("api-pipelines", "q=%00"),
        ("api-environments", "q=%00"),
        ("api-datasets", "q=%00"),
        ("api-runs", "q=%00&pipeline=" + "9" * 5000),
        ("api-runs", "cursor=cD1hYmM%3D"),
        ("api-runs", "cursor=cD0A"),
        ("api-runs", "cursor=" + "9" * 5000),
        ("api-run-events", "after=" + "9" * 5000),
        ("api-step-log", "attempt=" + "9" * 30),
        ("api-step-log", "attempt=99999999999"),
        ("api-step-output", "path=%00&after=%00"),
        ("api-step-code", "path=%00"),
        ("api-source-file", "path=%ff%00"),
        ("datastores:browse", "path=%00&after=%ff"),
    ],
)
def test_an_address_that_makes_no_sense_is_no_fault_of_ours(place: Place, name: str, query: str) -> None:
    answer = signed_in(place.person(Role.OWNER)).get(f"{address_of(name, place.parts())}?{query}")
    assert answer.status_code in ({200, 400, 404} if is_api(name) else {200, 302, 400, 404})


@pytest.mark.parametrize(
    "path", ["runs/{run_id}/steps/first%00/", "runs/{run_id}/steps/first/outputs/out%00/", "sources/{digest}%00/"]
)
def test_nul_in_an_address_finds_nothing(place: Place, path: str) -> None:
    address = f"/api/workspaces/ours/{path}".format(**place.parts())
    assert signed_in(place.owner).get(address).status_code == 404


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
def test_characters_that_no_database_keeps_are_refused_or_left_out(place: Place, bad: str) -> None:
    """In every text of every request that is good otherwise."""
    wrong: Findings = {}
    client = signed_in(place.owner)
    for name, address in OF_A_WORKSPACE.items():
        for method, body in address.bodies.items():
            good = body(place)
            if isinstance(good, Bytes):  # nothing in it is read as text
                continue
            fields = good.fields if isinstance(good, Form) else good
            for field, value in fields.items():
                if not isinstance(value, str) or (isinstance(good, Form) and bad == "\ud800"):
                    continue
                changed = {**fields, field: bad}
                with undone():
                    send = Form(changed) if isinstance(good, Form) else changed
                    status = ask(client, method, name, place.parts(), place, body=send).status_code
                    if status >= 500:
                        wrong[f"{method} {name} {field}"] = status
    for change in ({"description": bad}, {"source": bad}, {"entry": bad}, {"compute": bad}, {"environment": bad}):
        definition = {"steps": [place.world.step("other", source=place.digest) | change]}
        for name in ("api-validate", "api-versions"):
            with undone():
                body = {"definition": definition, "base_version": 1}
                status = ask(client, "POST", name, place.parts(), place, body=body).status_code
                if status >= 500:
                    wrong[f"{name} {change}"] = status
    none_of(wrong)
