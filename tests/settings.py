"""The studio's settings for tests: whatever is written lies in a temporary folder of this process."""

import os
import tempfile
from pathlib import Path

# Workers of pytest-xdist inherit the session's folder and take one of their own in it. Short: sockets lie there.
if "STUDIO_TEST_SESSION" not in os.environ:
    os.environ["STUDIO_TEST_SESSION"] = tempfile.mkdtemp(prefix="studio-t-")
TEST_SESSION = Path(os.environ["STUDIO_TEST_SESSION"])
os.environ["STUDIO_HOME"] = str(TEST_SESSION / os.environ.get("PYTEST_XDIST_WORKER", "main"))
# One for each process of tests: by its key a node knows what an earlier incarnation of it has left, and ends that.
os.environ["STUDIO_SECRET_KEY"] = f"only for tests: {os.environ['STUDIO_HOME'].replace(',', ' ')}"
# Packages for the steps' environments are fetched once and then linked, in this session and the next.
os.environ.setdefault("UV_CACHE_DIR", str(Path(__file__).resolve().parent.parent / ".studio" / "cache" / "uv"))
# Playwright's synchronous interface leaves an event loop in the thread that the tests run in.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
for name in ("REDIS_URL", "BROKER_URL", "STUDIO_FOLLOW_PARENT", "STUDIO_ALLOWED_HOSTS"):
    os.environ.pop(name, None)

from studio.settings import *  # noqa: E402, F403

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # tests need speed, not strength
TRANSACTION_SILENCE_S = 0.0  # a test within a transaction may wait for a server to start
