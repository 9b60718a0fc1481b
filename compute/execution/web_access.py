"""What a step is told to reach the studio over the network: its address, and a token that dies with the lease."""

from collections.abc import Mapping

from django.conf import settings

from compute.services.leases import Lease
from compute.services.step_tokens import step_token


def web_variables(said: Mapping[str, str], lease: Lease) -> dict[str, str]:
    """None where the job is told of no interface, or nobody told this node the studio's address; and none where the
    step names a server of its own: that is not to see the token.
    """
    interface = lease.spec.web
    if interface is None or not settings.PUBLIC_URL or interface.address_in in said:
        return {}
    return {
        **interface.variables,
        interface.address_in: f"{settings.PUBLIC_URL.rstrip('/')}{interface.path}",
        interface.token_in: step_token(lease.job_id, lease.token),
    }
