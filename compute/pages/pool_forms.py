"""The forms of pools. What they check twice, the services decide; a secret is taken and never filled in again."""

import re
from collections.abc import Iterator
from typing import Any

from django import forms

from compute.models import ComputeTarget
from compute.pages.forms import NAME_HELP
from compute.pools.spec import FOLDER, MOST_NODES, MOST_ON_HOST, PoolSpec, ProviderName, SshHost
from compute.services.pool_settings import SECRETS
from compute.services.targets import MAX_SLOTS
from datastores.pages.datastore_forms import SecretField
from studio.lib.problems import Problem, UserError

_PLAIN = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false", "class": "mono"}
_SECRET = {**_PLAIN, "autocomplete": "new-password"}
_HOST = re.compile(r"(?:(?P<user>[^@\s]*)@)?(?P<host>\[[^\]\s]*\]|[^\s:]+)(?::(?P<port>\d{1,5}))?")
_EXAMPLE = "studio@node1.example.com SHA256:…\nstudio@node2.example.com:2222 SHA256:…"

_AUTH = [("key", "Private key"), ("password", "Password"), ("identity", "The studio's own identity or agent")]
_OF_NUMBERS = ("min_nodes", "max_nodes", "idle_s")
_OF_HOSTS = ("nodes_per_host", "auth", "folder", "python")


class PoolForm(forms.Form):
    """What every pool has. With `target` the form changes it, and its name stays."""

    provider: ProviderName = "processes"

    name = forms.CharField(max_length=100, help_text=NAME_HELP.format("training"))
    description = forms.CharField(max_length=500, required=False)
    slots = forms.IntegerField(
        min_value=1, max_value=MAX_SLOTS, initial=2, label="Slots per node", help_text="Steps at once on each node."
    )
    min_nodes = forms.IntegerField(
        min_value=0, max_value=MOST_NODES, initial=0, label="Least nodes", help_text="They stay though nothing waits."
    )
    max_nodes = forms.IntegerField(
        min_value=1, max_value=MOST_NODES, initial=2, label="Most nodes", help_text="Started by hand or by the pool."
    )
    idle_s = forms.FloatField(
        min_value=0, initial=300, label="Idle seconds", help_text="A node that has had no work for so long goes."
    )

    def __init__(self, *args: Any, target: ComputeTarget | None = None, **kwargs: Any) -> None:
        if target is not None:
            kwargs["initial"] = _initial(target)
        super().__init__(*args, **kwargs)
        self.target = target
        if target is not None:
            del self.fields["name"]
            self.fields[
                "max_nodes"
            ].help_text = (
                "Started by hand or by the pool. Where more run now, the surplus ends what it runs and leaves."
            )

    def pool(self) -> dict[str, Any]:
        """The settings as the valid form says them. Raises UserError at `("pool", "hosts", LINE)`."""
        return {"provider": self.provider, **{name: self.cleaned_data[name] for name in _OF_NUMBERS}}

    def credentials(self) -> dict[str, str]:
        return {name: value for name in SECRETS if (value := self.cleaned_data.get(name))}

    def show(self, error: UserError) -> None:
        """Put each problem at its field; one of a host names its line."""
        for problem in error.problems:
            self.add_error(*self._placed(problem))

    def in_words(self, error: UserError) -> str:
        """Its problems in one line, those of hosts with their lines."""
        return " ".join(dict.fromkeys(self._placed(problem)[1] for problem in error.problems))

    def _placed(self, problem: Problem) -> tuple[str | None, str]:
        match problem.loc:
            case ("pool", "hosts", int(index), *_):
                return self._at("hosts"), f"Line {self._line_of(index)}: {problem.message}"
            case ("pool" | "credentials", str(name), *_) | (str(name), *_):
                return self._at(name), problem.message
        return None, problem.message

    def _at(self, name: str) -> str | None:
        return name if name in self.fields else None

    def _line_of(self, index: int) -> int:
        numbers = [number for number, _ in _lines(self.cleaned_data.get("hosts", ""))]
        return numbers[index] if index < len(numbers) else index + 1


class SshPoolForm(PoolForm):
    """A pool whose nodes are started on hosts."""

    provider: ProviderName = "ssh"

    hosts = forms.CharField(
        strip=False,
        max_length=200_000,
        widget=forms.Textarea({**_PLAIN, "rows": "5", "placeholder": _EXAMPLE}),
        help_text=(
            "One a line: user@host, its port if it is not 22, and the fingerprint of its host key. Leave the "
            "fingerprint out and test the hosts to see what they show, then compare it with what their owner says."
        ),
    )
    nodes_per_host = forms.IntegerField(min_value=1, max_value=MOST_ON_HOST, initial=1, label="Nodes on each host")
    auth = forms.ChoiceField(choices=_AUTH, initial="key", label="Sign in with")
    private_key = SecretField(
        required=False,
        strip=False,
        widget=forms.Textarea({**_SECRET, "rows": "5"}),
        help_text="The whole file, beginning with -----BEGIN.",
    )
    passphrase = SecretField(
        required=False, strip=False, label="Passphrase of the key", widget=forms.PasswordInput(_SECRET)
    )
    password = SecretField(required=False, strip=False, widget=forms.PasswordInput(_SECRET))
    folder = forms.CharField(
        initial=FOLDER,
        max_length=500,
        widget=forms.TextInput(_PLAIN),
        help_text="On each host, absolute or from the user's home: the studio installs itself there.",
    )
    python = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.TextInput(_PLAIN),
        help_text="On each host, 3.11 or newer. Left empty, the studio looks for one.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.target is not None and self.target.credentials is not None:
            for name in SECRETS:
                self.fields[name].widget.attrs["placeholder"] = "Kept as it is"

    def pool(self) -> dict[str, Any]:
        hosts = hosts_of(self.cleaned_data["hosts"])
        return {**super().pool(), "hosts": hosts, **{name: self.cleaned_data[name] for name in _OF_HOSTS}}


def hosts_of(text: str) -> list[dict[str, Any]]:
    """The hosts that the lines name. Raises UserError at `("pool", "hosts", INDEX)` for what is no host."""
    hosts: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for index, (_, line) in enumerate(_lines(text)):
        first, _, key = line.partition(" ")
        found = _HOST.fullmatch(first)
        port = int(found["port"] or 22) if found else 0
        if found is None or not 1 <= port <= 65535:
            problems.append(
                Problem(("pool", "hosts", index), "Write it as user@host or user@host:port, then its fingerprint.")
            )
            continue
        hosts.append(
            {"host": found["host"].strip("[]"), "port": port, "user": found["user"] or "", "host_key": key.strip()}
        )
    if problems:
        raise UserError(problems)
    return hosts


def line_of(host: SshHost) -> str:
    """As a person enters it."""
    return f"{host.address} {host.host_key}".strip()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, by number from 1."""
    for number, line in enumerate(text.splitlines(), 1):
        plain = " ".join(line.split())
        if plain and not plain.startswith("#"):
            yield number, plain


def _initial(target: ComputeTarget) -> dict[str, Any]:
    assert target.pool is not None, "a pool has its settings"
    spec: PoolSpec = target.pool
    return {
        "description": target.description,
        "slots": target.slots,
        **{name: getattr(spec, name) for name in (*_OF_NUMBERS, *_OF_HOSTS)},
        "hosts": "\n".join(line_of(host) for host in spec.hosts),
    }
