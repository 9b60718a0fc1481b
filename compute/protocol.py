"""What a node and the studio must agree on to work together: one number, raised when nodes of before would do harm.

The database holds the number that the studio speaks. A node of another one does not serve: its version of the studio
would read or write what the other one does not mean.
"""

from django.db import transaction

from compute.models import SpokenProtocol
from studio.lib.problems import UserError
from studio.version import VERSION

PROTOCOL = 4  # since steps reach the tracking interface, and its clients log beside the node

_ONLY = 1  # the key of the one row


def announce_protocol() -> None:
    """The studio's own processes say what they speak; an older one never takes back what a newer one said."""
    row, is_new = SpokenProtocol.objects.get_or_create(pk=_ONLY, defaults={"number": PROTOCOL, "version": VERSION})
    if not is_new and (row.number, row.version) != (PROTOCOL, VERSION) and row.number <= PROTOCOL:
        SpokenProtocol.objects.filter(pk=_ONLY, number__lte=PROTOCOL).update(number=PROTOCOL, version=VERSION)


def require_same_protocol() -> None:
    """Raises UserError where the studio speaks another protocol than this process."""
    with transaction.atomic():
        spoken = SpokenProtocol.objects.filter(pk=_ONLY).first()
    if spoken is None or spoken.number == PROTOCOL:
        return
    age = "an older" if spoken.number > PROTOCOL else "a newer"
    raise UserError(
        f"This node is of {age} version of the studio ({VERSION}, protocol {PROTOCOL}) than the one that it is to "
        f"serve ({spoken.version}, protocol {spoken.number}). Install {spoken.version} on this machine, then start it "
        "again."
    )
