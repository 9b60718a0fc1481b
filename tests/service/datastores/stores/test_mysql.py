"""MySQL and MariaDB: the contract against a MariaDB, its types, its dangers, and what goes wrong on the way in."""

import datetime as dt
import socket
import time
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from pytest_django import Settings

from datastores.backends import Database, open_store
from datastores.backends.statements import statements_of
from datastores.sources import Column
from studio.lib.problems import UserError
from tests.support.servers.mariadb import MariaDb

from .database_contract import DatabaseContract, Run, rows, table_of


@pytest.fixture(autouse=True)
def private_hosts(settings: Settings) -> None:
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]


@pytest.fixture
def server(mariadb_server: MariaDb) -> MariaDb:
    mariadb_server.run(
        f"DROP DATABASE IF EXISTS {mariadb_server.database}",
        f"CREATE DATABASE {mariadb_server.database}",
        database="mysql",
    )
    return mariadb_server


def opened(server: MariaDb, password: str | None = None, **config: Any) -> Database:
    values = {"host": server.host, "port": server.port, "database": server.database, "user": server.user, **config}
    store = open_store("mysql", values, {"password": server.password if password is None else password})
    assert isinstance(store, Database)
    return store


@pytest.fixture
def database(server: MariaDb) -> Database:
    return opened(server)


class TestMariaDb(DatabaseContract):
    endless = "SELECT BENCHMARK(1000000000000, MD5('a')) AS a"
    for_ever = "SELECT seq AS a, repeat('x', 200) AS b FROM seq_1_to_1000000000000"
    many = "SELECT seq AS a, repeat('x', 200) AS b FROM seq_1_to_{count}"
    quote = "`"
    writing: ClassVar = [
        "SELECT drop_it()",
        "SELECT NEXTVAL(made_by_hand)",
        "SELECT * FROM sales INTO OUTFILE '/tmp/studio-never.txt'",
        "SELECT 1 /*!INTO OUTFILE '/tmp/studio-never.txt'*/",
        "SELECT 1 /*M!100000 INTO DUMPFILE '/tmp/studio-never.txt'*/",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT `load_file`('/etc/passwd')",
        "SELECT LOAD_FÍLE('/etc/passwd')",
        "WITH gone AS (SELECT 1) DELETE FROM sales",
        "/*! DELETE FROM sales */",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE sales",
        "SET STATEMENT max_statement_time = 0 FOR SELECT 1",
        "CALL drop_it()",
        "SELECT GET_LOCK('a', 1) FROM nowhere",
    ]

    @pytest.fixture
    def database(self, server: MariaDb) -> Database:
        return opened(server)

    @pytest.fixture
    def run(self, server: MariaDb) -> Run:
        return server.run

    @pytest.fixture(autouse=True)
    def _server(self, server: MariaDb) -> None:
        self.server = server
        server.run(
            "CREATE FUNCTION drop_it() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM sales; RETURN 1; END",
        )

    def busy(self) -> int:
        question = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'studio' AND command <> 'Sleep'"
        return int(self.server.run(question)[0][0])

    def test_what_writes_is_told_from_what_fails(self, database: Database, run: Run, sales: object) -> None:
        run("CREATE SEQUENCE made_by_hand")
        for query in ("SELECT drop_it()", "SELECT NEXTVAL(made_by_hand)"):
            with pytest.raises(UserError, match="writes"):
                rows(database, query)


