"""`manage.py token USERNAME`: a new API token, printed once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.workspaces.models import User
from studio.workspaces.tokens import make_token


class Command(BaseCommand):
    help = "Print a new API token of a user. It is shown this once; the database keeps only its hash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user “{username}”.")
        if not user.is_active:
            raise CommandError(f"“{username}” is not active, so a token would not work.")
        self.stdout.write(make_token(user, name="manage.py token").secret)
