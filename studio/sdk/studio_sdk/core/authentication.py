"""How a program says who it is. A studio knows people by tokens: `manage.py token USERNAME` prints one.

```python
from studio_sdk.core import Workspace
from studio_sdk.core.authentication import TokenAuthentication

workspace = Workspace.from_config(auth=TokenAuthentication(lambda audience: read_from_a_vault()))
```
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from typing import Any

from studio_sdk.exceptions import AuthenticationException

__all__ = [
    "AbstractAuthentication",
    "AuthenticationException",
    "AzureCliAuthentication",
    "AzureMLTokenAuthentication",
    "InteractiveLoginAuthentication",
    "MsiAuthentication",
    "ServicePrincipalAuthentication",
    "TokenAuthentication",
]

TOKEN = "STUDIO_TOKEN"  # noqa: S105 (a name)


class AbstractAuthentication:
    """Base of all: `get_token` gives the token."""

    def get_token(self, given: str = "") -> str:
        """The token. `given` is that of a configuration file. Raises AuthenticationException."""
        raise NotImplementedError

    def get_authentication_header(self) -> dict[str, str]:
        """For requests to the studio that a program makes itself."""
        return {"Authorization": f"Bearer {self.get_token()}"}


class _FromEnvironment(AbstractAuthentication):
    """The token of the configuration file, or of the variable `STUDIO_TOKEN`."""

    def get_token(self, given: str = "") -> str:
        token = (given or os.environ.get(TOKEN, "")).strip()
        if not token:
            raise AuthenticationException(
                "There is no token: put it into the variable STUDIO_TOKEN, or into config.json as “token”."
            )
        return token


class InteractiveLoginAuthentication(_FromEnvironment):
    """The configured token; where there is none, a program at a terminal asks for it."""

    def __init__(self, force: bool = False, tenant_id: str | None = None, cloud: str = "AzureCloud") -> None:
        self._force = force
        self._asked = ""

    def get_token(self, given: str = "") -> str:
        if self._asked:
            return self._asked
        if not self._force and (given or os.environ.get(TOKEN, "")).strip():
            return super().get_token(given)
        if not sys.stdin.isatty():
            return super().get_token(given)
        self._asked = getpass.getpass("Token of the studio: ").strip()
        if not self._asked:
            raise AuthenticationException("No token was typed.")
        return self._asked


class AzureCliAuthentication(_FromEnvironment):
    """The configured token, as there is no Azure CLI here."""

    def __init__(self, cloud: str | None = None) -> None:
        pass


class MsiAuthentication(_FromEnvironment):
    """The token that a step has, or the configured one."""

    def __init__(self, identity_config: Any = None, cloud: str | None = None) -> None:
        pass


class AzureMLTokenAuthentication(_FromEnvironment):
    """The token that a step has."""


class ServicePrincipalAuthentication(AbstractAuthentication):
    """A program with a token of its own: the password is the token. Tenant and principal have no meaning here."""

    def __init__(
        self,
        tenant_id: str,
        service_principal_id: str,
        service_principal_password: str,
        cloud: str = "AzureCloud",
        _enable_caching: bool = True,
    ) -> None:
        self._token = service_principal_password

    def get_token(self, given: str = "") -> str:
        if not self._token:
            raise AuthenticationException("Give the studio's token as service_principal_password.")
        return self._token


class TokenAuthentication(AbstractAuthentication):
    """A token that a function gives whenever it is needed; it is called with the audience, here `"studio"`."""

    def __init__(self, get_token_for_audience: Callable[[str], str]) -> None:
        if not callable(get_token_for_audience):
            raise AuthenticationException("Give a function that takes an audience and returns a token.")
        self._ask = get_token_for_audience

    def get_token(self, given: str = "") -> str:
        token = self._ask("studio")
        if not isinstance(token, str) or not token:
            raise AuthenticationException("The function that was given returned no token.")
        return token


def default_authentication() -> AbstractAuthentication:
    return InteractiveLoginAuthentication()
