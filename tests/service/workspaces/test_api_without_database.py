"""What the API answers while the database is away."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from knox.models import AuthToken
from rest_framework.test import APIClient

from studio.workspaces.models import User


@pytest.mark.django_db(transaction=True)
def test_it_says_so_as_it_says_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.objects.create_user("ann", password="a long passphrase")
    _row, token = AuthToken.objects.create(user)

    def ask() -> tuple[int, dict[str, str], str]:  # in a thread of its own, which has to connect
        answer = APIClient(raise_request_exception=False).get(
            "/api/workspaces/", headers={"Authorization": f"Bearer {token}"}
        )
        connection.close()
        return answer.status_code, answer.json(), answer.headers.get("Retry-After", "")

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(ask).result()[0] == 200
    monkeypatch.setitem(connection.settings_dict, "NAME", "/nowhere/studio.sqlite3")
    with ThreadPoolExecutor(1) as thread:
        status, body, retry_after = thread.submit(ask).result()
    assert (status, retry_after) == (503, "5")
    detail = "The database does not answer now. Try again in a moment; /healthz says more."
    assert body == {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail}
