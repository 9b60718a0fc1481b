"""Whether a machine shares STUDIO_HOME with the studio: each such folder holds a mark, and the database knows it."""

import secrets
from pathlib import Path

from django.conf import settings

from datastores.models import StudioHome

_FILE = "installation"


def home_mark() -> tuple[str, str]:
    """A file below STUDIO_HOME and what stands in it: a machine that shows the same shares the folder."""
    file = Path(settings.STUDIO_HOME) / _FILE
    try:
        return _FILE, file.read_text().strip()
    except FileNotFoundError:
        draft = file.with_name(f".{_FILE}.{secrets.token_hex(4)}")
        draft.write_text(secrets.token_hex(16))
        try:
            file.hardlink_to(draft)  # of two that begin at once one wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return _FILE, file.read_text().strip()


def note_home() -> None:
    """This process serves the folders below its STUDIO_HOME."""
    StudioHome.objects.update_or_create(pk=StudioHome.ONLY, defaults={"mark": home_mark()[1]})


def shares_home() -> bool:
    """Whether this machine's STUDIO_HOME is the studio's. Yes, too, where no data worker has ever noted its own."""
    noted = StudioHome.objects.filter(pk=StudioHome.ONLY).values_list("mark", flat=True).first()
    if noted is None:
        return True
    try:
        return (Path(settings.STUDIO_HOME) / _FILE).read_text().strip() == noted
    except OSError:
        return False
