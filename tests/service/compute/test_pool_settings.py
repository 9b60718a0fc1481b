"""What a pool may be: made and changed over pages and API, with a sentence for everything that can't be."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from compute.models import ComputeTarget
from compute.services.pool_settings import change_pool, create_pool
from studio.lib.problems import UserError
from studio.workspaces.models import AuditEvent, Membership, Role, User, Workspace
from tests.support.compute import Compute

pytestmark = pytest.mark.django_db

SECRET = "a secret that nobody sees again"


@pytest.fixture
def compute() -> Compute:
    return Compute()


@pytest.fixture
def administrator(compute: Compute) -> User:
    return person(compute.workspace, "root", is_superuser=True)


@pytest.fixture
def owner(compute: Compute) -> User:
    return person(compute.workspace, "olga")


def person(workspace: Workspace, name: str, **values: Any) -> User:
    user = User.objects.create_user(name, password="a long password", **values)
    Membership.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    return user


def hosts(*names: str) -> list[dict[str, Any]]:
    return [{"host": name, "port": 22, "user": "studio", "host_key": ""} for name in names]


def ssh(**values: Any) -> dict[str, Any]:
    return {"provider": "ssh", "hosts": hosts("a.example.com", "b.example.com"), "auth": "password"} | values


def make(compute: Compute, by: User, **values: Any) -> ComputeTarget:
    given = {"name": "many", "slots": 2, "pool": {}} | values
    return create_pool(workspace=compute.workspace, created_by=by, **given)


def problems(error: UserError) -> dict[tuple[Any, ...], str]:
    return {problem.loc: problem.message for problem in error.problems}


@pytest.mark.parametrize(
    ("pool", "field", "words"),
    [
        ({"max_nodes": 0}, "max_nodes", "from 1 to 200"),
        ({"max_nodes": -3}, "max_nodes", "from 1 to 200"),
        ({"max_nodes": 10**9}, "max_nodes", "from 1 to 200"),
        ({"min_nodes": -1}, "min_nodes", "Give 0"),
        ({"min_nodes": 3, "max_nodes": 2}, "min_nodes", "more than the greatest"),
        ({"idle_s": -1}, "idle_s", "from 0 to 604,800"),
        ({"idle_s": float("nan")}, "idle_s", "from 0 to 604,800"),
        ({"idle_s": 1e12}, "idle_s", "from 0 to 604,800"),
        ({"provider": "kubernetes"}, "provider", "'processes', 'ssh'"),
        (ssh(hosts=[]), "hosts", "at least one host"),
        (ssh(max_nodes=3), "max_nodes", "take 2 at most"),
        (ssh(nodes_per_host=0), "nodes_per_host", "from 1 to"),
        (ssh(folder="../elsewhere"), "folder", "absolute, or from the user's home"),
        (ssh(folder=""), "folder", "Name a folder"),
        (ssh(python="python3\nrm"), "python", "absolute, or from the user's home"),
    ],
)
def test_what_can_not_be_is_said_at_its_field(
    compute: Compute, administrator: User, pool: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        make(compute, administrator, pool=pool, credentials={"password": SECRET})
    assert words in problems(caught.value)["pool", field]
    assert SECRET not in str(caught.value)
    assert not ComputeTarget.objects.filter(kind="pool").exists()


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"host": "a b"}, "Write the host's name"),
        ({"host": "http://a"}, "Write the host's name"),
        ({"user": ""}, "Name the user"),
        ({"host_key": "MD5:1"}, "This is no host key"),
        ({"host": "a.example.com"}, "there twice"),
    ],
)
def test_a_host_that_is_none_is_named(compute: Compute, administrator: User, host: dict[str, Any], words: str) -> None:
    given = hosts("a.example.com", "b.example.com")
    given[1] |= host
    with pytest.raises(UserError) as caught:
        make(compute, administrator, pool=ssh(hosts=given), credentials={"password": SECRET})
    assert words in problems(caught.value)["pool", "hosts", 1]


def test_without_a_way_to_sign_in_it_is_refused(compute: Compute, administrator: User) -> None:
    with pytest.raises(UserError) as caught:
        make(compute, administrator, pool=ssh())
    assert "Enter the password" in problems(caught.value)["credentials", "password"]
    with pytest.raises(UserError) as caught:
        make(compute, administrator, pool=ssh(auth="key"), credentials={"private_key": SECRET})
    assert "no private key" in problems(caught.value)["credentials", "private_key"]
    assert SECRET not in str(caught.value)


def test_an_owner_makes_a_pool_of_processes_and_only_an_administrator_one_of_hosts(
    compute: Compute, owner: User, administrator: User
) -> None:
    assert make(compute, owner, name="mine").pool.provider == "processes"
    with pytest.raises(PermissionDenied, match="Only an administrator"):
        make(compute, owner, pool=ssh(), credentials={"password": SECRET})
    target = make(compute, administrator, pool=ssh(), credentials={"password": SECRET})
    change_pool(target, slots=1, description="", pool={"max_nodes": 1, "idle_s": 5}, changed_by=owner)
    with pytest.raises(PermissionDenied, match="Only an administrator"):
        change_pool(target, slots=1, description="", pool={"hosts": hosts("mine.example.com")}, changed_by=owner)
    with pytest.raises(PermissionDenied, match="Only an administrator"):
        change_pool(target, slots=1, description="", pool={}, credentials={"password": "x"}, changed_by=owner)
    target.refresh_from_db()
    assert (target.pool.max_nodes, target.credentials.open()) == (1, {"password": SECRET})
    assert AuditEvent.objects.filter(verb="compute.change", actor=owner).count() == 1


def test_a_password_is_not_sent_to_hosts_that_it_was_not_entered_for(compute: Compute, administrator: User) -> None:
    target = make(compute, administrator, pool=ssh(), credentials={"password": SECRET})
    with pytest.raises(UserError, match=r"not entered for studio@c\.example\.com"):
        change_pool(
            target,
            slots=1,
            description="",
            pool={"hosts": hosts("c.example.com"), "max_nodes": 1},
            changed_by=administrator,
        )


def test_a_maximum_lower_than_what_runs_says_what_follows(compute: Compute, owner: User) -> None:
    target = make(compute, owner, pool={"max_nodes": 4})
    compute.target = target
    for number in range(3):
        compute.node(f"n{number}")
    said = change_pool(target, slots=2, description="", pool={"max_nodes": 1}, changed_by=owner)
    assert said == "3 nodes run now: 2 nodes take no more work and leave when what they run has ended."
    assert change_pool(target, slots=2, description="", pool={"max_nodes": 3}, changed_by=owner) == ""


def page(client: Client, user: User, name: str, *arguments: Any) -> str:
    client.force_login(user)
    return reverse(f"compute:{name}", args=[user.memberships.get().workspace.slug, *arguments])


def test_the_form_makes_a_pool_and_shows_no_secret_again(compute: Compute, administrator: User, client: Client) -> None:
    form = {
        "name": "far",
        "slots": "2",
        "min_nodes": "0",
        "max_nodes": "9",
        "idle_s": "60",
        "nodes_per_host": "1",
        "auth": "password",
        "password": SECRET,
        "folder": ".pipeline-studio",
        "hosts": "\n# ours\nstudio@a.example.com SHA256:" + "A" * 43 + "\nb.example.com:99999\n",
    }
    address = page(client, administrator, "pool-new", "ssh")
    said = client.post(address, form).content.decode()
    assert "Line 4: Write it as user@host" in said
    assert SECRET not in said
    tried = client.post(
        page(client, administrator, "pool-try"), form | {"hosts": "\n\nb.example.com\n"}
    ).content.decode()
    assert "Line 3: Name the user before the host" in tried
    said = client.post(address, form | {"hosts": "studio@a.example.com:2222"}).content.decode()
    assert "The hosts take 1 at most" in said
    answer = client.post(address, form | {"hosts": "studio@a.example.com:2222", "max_nodes": "1"})
    target = ComputeTarget.objects.get(name="far")
    assert answer.status_code == 302
    assert target.pool.hosts[0].address == "studio@a.example.com:2222"
    edit = client.get(page(client, administrator, "pool-edit", target.pk)).content.decode()
    assert "studio@a.example.com:2222" in edit
    assert "Kept as it is" in edit
    assert SECRET not in edit
    detail = client.get(page(client, administrator, "detail", target.pk)).content.decode()
    assert "0 to 1 nodes on 1 SSH host" in detail


def test_an_owner_sees_no_form_for_hosts(compute: Compute, owner: User, administrator: User, client: Client) -> None:
    assert client.get(page(client, owner, "pool-new", "ssh")).status_code == 403
    target = make(compute, administrator, pool=ssh(), credentials={"password": SECRET})
    said = client.get(page(client, owner, "pool-edit", target.pk)).content.decode()
    assert "max_nodes" in said
    assert "a.example.com" not in said
    client.post(
        page(client, owner, "pool-edit", target.pk),
        {"slots": "1", "min_nodes": "0", "max_nodes": "1", "idle_s": "5", "description": ""},
    )
    target.refresh_from_db()
    assert (target.pool.max_nodes, len(target.pool.hosts)) == (1, 2)
    tried = client.post(page(client, owner, "pool-try"), {"target": target.pk})
    assert b"a.example.com" not in tried.content


def test_the_api_makes_changes_and_shows_a_pool(compute: Compute, administrator: User, client: Client) -> None:
    client.force_login(administrator)
    base = f"/api/workspaces/{compute.workspace.slug}/compute/"
    wanted = {"name": "far", "kind": "pool", "pool": ssh(), "credentials": {"password": SECRET}}
    made = client.post(base, wanted, content_type="application/json")
    assert made.status_code == 201, made.content
    assert made.json()["pool"]["max_nodes"] == 2
    assert SECRET not in made.content.decode()
    changed = client.patch(f"{base}{made.json()['id']}/", {"pool": {"min_nodes": 5}}, content_type="application/json")
    assert changed.status_code == 400
    assert changed.json()["problems"][0]["loc"] == ["pool", "min_nodes"]
    changed = client.patch(f"{base}{made.json()['id']}/", {"pool": {"min_nodes": 1}}, content_type="application/json")
    assert (changed.json()["pool"]["min_nodes"], changed.json()["pool"]["max_nodes"]) == (1, 2)
    refused = client.post(base, {"name": "near", "pool": {}}, content_type="application/json")
    assert refused.json()["problems"][0]["loc"] == ["pool"]
