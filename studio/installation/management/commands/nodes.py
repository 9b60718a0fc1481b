"""`manage.py nodes`: the nodes of this machine, where `manage.py up` does not run."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studio.installation.nodes import Nodes
from studio.installation.preflight import PreflightError


class Command(BaseCommand):
    help = "Keep the nodes of this machine running: those that pools of processes want, and each local target's."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-local", action="store_true", help="leave the nodes of local targets to others")

    def handle(self, *args: Any, no_local: bool, **options: Any) -> None:
        try:
            Nodes(local=not no_local).run()
        except PreflightError as error:
            raise CommandError(str(error)) from None
