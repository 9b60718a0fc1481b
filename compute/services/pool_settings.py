"""Make a pool, and change what it is. Its nodes follow by themselves."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from pydantic import ValidationError

from compute import doorbell
from compute.alive import alive_nodes
from compute.models import ComputeTarget, Node
from compute.pools.spec import LONGEST_IDLE_S, MOST_NODES, MOST_ON_HOST, PoolSpec
from compute.services.targets import MAX_SLOTS, check_name, taken_name
from compute.sharing import targets_seen_by
from datastores import ssh
from datastores.backends.ssh_host_keys import fingerprint_of
from studio.lib.misshapen import shape_problems
from studio.lib.problems import Problem, UserError
from studio.lib.secrets import Sealed
from studio.workspaces import audit
from studio.workspaces.models import User, Workspace

SECRETS = ("private_key", "passphrase", "password")
# Whoever may change these decides which machines get the studio's own keys.
OF_SSH = ("provider", "hosts", "auth", "folder", "python")


def create_pool(
    *,
    workspace: Workspace,
    name: str,
    slots: int,
    pool: Mapping[str, Any],
    credentials: Mapping[str, str] | None = None,
    description: str = "",
    created_by: User,
) -> ComputeTarget:
    """A new pool in `workspace`; it starts its least number of nodes within seconds.

    Raises UserError at `name`, `slots`, `("pool", FIELD)`, `("pool", "hosts", INDEX)` and `("credentials", FIELD)`, and
    PermissionDenied for a pool of SSH hosts where the person is no administrator.
    """
    problems: list[Problem] = []
    spec, secrets = None, dict(credentials or {})
    for check in (partial(check_name, name), partial(_check_slots, slots), partial(_require_free, workspace, name)):
        try:
            check()
        except UserError as error:
            problems += error.problems
    try:
        spec = settled(pool, secrets)
    except UserError as error:
        problems += error.problems
    if spec is not None and spec.provider == "ssh":
        require_administrator(created_by)
    if problems or spec is None:
        raise UserError(problems)
    try:
        with transaction.atomic():
            target = ComputeTarget(
                workspace=workspace,
                name=name,
                slots=slots,
                description=description,
                kind="pool",
                pool=spec,
                created_by=created_by,
            )
            target.credentials = _sealed(spec, secrets)
            target.save(force_insert=True)
            audit.record(workspace, created_by, "compute.create", f"{name}: {_words(spec)}")
    except IntegrityError:
        raise taken_name(name) from None
    return target


def change_pool(
    target: ComputeTarget,
    *,
    slots: int,
    description: str,
    pool: Mapping[str, Any],
    credentials: Mapping[str, str] | None = None,
    changed_by: User,
) -> str:
    """Change a pool: `pool` are the settings that change, a secret that is not given stays.

    Returns what that means for nodes that are there, in words; empty where it means nothing. Raises as `create_pool`.
    """
    assert target.pool is not None, "a pool has its settings"
    before: PoolSpec = target.pool
    changed = {**before.model_dump(mode="json"), **pool}
    given = {name: value for name, value in (credentials or {}).items() if value}
    secrets = secrets_with(target, given)
    _check_slots(slots)
    spec = settled(changed, secrets)
    concerns_ssh = given or any(getattr(spec, name) != getattr(before, name) for name in OF_SSH)
    if concerns_ssh and "ssh" in {spec.provider, before.provider}:
        require_administrator(changed_by)
        require_password_again(before, spec, given)
    if spec.provider != before.provider:
        raise UserError("A pool keeps its provider: make another pool.", loc=("pool", "provider"))
    with transaction.atomic():
        target.slots, target.description, target.pool = slots, description, spec
        target.credentials = _sealed(spec, secrets)
        target.save(update_fields=["slots", "description", "pool", "credentials"])
        audit.record(target.workspace, changed_by, "compute.change", f"{target.name}: {_words(spec)}")
        doorbell.target_changed_on_commit([target.pk])
    return _what_follows(target, spec)


def settled(pool: Mapping[str, Any], secrets: Mapping[str, str]) -> PoolSpec:
    """The settings, checked. Raises UserError at `("pool", FIELD)` and `("credentials", FIELD)`."""
    try:
        spec = PoolSpec.model_validate(dict(pool))
    except ValidationError as error:
        raise UserError(shape_problems(error, PoolSpec, below=("pool",))) from None
    problems = [Problem(("pool", name), message) for name, message in _of_numbers(spec)]
    if spec.provider == "ssh":
        problems += _of_hosts(spec)
        problems += _of_secrets(spec, secrets)
    if problems:
        raise UserError(problems)
    return spec


def _of_numbers(spec: PoolSpec) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if not 1 <= spec.max_nodes <= MOST_NODES:
        found.append(("max_nodes", f"Give a number of nodes from 1 to {MOST_NODES}."))
    if spec.min_nodes < 0:
        found.append(("min_nodes", "Give 0, or a number of nodes that are always there."))
    elif spec.min_nodes > spec.max_nodes:
        found.append(("min_nodes", "The least number of nodes is more than the greatest: lower it, or raise that one."))
    if not 0 <= spec.idle_s <= LONGEST_IDLE_S:  # NaN is not
        found.append(("idle_s", f"Give a number of seconds from 0 to {LONGEST_IDLE_S:,} (a week)."))
    return found


def _of_hosts(spec: PoolSpec) -> list[Problem]:
    problems: list[Problem] = []
    if not spec.hosts:
        problems.append(Problem(("pool", "hosts"), "Give at least one host, as in user@host."))
    seen: set[str] = set()
    for index, host in enumerate(spec.hosts):
        loc = ("pool", "hosts", index)
        if not host.host or any(sign in host.host for sign in "/,@?#\\ \0\t\r\n"):
            problems.append(Problem(loc, "Write the host's name or address, as in user@node1.example.com."))
        elif not host.user or any(sign in host.user for sign in "@:/ \0\t\r\n"):
            problems.append(Problem(loc, "Name the user before the host, as in user@node1.example.com."))
        elif host.address in seen:
            problems.append(Problem(loc, f"{host.address} is there twice: once is enough."))
        seen.add(host.address)
        try:
            fingerprint_of(host.host_key)
        except UserError as error:
            problems.append(Problem(loc, str(error)))
    if not 1 <= spec.nodes_per_host <= MOST_ON_HOST:
        problems.append(Problem(("pool", "nodes_per_host"), f"Give a number of nodes from 1 to {MOST_ON_HOST}."))
    elif spec.hosts and spec.max_nodes > len(spec.hosts) * spec.nodes_per_host:
        most = len(spec.hosts) * spec.nodes_per_host
        problems.append(
            Problem(("pool", "max_nodes"), f"The hosts take {most} at most: add hosts, or allow more nodes on each.")
        )
    for name in ("folder", "python"):
        value = getattr(spec, name)
        if any(sign in value for sign in "\0\r\n") or value.startswith("~") or ".." in value.split("/"):
            problems.append(Problem(("pool", name), "Write it absolute, or from the user's home, without “..”."))
    if not spec.folder.strip("/ "):
        problems.append(Problem(("pool", "folder"), "Name a folder for the studio's files, as in .pipeline-studio."))
    return problems


def _of_secrets(spec: PoolSpec, secrets: Mapping[str, str]) -> list[Problem]:
    if spec.auth == "password" and not secrets.get("password"):
        return [Problem(("credentials", "password"), "Enter the password, or sign in another way.")]
    if spec.auth != "key":
        return []
    if not secrets.get("private_key"):
        return [Problem(("credentials", "private_key"), "Enter the private key, or sign in another way.")]
    try:
        ssh.private_key(secrets["private_key"], secrets.get("passphrase", ""))
    except UserError as error:
        return error.problems
    return []


def _sealed(spec: PoolSpec, secrets: Mapping[str, str]) -> Sealed | None:
    """Only what this way of signing in needs is kept."""
    names = {"key": ("private_key", "passphrase"), "password": ("password",), "identity": ()}[spec.auth]
    kept = {name: secrets[name] for name in names if secrets.get(name)} if spec.provider == "ssh" else {}
    return Sealed.seal(kept) if kept else None


def secrets_with(target: ComputeTarget | None, given: Mapping[str, str]) -> dict[str, str]:
    """The secrets that a pool has, those that are given in their place. Raises UserError where no key opens them."""
    if target is None or target.credentials is None:
        return dict(given)
    try:
        opened: dict[str, str] = target.credentials.open()
    except UserError:
        if not given:
            raise
        opened = {}  # new ones come in their place
    return {**opened, **given}


def _check_slots(slots: int) -> None:
    if not 1 <= slots <= MAX_SLOTS:
        raise UserError(f"Give a number of slots from 1 to {MAX_SLOTS}.", loc=("slots",))


def _require_free(workspace: Workspace, name: str) -> None:
    if targets_seen_by(workspace).filter(name=name).exists():
        raise taken_name(name)


def require_administrator(person: User) -> None:
    """A node is given the studio's secret key and its database's address: whoever names its machine has everything."""
    if not person.is_superuser:
        raise PermissionDenied(
            "Only an administrator of the studio may say on which hosts it starts nodes: each of them is given the "
            "studio's own keys."
        )


def require_password_again(before: PoolSpec, spec: PoolSpec, given: Mapping[str, str]) -> None:
    new = {host.address for host in spec.hosts} - {host.address for host in before.hosts}
    if spec.auth == "password" and new and not given.get("password"):
        raise UserError(
            f"Enter the password again: it was not entered for {', '.join(sorted(new))}.",
            loc=("credentials", "password"),
        )


def _words(spec: PoolSpec) -> str:
    where = f" on {len(spec.hosts)} hosts" if spec.provider == "ssh" else ""
    return f"{spec.min_nodes} to {spec.max_nodes} nodes{where}, idle {spec.idle_s:g} s"


def _what_follows(target: ComputeTarget, spec: PoolSpec) -> str:
    alive = alive_nodes(Node.objects.filter(target=target)).count()
    if alive <= spec.max_nodes:
        return ""
    surplus = alive - spec.max_nodes
    those = "1 node takes" if surplus == 1 else f"{surplus} nodes take"
    return f"{alive} nodes run now: {those} no more work and leave when what they run has ended."
