#!/usr/bin/env python
"""Django's command line for Pipeline Studio."""

import os
import sys

from studio.installation import preflight


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    try:
        preflight.check_home()
    except preflight.PreflightError as error:
        sys.exit(f"{error}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
