"""`up`: from nothing to a healthy studio, and back to nothing whatever ends it."""

import contextlib
import errno
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TextIO

import redis
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection

from studio.installation import preflight, services
from studio.installation.supervisor import TICK_S, Supervisor

START_PATIENCE_S = 60.0
TARGETS_EVERY_S = 1.0


class StoppedError(BaseException):
    """Somebody asked for the end while the studio was still starting."""


class Running:
    """One studio in the foreground. `run` returns once it has been stopped and no process is left."""

    def __init__(self, *, host: str, port: int, demo: bool) -> None:
        self._host, self._port, self._demo = host, port, demo
        self._variables = services.environment(host=host, port=port)
        self._supervisor = Supervisor(folder=Path(settings.BASE_DIR), logs=Path(settings.STUDIO_HOME) / "logs", say=say)
        self._machine = socket.gethostname()
        self._stop_requested = self._interruptible = False
        self._parent = int(os.environ.get("STUDIO_FOLLOW_PARENT", "0"))

    def run(self) -> None:
        """Raises PreflightError where something stands in the way that the reader can mend."""
        preflight.check_disk()
        preflight.check_port(self._host, self._port)
        lock = preflight.lock_home()
        nodes_lock = preflight.lock_nodes()
        self._listen_to_signals()
        try:
            self._start(lock)
            self._stay()
        except StoppedError:
            pass
        except (OSError, DatabaseError) as error:
            if "full" in str(error) or getattr(error, "errno", None) == errno.ENOSPC:
                raise preflight.disk_is_full() from None
            if isinstance(error, OperationalError):
                reason = str(error).strip().partition("\n")[0]
                raise preflight.PreflightError(
                    f"The database cannot be used ({reason}). Start it or mend DATABASE_URL, then try again."
                ) from None
            raise
        finally:
            self._stop()
            nodes_lock.close()
            lock.close()

    @property
    def address(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 (compared, not bound)
        return f"http://{f'[{host}]' if ':' in host.strip('[]') else host}:{self._port}/"

    def _start(self, lock: TextIO) -> None:
        preflight.note_in(lock, f"process {os.getpid()}, {self.address}")
        say("Starting …")
        with self._can_be_interrupted():
            if "REDIS_URL" not in os.environ:
                settings.EMBEDDED_REDIS_SOCKET.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._supervisor.want([services.redis(self._variables)])
                self._supervisor.tick()
            call_command("migrate", verbosity=0, interactive=False)
            self._wait_for_redis()
            from studio.installation import demo

            demo.ensure_ground()
            if self._demo:
                demo.create_demo()
        variables = self._variables
        self._supervisor.want(
            [
                services.web(variables, host=self._host, port=self._port),
                services.control(variables),
                services.data(variables),
                services.scheduler(variables),
                *services.local_nodes(variables),
                *services.pool_nodes(variables, machine=self._machine),
            ]
        )

    def _stay(self) -> None:
        started = time.monotonic()
        announced = complained = False
        look_at = 0.0
        while not self._stop_requested and not self._orphaned():
            self._supervisor.tick()
            now = time.monotonic()
            if now >= look_at:
                look_at = now + (TARGETS_EVERY_S if announced else 0.3)
                self._follow_targets()
                if not announced:
                    ill = self._ill()
                    announced = not ill
                    if announced:
                        self._announce()
                    elif now - started > START_PATIENCE_S and not complained:
                        complained = True
                        say(f"Not healthy yet: {ill}. The logs are in {settings.STUDIO_HOME}/logs; still trying.")
            time.sleep(TICK_S)

    def _stop(self) -> None:
        self._stop_requested = True
        say("Stopping … (Ctrl-C again to be quick about it)")
        connection.close()
        self._supervisor.stop_all()
        say("Stopped; no process is left.")

    def _follow_targets(self) -> None:
        """A target that was made, resized or removed in the browser, and a pool that grows or shrinks, are followed."""
        try:
            nodes = services.local_nodes(self._variables)
            nodes += services.pool_nodes(self._variables, machine=self._machine)
        except DatabaseError as error:
            connection.close()
            say(f"The compute targets could not be read: {error}")
            return
        self._supervisor.want(nodes, prefix=services.NODE_PREFIX)

    def _ill(self) -> str:
        """What is not healthy yet, in words; empty when everything is."""
        try:
            with urllib.request.urlopen(f"{self.address}healthz", timeout=3):  # noqa: S310 (our own address)
                return ""
        except urllib.error.HTTPError as error:
            with contextlib.suppress(ValueError), error:
                parts = json.load(error)
                return ", ".join(f"{part} {word}" for part, word in parts.items() if word != "ok" and part != "status")
            return f"the web answers {error.code}"
        except OSError as error:
            return f"the web does not answer ({error})"

    def _wait_for_redis(self) -> None:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
        give_up_at = time.monotonic() + 15
        while True:
            try:
                client.ping()
            except redis.RedisError as error:
                if time.monotonic() > give_up_at:
                    raise preflight.PreflightError(
                        f"Redis does not answer at {settings.REDIS_URL.rpartition('@')[2]} ({error}). "
                        f"Start it, or mend REDIS_URL (the embedded one's log: {settings.STUDIO_HOME}/logs/redis.log)."
                    ) from None
                self._supervisor.tick()
                time.sleep(TICK_S / 2)
            else:
                client.close()
                return

    def _announce(self) -> None:
        from studio.installation import demo

        lines = ["", f"  Pipeline Studio is running:  {self.address}"]
        account = demo.sign_in()
        if account is None:
            lines.append("  Make a first account:        .venv/bin/python manage.py createsuperuser")
        else:
            name, password = account
            lines.append(f"  User:                        {name}")
            lines.append(f"  Password:                    {password or '(the one that you chose)'}")
        say("\n".join([*lines, "", "  Ctrl-C stops it.", ""]))

    def _orphaned(self) -> bool:
        """Started by `make`, and `make` is gone."""
        return bool(self._parent) and os.getppid() != self._parent

    @contextlib.contextmanager
    def _can_be_interrupted(self) -> Iterator[None]:
        """Here a signal breaks off what is being done; elsewhere it is noticed between two steps."""
        if self._stop_requested:
            raise StoppedError
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop_requested:
            self._supervisor.hurry = True
        self._stop_requested = True
        if self._interruptible:
            self._interruptible = False
            raise StoppedError


def say(text: str) -> None:
    """To the terminal, which may be gone."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
