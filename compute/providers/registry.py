"""The providers. Each one's module is imported only when a pool uses it."""

from collections.abc import Mapping

from django.utils.module_loading import import_string

from compute.providers.interface import Provider

PROVIDERS: Mapping[str, str] = {
    "processes": "compute.providers.processes.Processes",
    "ssh": "compute.providers.ssh.provider.SshHosts",
}

# They touch the database alone, so they may be asked in the middle of a sweep.
QUICK = frozenset({"processes"})


def get_provider(name: str) -> Provider:
    """Raises KeyError where there is no such provider."""
    provider: Provider = import_string(PROVIDERS[name])()
    return provider
