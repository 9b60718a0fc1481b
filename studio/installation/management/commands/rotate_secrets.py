"""`manage.py rotate_secrets`: all stored credentials are written anew with the newest key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studio.lib.rotation import rotate_secrets


class Command(BaseCommand):
    help = (
        "Encrypt all stored credentials with the newest key of STUDIO_SECRET_KEY, so that older ones can be taken out "
        "of it. Safe while the studio runs, and to run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        rotation = rotate_secrets()
        self.stdout.write(f"{rotation.renewed} were written anew, {rotation.current} had the newest key already.")
        if rotation.lost:
            raise CommandError(
                f"{len(rotation.lost)} can't be opened by any key of STUDIO_SECRET_KEY: {', '.join(rotation.lost)}. "
                "Add their old key at its end and run this again, or enter these credentials anew."
            )
