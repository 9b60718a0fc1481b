"""`python -m compute.data.mount_process`: the other side of `compute.data.helper`."""

import json
import os
import sys

from compute.data.answering import Order, answer


def main() -> None:
    order: Order = json.loads(sys.stdin.buffer.readline())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django

    django.setup()
    try:
        from compute.data.file_system import serve
    except (ImportError, OSError, AttributeError) as error:  # mfusepy looks for its library when it is imported
        answer({"is": "no fuse", "why": f"{error}".rstrip(".") or "libfuse can't be loaded"})
        return
    serve(order)


if __name__ == "__main__":
    main()