def test_types_are_arrows(server: MariaDb, database: Database) -> None:
    server.run(
        """
        CREATE TABLE types (
            tiny TINYINT, flag BOOLEAN, big BIGINT, huge BIGINT UNSIGNED, small SMALLINT UNSIGNED, yr YEAR,
            r FLOAT, d DOUBLE, exact DECIMAL(30, 2), whole DECIMAL(10, 0) UNSIGNED, wide DECIMAL(60, 10),
            t TEXT, v VARCHAR(20) CHARACTER SET latin1, c CHAR(3), e ENUM('a', 'b'), s SET('x', 'y'), j JSON,
            raw VARBINARY(10), pic BLOB, bits BIT(3), many BIT(64),
            day DATE, dt DATETIME(6), ts TIMESTAMP(3) NULL, span TIME, u UUID, ip INET6, g POINT
        )
        """,
        "SET SESSION sql_mode = ''",
        "SET SESSION time_zone = '+00:00'",
        """
        INSERT INTO types VALUES (
            -128, TRUE, -9223372036854775808, 18446744073709551615, 65535, 2026,
            1.5, 0.1, 1234567890123456789.12, 7, 12345678901234567890123456789012345678901234567890.5,
            'ü😀', 'é', 'c', 'b', 'x,y', '{"a": [1, 2]}',
            x'00ff', x'ff', b'101', x'ffffffffffffffff',
            '2026-01-31', '2026-01-31 12:00:00.123456', '2026-01-31 12:00:00.5', '-838:59:59',
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1', POINT(1, 2)
        ), (
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, NULL, NULL, NULL, '0000-00-00', '0000-00-00 00:00:00', 0, NULL, NULL, NULL, NULL
        ), (
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, NULL, NULL, NULL, '2026-00-00', '2026-01-31 00:00:00', NULL, NULL, NULL, NULL, NULL
        )
        """,
    )
    found = table_of(database, "SELECT * FROM types")
    assert {field.name: str(field.type) for field in found.schema} == {
        **dict.fromkeys(["tiny", "flag", "big", "small", "yr", "bits"], "int64"),
        **dict.fromkeys(["huge", "many"], "uint64"),
        **dict.fromkeys(["r", "d"], "double"),
        "exact": "decimal128(30, 2)",
        "whole": "decimal128(10, 0)",
        **dict.fromkeys(["wide", "t", "v", "c", "e", "s", "j", "span", "u", "ip"], "string"),
        **dict.fromkeys(["raw", "pic", "g"], "binary"),
        "day": "date32[day]",
        "dt": "timestamp[us]",
        "ts": "timestamp[us, tz=UTC]",
    }
    row, zero, partial = found.to_pylist()
    assert (row["tiny"], row["flag"], row["big"], row["huge"]) == (-128, 1, -(2**63), 2**64 - 1)
    assert (row["exact"], row["wide"]) == (
        Decimal("1234567890123456789.12"),
        "12345678901234567890123456789012345678901234567890.5000000000",
    )
    assert (row["t"], row["v"], row["e"], row["s"], row["j"]) == ("ü😀", "é", "b", "x,y", '{"a": [1, 2]}')
    assert (row["raw"], row["pic"], row["bits"], row["many"]) == (b"\0\xff", b"\xff", 5, 2**64 - 1)
    assert (row["day"], row["dt"]) == (dt.date(2026, 1, 31), dt.datetime.fromisoformat("2026-01-31 12:00:00.123456"))
    assert row["ts"] == dt.datetime(2026, 1, 31, 12, 0, 0, 500000, tzinfo=dt.UTC)
    assert (row["span"], row["u"], row["ip"]) == ("-838:59:59", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "::1")
    assert [zero[name] for name in ("day", "dt", "ts")] == [None] * 3
    assert (partial["day"], partial["dt"]) == (None, dt.datetime.fromisoformat("2026-01-31"))


def test_no_way_to_write_a_name_slips_through(server: MariaDb) -> None:
    """The server compares names without case and accents: each letter that equals one of ours is folded to it."""
    from datastores.backends.one_select import _folded

    for letter in "loadfileutmp":
        found = server.run(
            "SELECT CONVERT(CHAR(seq USING utf32) USING utf8mb4) AS c FROM seq_128_to_65535 WHERE "
            "(seq < 55296 OR seq > 57343) AND CONVERT(CHAR(seq USING utf32) USING utf8mb3) "
            f"COLLATE utf8mb3_general_ci = CONVERT('{letter}' USING utf8mb3) COLLATE utf8mb3_general_ci"
        )
        for (other,) in found:
            assert _folded(other) == letter, (letter, hex(ord(other)))


def test_only_what_may_be_read_is_listed(server: MariaDb) -> None:
    server.run(
        "CREATE TABLE one (a INT)", "CREATE DATABASE IF NOT EXISTS apart", "CREATE TABLE IF NOT EXISTS apart.x (a INT)"
    )
    reader = opened(server, server.reader_password, user=server.reader)
    assert [table.name for table in reader.tables().tables] == ["one"]
    with pytest.raises(UserError, match="may not do this"):
        rows(reader, "SELECT * FROM apart.x")


