"""What a new installation finds: an administrator, the workspace `demo`, this machine as compute, and the sample."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import transaction

from compute.services import ensure_curated
from pipelines.sample import create_sample
from studio.workspaces.models import User, Workspace
from studio.workspaces.services import create_workspace

ADMIN = "admin"
DEMO = "demo"


def ensure_ground() -> None:
    """What every installation has, with or without a demo. Safe to call at each start."""
    ensure_curated()


def create_demo() -> None:
    """On the first start only, all or nothing: whoever removed the demo since then does not find it again."""
    if User.objects.exists() or Workspace.objects.exists():
        return
    password = _kept_password() or secrets.token_urlsafe(12)
    _keep_password(password)
    with transaction.atomic():
        admin = User.objects.create_superuser(ADMIN, password=password)
        workspace = create_workspace(name="Demo", slug=DEMO, owner=admin)
        create_sample(workspace, admin)


def sign_in() -> tuple[str, str | None] | None:
    """The administrator's name and password; no password where it was changed since; None where there is none."""
    admin = User.objects.filter(username=ADMIN, is_active=True).first()
    if admin is None:
        return None
    password = _kept_password()
    return ADMIN, password if password and check_password(password, admin.password) else None


def _password_file() -> Path:
    return Path(settings.STUDIO_HOME) / "admin-password"


def _kept_password() -> str:
    file = _password_file()
    return file.read_text().strip() if file.exists() else ""


def _keep_password(password: str) -> None:
    with os.fdopen(os.open(_password_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password + "\n")
