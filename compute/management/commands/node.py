"""`manage.py node --compute NAME_OR_ID`: be a node of a compute target until stopped."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compute.models import ComputeTarget
from compute.node.process import serve
from compute.services.targets import MAX_SLOTS
from studio.lib.problems import UserError


class Command(BaseCommand):
    help = "Run jobs of a compute target on this machine, which needs to reach the database and Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--compute", required=True, help="the target's name, WORKSPACE/NAME, or its number")
        parser.add_argument("--slots", type=int, help="jobs at once (default: as the target says)")
        parser.add_argument("--name", help="the node's name, one of its kind in the target (default: the host's name)")

    def handle(self, *args: Any, **options: Any) -> None:
        target = _find(options["compute"])
        slots = options["slots"] if options["slots"] is not None else target.slots
        if not 1 <= slots <= MAX_SLOTS:
            raise CommandError(f"Give a number of slots from 1 to {MAX_SLOTS}.")
        try:
            serve(target, name=(options["name"] or socket.gethostname())[:200], slots=slots)
        except UserError as error:
            raise CommandError(str(error)) from None


def _find(reference: str) -> ComputeTarget:
    targets = ComputeTarget.objects.order_by("id")
    if reference.isdecimal() and (target := targets.filter(pk=int(reference)).first()):
        return target
    slug, _, name = reference.rpartition("/")
    found = list(targets.filter(name=name, **({"workspace__slug": slug} if slug else {})))
    if not found:
        raise CommandError(f"There is no compute target “{reference}”: make it on the workspace's compute page first.")
    if len(found) > 1:
        numbers = ", ".join(f"{target.pk} ({target.workspace or 'shared'})" for target in found)
        raise CommandError(f"“{reference}” is the name of several targets: give the number of one of {numbers}.")
    return found[0]
