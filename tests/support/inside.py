"""Python inside an installation's Django: a line of JSON in, `{code, values}`, a line out, `{result}` or `{error}`."""

import json
import sys
import textwrap
import traceback
from pathlib import Path

# Not this folder, which comes first for a script: its redis.py would stand before the real one.
sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

if __name__ == "__main__":
    import django

    django.setup()
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.hashers import PBKDF2PasswordHasher
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import close_old_connections
    from knox.models import AuthToken

    from studio.workspaces.models import Membership, User, Workspace
    from studio.workspaces.services import create_workspace

    names = {
        "AuthToken": AuthToken,
        "BACKEND_SESSION_KEY": BACKEND_SESSION_KEY,
        "HASH_SESSION_KEY": HASH_SESSION_KEY,
        "Membership": Membership,
        "PBKDF2PasswordHasher": PBKDF2PasswordHasher,
        "SESSION_KEY": SESSION_KEY,
        "SessionStore": SessionStore,
        "User": User,
        "Workspace": Workspace,
        "create_workspace": create_workspace,
    }
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        scope = {**names, **asked["values"], "result": None}
        try:
            exec(textwrap.dedent(asked["code"]), scope)
            answer = {"result": scope["result"]}
        except Exception:  # noqa: BLE001 (whatever it was, the test is told)
            answer = {"error": traceback.format_exc()}
        close_old_connections()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
