"""PostgreSQL: the contract, its types, its dangers, and what goes wrong on the way in."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pytest_django import Settings

from datastores.backends import Database, Table, open_store
from datastores.sources import Column
from studio.lib.problems import UserError
from tests.support.servers.certificates import Certificates, make_certificates
from tests.support.servers.postgresql import PostgreSql

from .database_contract import DatabaseContract, Run, rows, table_of


@pytest.fixture(autouse=True)
def private_hosts(settings: Settings) -> None:
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]


@pytest.fixture
def server(postgresql_server: PostgreSql) -> PostgreSql:
    postgresql_server.run(
        "DROP SCHEMA IF EXISTS public CASCADE",
        f"CREATE SCHEMA public AUTHORIZATION {postgresql_server.user}",
        f"GRANT USAGE ON SCHEMA public TO {postgresql_server.reader}",
    )
    return postgresql_server


@pytest.fixture
def run(server: PostgreSql) -> Run:
    return lambda *statements: server.run(*statements, user=server.user)


def opened(server: PostgreSql, password: str | None = None, **config: Any) -> Database:
    values = {"host": server.host, "port": server.port, "database": server.database, "user": server.user, **config}
    store = open_store("postgresql", values, {"password": server.password if password is None else password})
    assert isinstance(store, Database)
    return store


@pytest.fixture
def database(server: PostgreSql) -> Database:
    return opened(server)


class TestPostgreSql(DatabaseContract):
    endless = "SELECT count(*) FROM generate_series(1, 10000000000) a, generate_series(1, 10000000000) b"
    for_ever = "SELECT generate_series(1, 1000000000000) AS a, repeat('x', 200) AS b"
    many = "SELECT generate_series(1, {count}) AS a, repeat('x', 200) AS b"
    schema = "public"
    writing: ClassVar = [
        "WITH gone AS (DELETE FROM sales RETURNING id) SELECT * FROM gone",
        "SELECT * INTO made FROM sales",
        "SELECT * FROM sales FOR UPDATE",
        "SELECT nextval('made_by_hand')",
        "SELECT set_config('transaction_read_only', 'off', true), * FROM drop_it()",
        "SELECT * FROM drop_it()",
        "SELECT lo_create(4711)",
        "COPY sales TO '/tmp/x'",
        "TABLE sales",
    ]

    @pytest.fixture
    def database(self, server: PostgreSql) -> Database:
        return opened(server)

    @pytest.fixture
    def run(self, server: PostgreSql) -> Run:
        return lambda *statements: server.run(*statements, user=server.user)

    @pytest.fixture(autouse=True)
    def _server(self, server: PostgreSql) -> None:
        self.server = server
        server.run(
            "CREATE SEQUENCE made_by_hand",
            "CREATE FUNCTION drop_it() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE sales; RETURN 1; END $$",
            user=server.user,
        )

    def busy(self) -> int:
        question = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'studio' AND state <> 'idle'"
        return int(self.server.run(question)[0][0])


def test_types_are_arrows(database: Database) -> None:
    found = table_of(
        database,
        """
        SELECT 9223372036854775807::bigint AS big, 1::smallint AS small, 1.5::real AS real, true AS yes,
            12345678901234567890.12::numeric(30, 2) AS exact, 0.1::numeric AS free, 'NaN'::numeric(5, 2) AS nan,
            repeat('9', 60)::numeric(60, 0) AS huge, 'text'::text AS text, 'c'::char(3) AS padded,
            '\\x00ff'::bytea AS bytes, '2026-01-31'::date AS day, '23:59:59.5'::time AS clock,
            '2026-01-31 12:00:00.123456'::timestamp AS local, '2026-01-31 12:00:00+02'::timestamptz AS zoned,
            'infinity'::timestamp AS never, '0044-03-15 BC'::date AS ides, '10000-01-01'::date AS late,
            '24:00:00'::time AS midnight,
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS uuid, '{"a": [1, 1.50]}'::jsonb AS json,
            ARRAY[1, NULL, 3] AS list, ARRAY[['a', 'b'], ['c', 'd']] AS lists, ARRAY['\\x00'::bytea] AS blobs,
            '1 day 02:00'::interval AS span, '10.0.0.0/8'::cidr AS net, '[1,5)'::int4range AS range,
            point(1, 2) AS point, '$1.50'::money AS money, NULL AS nothing, B'101' AS bits, ROW(1, 'a') AS pair
        """,
    )
    assert {field.name: str(field.type) for field in found.schema} == {
        **dict.fromkeys(["big", "small"], "int64"),
        **dict.fromkeys(["real", "free"], "double"),
        "yes": "bool",
        "exact": "decimal128(30, 2)",
        "nan": "decimal128(5, 2)",
        "bytes": "binary",
        **dict.fromkeys(["day", "ides", "late"], "date32[day]"),
        **dict.fromkeys(["clock", "midnight"], "time64[us]"),
        **dict.fromkeys(["local", "never"], "timestamp[us]"),
        "zoned": "timestamp[us, tz=UTC]",
        **dict.fromkeys(
            [
                "huge",
                "text",
                "padded",
                "uuid",
                "json",
                "list",
                "lists",
                "blobs",
                "span",
                "net",
                "range",
                "point",
                "money",
                "nothing",
                "bits",
                "pair",
            ],
            "string",
        ),
    }
    (row,) = found.to_pylist()
    assert row["big"] == 2**63 - 1
    assert row["exact"] == Decimal("12345678901234567890.12")
    assert (row["nan"], row["huge"], row["free"]) == (None, "9" * 60, 0.1)
    assert (row["bytes"], row["day"], row["clock"]) == (b"\0\xff", dt.date(2026, 1, 31), dt.time(23, 59, 59, 500000))
    assert row["local"] == dt.datetime.fromisoformat("2026-01-31 12:00:00.123456")
    assert row["zoned"] == dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC)
    assert [row[name] for name in ("never", "ides", "late", "midnight", "nothing")] == [None] * 5
    assert row["uuid"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert (row["json"], row["list"]) == ('{"a": [1, 1.50]}', "[1, null, 3]")
    assert (row["lists"], row["blobs"]) == ('[["a", "b"], ["c", "d"]]', '["00"]')
    assert (row["net"], row["point"], row["bits"]) == ("10.0.0.0/8", "(1,2)", "101")
    types = {
        column.name: column.type for column in database.columns("SELECT 1.5::numeric(5, 2) AS a, '{}'::jsonb AS b")
    }
    assert types == {"a": "decimal", "b": "other"}


def test_only_what_may_be_read_is_listed(server: PostgreSql, run: Run) -> None:
    run("CREATE TABLE open (a int)", "CREATE TABLE closed (a int)", f"GRANT SELECT ON open TO {server.reader}")
    reader = opened(server, server.reader_password, user=server.reader)
    reader.test()
    assert [table.name for table in reader.tables().tables] == ["open"]
    with pytest.raises(UserError, match="may not do this"):
        rows(reader, "SELECT * FROM closed")
    with pytest.raises(UserError, match="may not do this"):
        reader.columns_of(Table(schema="public", name="closed"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM pg_ls_dir('/')",
        "SELECT query_to_xml('SELECT pg_read_file(''/etc/passwd'')', true, true, '')",
        "SELECT dblink_exec('dbname=shop', 'DROP TABLE sales')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    ],
)
def test_a_query_reaches_neither_files_nor_other_sessions(server: PostgreSql, database: Database, query: str) -> None:
    server.run("CREATE EXTENSION IF NOT EXISTS dblink")
    with server_session(server):
        try:
            found = rows(database, query)
        except UserError:
            return
        assert found in ([], [{"pg_terminate_backend": None}])


def server_session(server: PostgreSql) -> Any:
    import psycopg

    return closing(psycopg.connect(host=str(server.folder), port=server.port, dbname="shop", user="postgres"))


@pytest.mark.parametrize("role", ["pg_read_server_files", "postgres"])
def test_a_user_who_reaches_files_is_refused(server: PostgreSql, role: str) -> None:
    with pytest.raises(UserError, match="a user of its own") as caught:
        opened(server, "all-powerful", user="postgres").test()
    assert caught.value.problems[0].loc == ("config", "user")
    server.run(f"GRANT {role} TO {server.reader}")
    try:
        with pytest.raises(UserError, match="a user of its own"):
            opened(server, server.reader_password, user=server.reader).test()
    finally:
        server.run(f"REVOKE {role} FROM {server.reader}")


def test_a_query_can_give_itself_no_more_time(database: Database) -> None:
    with pytest.raises(UserError, match=r"longer than|too long"):
        rows(
            database,
            "SELECT set_config('statement_timeout', '0', true) FROM generate_series(1, 100000000000) a",
            timeout_s=1,
        )


@pytest.mark.parametrize(
    ("config", "password", "sentence", "loc"),
    [
        ({"host": "no-such-host.invalid"}, None, "no host named|can't be looked up", ("config", "host")),
        ({"port": 1}, None, "refused the connection", ("config", "port")),
        ({"user": "nobody"}, None, "does not let the user", ("credentials", "password")),
        ({}, "wrong-secret", "does not let the user", ("credentials", "password")),
        ({}, "", "does not let the user", ("credentials", "password")),
        ({"database": "nowhere"}, None, "no database nowhere", ("config", "database")),
        ({"database": "closed"}, None, "may not use the database", ("config", "database")),
        ({"tls": "require"}, None, "offers no encryption", ("config", "tls")),
        ({"auth": "identity"}, None, "does not let the user", ("config", "user")),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    server: PostgreSql, config: dict[str, Any], password: str | None, sentence: str, loc: tuple[str, ...]
) -> None:
    if not server.run("SELECT 1 FROM pg_database WHERE datname = 'closed'"):
        server.run("CREATE DATABASE closed", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    with pytest.raises(UserError, match=sentence) as caught:
        opened(server, password, **config).test()
    assert caught.value.problems[0].loc == loc
    assert "wrong-secret" not in str(caught.value)


def test_private_addresses_are_refused(server: PostgreSql, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = []
    for host in ("127.0.0.1", "localhost", "169.254.169.254"):
        with pytest.raises(UserError, match="STUDIO_PRIVATE_HOSTS"):
            opened(server, host=host).test()
    with pytest.raises(UserError, match="sockets"):
        opened(server, host=str(server.folder))


def test_a_socket_is_opened_where_it_was_admitted(server: PostgreSql, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = [str(server.folder)]
    opened(server, "", host=str(server.folder), auth="identity").test()


def test_a_server_that_says_nothing_is_waited_for_ten_seconds_at_most(server: PostgreSql) -> None:
    import time

    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(UserError, match="does not answer"):
            opened(server, port=mute.getsockname()[1]).test()
        assert time.monotonic() - started < 10


# TLS. The PostgreSQL of the package index is built without it, so a proxy speaks it for the server.


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


@pytest.fixture
def tls_port(server: PostgreSql, certificates: Certificates) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with socket.create_server(("", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=speak, args=(client,), daemon=True).start()

        def speak(client: socket.socket) -> None:
            try:
                client.recv(8)  # SSLRequest
                client.sendall(b"S")
                secure = context.wrap_socket(client, server_side=True)
            except OSError:
                client.close()
                return
            inner = socket.create_connection((server.host, server.port))
            threading.Thread(target=copy, args=(inner, secure), daemon=True).start()
            copy(secure, inner)

        def copy(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass
            finally:
                for end in (source, target):
                    end.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_certificate_is_verified_against_the_hosts_name(
    server: PostgreSql, tls_port: int, certificates: Certificates
) -> None:
    good = {"port": tls_port, "tls": "verify", "certificate": certificates.authority_pem}
    opened(server, host="localhost", **good).test()
    opened(server, port=tls_port, tls="require").test()
    with pytest.raises(UserError, match="can't be trusted") as caught:
        opened(server, host="127.0.0.2", port=tls_port, tls="verify", certificate=good["certificate"]).test()
    assert caught.value.problems[0].loc == ("config", "certificate")


def test_an_unknown_authority_is_not_trusted(server: PostgreSql, tls_port: int) -> None:
    with pytest.raises(UserError, match="can't be trusted") as caught:
        opened(server, host="localhost", port=tls_port, tls="verify").test()
    assert caught.value.problems[0].loc == ("config", "certificate")


def test_nonsense_is_no_certificate(server: PostgreSql) -> None:
    from datastores.backends import store_class

    store = store_class("postgresql")
    config = {"host": "db", "database": "d", "user": "u", "tls": "verify", "certificate": "nonsense"}
    with pytest.raises(UserError, match="PEM"):
        store.settle(store.Config.model_validate(config), store.Secrets(), workspace_id=1, name="x")


@pytest.mark.parametrize("host", ["", "postgres://db", "db:5432", "a,b", "a b", "user@db", "db/x"])
def test_a_host_is_only_a_host(host: str) -> None:
    from datastores.backends import store_class

    store = store_class("postgresql")
    config = store.Config.model_validate({"host": host, "database": "d", "user": "u"})
    with pytest.raises(UserError) as caught:
        store.settle(config, store.Secrets(), workspace_id=1, name="x")
    assert caught.value.problems[0].loc == ("config", "host")


def test_columns_of_a_query_cost_nothing(database: Database) -> None:
    assert database.columns(TestPostgreSql.endless) == [Column(name="count", type="integer")]