def test_a_query_can_give_itself_no_more_time(database: Database) -> None:
    for query in (
        "SELECT SLEEP(60) AS a",
        "SELECT /*+ MAX_EXECUTION_TIME(0) */ BENCHMARK(1000000000000, MD5('a')) AS a",
    ):
        started = time.monotonic()
        with pytest.raises(UserError, match=r"longer than|too long"):
            rows(database, query, timeout_s=1)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("config", "password", "sentence", "loc"),
    [
        ({"host": "no-such-host.invalid"}, None, "no host named|can't be looked up", ("config", "host")),
        ({"port": 1}, None, "refused the connection", ("config", "port")),
        ({"user": "nobody"}, None, "does not let the user", ("credentials", "password")),
        ({}, "wrong-secret", "does not let the user", ("credentials", "password")),
        ({}, "", "does not let the user", ("credentials", "password")),
        ({"database": "apart"}, None, "may not use the database", ("config", "database")),
        ({"auth": "identity"}, None, "does not let the user", ("config", "user")),
        ({"host": "localhost", "tls": "verify"}, None, "can't be trusted", ("config", "certificate")),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    server: MariaDb, config: dict[str, Any], password: str | None, sentence: str, loc: tuple[str, ...]
) -> None:
    server.run("CREATE DATABASE IF NOT EXISTS apart")
    with pytest.raises(UserError, match=sentence) as caught:
        opened(server, password, **config).test()
    assert caught.value.problems[0].loc == loc
    assert "wrong-secret" not in str(caught.value)


def test_a_database_that_is_missing_is_said(server: MariaDb) -> None:
    server.run("CREATE USER IF NOT EXISTS all_seeing@'%' IDENTIFIED BY 'x'", "GRANT SELECT ON *.* TO all_seeing@'%'")
    with pytest.raises(UserError, match="no database nowhere") as caught:
        opened(server, "x", user="all_seeing", database="nowhere").test()
    assert caught.value.problems[0].loc == ("config", "database")


def test_tls_and_its_absence(server: MariaDb) -> None:
    authority = server.certificates.authority_pem
    question = "SELECT variable_value AS v FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'"
    for config in (
        {"tls": "prefer"},
        {"tls": "require"},
        {"tls": "verify", "certificate": authority, "host": "localhost"},
        {"tls": "verify", "certificate": authority},
    ):
        (row,) = rows(opened(server, **config), question)
        assert row["v"], config
    assert rows(opened(server, tls="off"), question) == [{"v": ""}]
    with pytest.raises(UserError, match="can't be trusted") as caught:
        opened(server, tls="verify", certificate=authority, host="127.0.0.2").test()
    assert caught.value.problems[0].loc == ("config", "certificate")
    server.run(
        "CREATE USER IF NOT EXISTS secretive@'%' IDENTIFIED BY 'x' REQUIRE SSL",
        "GRANT SELECT ON shop.* TO secretive@'%'",
    )
    opened(server, "x", user="secretive").test()
    with pytest.raises(UserError):
        opened(server, "x", user="secretive", tls="off").test()


def test_private_addresses_are_refused(server: MariaDb, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = []
    for host in ("127.0.0.1", "localhost", "169.254.169.254"):
        with pytest.raises(UserError, match="STUDIO_PRIVATE_HOSTS"):
            opened(server, host=host).test()
    with pytest.raises(UserError, match="sockets"):
        opened(server, host=str(server.socket))


def test_a_socket_is_opened_where_it_was_admitted(server: MariaDb, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = [str(server.socket)]
    opened(server, host=str(server.socket)).test()


def test_a_server_that_says_nothing_is_waited_for_ten_seconds_at_most(server: MariaDb) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(UserError, match="does not answer"):
            opened(server, port=mute.getsockname()[1]).test()
        assert time.monotonic() - started < 10


def test_repeated_names_can_be_told(database: Database) -> None:
    assert database.columns("SELECT 1 AS a, 'x' AS a") == [
        Column(name="a", type="integer"),
        Column(name="a", type="string"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE sales",
        "/*!LOAD XML INFILE*/ '/etc/passwd' INTO TABLE sales",
        "EXECUTE IMMEDIATE CONCAT('SELECT LOAD_', 'FILE(''/etc/passwd'')')",
        "SET @a = CONCAT('SELECT LOAD_', 'FILE(''/etc/passwd'')'); PREPARE b FROM @a; EXECUTE b",
        "CREATE PROCEDURE p() EXECUTE IMMEDIATE @a",
    ],
)
def test_what_writes_reaches_no_files_of_the_server(server: MariaDb, text: str) -> None:
    database = opened(server, allow_writes=True)
    with (
        pytest.raises(UserError, match="the files of the database server"),
        database.carried_out(statements_of(text, "mysql"), {}, writes=True),
    ):
        pass


def test_such_words_may_stand_within_others(server: MariaDb) -> None:
    text = "SELECT 'prepared' AS prepared_at, 'infiles' AS `immediately`"
    with opened(server, allow_writes=True).carried_out(statements_of(text, "mysql"), {}, writes=True) as rows:
        assert rows is not None
        assert [batch.to_pylist() for batch in rows if batch.num_rows] == [
            [{"prepared_at": "prepared", "immediately": "infiles"}]
        ]
