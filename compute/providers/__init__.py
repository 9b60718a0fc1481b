"""Where a pool's nodes come from."""

from compute.providers.interface import Provider
from compute.providers.registry import PROVIDERS, QUICK, get_provider

__all__ = ["PROVIDERS", "QUICK", "Provider", "get_provider"]
