"""`manage.py token` prints a token that works."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from studio.workspaces.models import User

pytestmark = pytest.mark.django_db


def printed(username: str) -> str:
    out = StringIO()
    call_command("token", username, stdout=out)
    return out.getvalue().strip()


def test_the_token_opens_the_api() -> None:
    User.objects.create_user("ada")
    assert Client().get("/api/workspaces/").status_code == 401
    answer = Client().get("/api/workspaces/", headers={"Authorization": f"Bearer {printed('ada')}"})
    assert answer.status_code == 200


def test_each_call_gives_another_token() -> None:
    User.objects.create_user("ada")
    assert printed("ada") != printed("ada")


def test_nobody_has_no_token() -> None:
    with pytest.raises(CommandError, match="no user “ada”"):
        printed("ada")


def test_nor_has_somebody_who_was_shut_out() -> None:
    User.objects.create_user("ada", is_active=False)
    with pytest.raises(CommandError, match="not active"):
        printed("ada")
