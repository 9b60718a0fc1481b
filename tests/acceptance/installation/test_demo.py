"""The first start makes an administrator and the demo; later ones leave both as people left them."""

import re
import stat
from pathlib import Path

from tests.acceptance.installation.starting import Up, started

COUNTS = (
    "from studio.workspaces.models import *; from pipelines.models import *; "
    "print(User.objects.count(), Workspace.objects.count(), Pipeline.objects.count())"
)
CHANGE = """
from studio.workspaces.models import *
admin = User.objects.get()
admin.set_password("another one")
admin.save()
Workspace.objects.get().delete()
"""


def password_in(up: Up) -> str:
    found = re.search(r"Password: +(.+)", up.output)
    assert found, up.output
    return found.group(1).strip()


def test_the_sign_in_stays_until_it_is_changed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, demo=True) as up:
        password = password_in(up.until_announced())
        assert len(password) >= 12
        assert re.search(r"User: +admin\n", up.output)
        assert up.manage("shell", "-v", "0", "-c", COUNTS) == "1 1 1"
        assert stat.S_IMODE((home / "admin-password").stat().st_mode) == 0o600
        up.interrupt()
        up.ends()
    with started(home, demo=True) as up:
        assert password_in(up.until_announced()) == password
        up.manage("shell", "-c", CHANGE)
        up.interrupt()
        up.ends()
    with started(home, demo=True) as up:
        assert password_in(up.until_announced()) == "(the one that you chose)"
        assert up.manage("shell", "-v", "0", "-c", COUNTS) == "1 0 0", "a demo that was removed stays removed"
