"""What a host of a pool must reach, out of the addresses that the studio was given."""

import pytest

from compute.providers.ssh import variables

SOCKET = {"name": "database", "file": "/run/pg/.s.PGSQL.5432"}


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("postgres://user:p%40ss@db.example.com/studio", {"name": "database", "host": "db.example.com", "port": 5432}),
        ("postgres://user@db:6432/studio", {"name": "database", "host": "db", "port": 6432}),
        ("postgres://user:a%3Ab@%2Frun%2Fpg/studio", SOCKET),
        ("postgres://user@/studio?host=/run/pg", SOCKET),
        ("postgres:///studio", {"name": "database", "host": "localhost", "port": 5432}),
        ("sqlite:////home/studio.sqlite3", {"name": "database", "file": "/home/studio.sqlite3"}),
    ],
)
def test_a_socket_is_a_file_of_one_machine(
    address: str, reached: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    assert variables.what_to_reach()[0] == reached
