"""`manage.py up`: the whole studio in the foreground."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.installation.preflight import PreflightError
from studio.installation.running import Running


class Command(BaseCommand):
    help = "Migrate, start everything that the studio needs on this machine, and stay; Ctrl-C stops all of it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-demo", action="store_true", help="Make neither an administrator nor the demo.")

    def handle(self, *args: Any, host: str, port: int, no_demo: bool, **options: Any) -> None:
        try:
            Running(host=host, port=port, demo=not no_demo).run()
        except PreflightError as error:
            raise CommandError(str(error)) from None
