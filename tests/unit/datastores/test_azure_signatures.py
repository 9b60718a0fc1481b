"""What an Azure signature says itself of why a server refuses it."""

from datetime import UTC, datetime

import pytest

from datastores.backends.azure_signatures import why_not_now

NOW = datetime(2026, 11, 29, 19, 47, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    ("token", "found"),
    [
        ("sv=2024-11-04&se=2026-11-29T19%3A47%3A54Z&sp=rl&sig=x", "expired on 29 November 2026 at 19:47:54 UTC"),
        ("?se=2026-11-29T19%3A47Z&sig=x", "expired on 29 November 2026 at 19:47:00 UTC"),
        ("se=2026-11-29&sig=x", "expired on 29 November 2026 at 00:00:00 UTC"),
        ("se=2026-12-29&ske=2026-11-05T10%3A00%3A00Z&sig=x", "expired on 5 November 2026 at 10:00:00 UTC"),
        ("st=2026-12-01&se=2026-12-29&sig=x", "is good only from 1 December 2026 at 00:00:00 UTC on"),
        ("st=2026-11-01&se=2026-12-29&sig=x", ""),
        ("si=policy&sr=c&sig=x", ""),
        ("se=soon&sig=x", ""),
        ("bm9uZQ==", ""),
        ("", ""),
    ],
)
def test_why_not_now(token: str, found: str) -> None:
    assert why_not_now(token, NOW) == found
