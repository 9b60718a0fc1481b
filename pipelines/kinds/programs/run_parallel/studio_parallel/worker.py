"""One process that works on batches: it loads the entry script once, calls `init()` once and `run()` for each batch.

    --worker COMMANDS ANSWERS JSON

COMMANDS and ANSWERS are numbers of pipes with a line of JSON for each batch, and for what became of it. The process
ends when whoever sends the batches is gone, in the middle of one too.
"""

import importlib.util
import json
import logging
import os
import queue
import sys
import threading
import traceback

from .refusal import BadBatch
from .results import counted, written

_WHY_CHARS = 2000


def work(arguments, own_folder):
    commands, answers = int(arguments[0]), int(arguments[1])
    told = json.loads(arguments[2])
    for pipe in (commands, answers):
        os.set_inheritable(pipe, False)  # a process that the script starts would keep it open
    os.register_at_fork(after_in_child=lambda: closed(commands, answers))  # nor one that it forks
    os.setpgid(0, 0)  # what the script starts ends with it
    batches = queue.Queue()
    threading.Thread(target=hear, args=(commands, batches), daemon=True).start()
    sys.path[:] = [path for path in sys.path if path != own_folder]
    logging.basicConfig(level=told["logging"], stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")

    def say(**answer):
        data = (json.dumps(answer) + "\n").encode()
        while data:
            data = data[os.write(answers, data) :]

    try:
        module = loaded(told["script"], told["arguments"])
        if hasattr(module, "init"):
            module.init()
    except BaseException as error:  # noqa: BLE001 (a script may call sys.exit)
        traceback.print_exc()
        say(kind="broken", why=words_of(error))
        return 1
    if not callable(getattr(module, "run", None)):
        say(kind="broken", why="it has no function run(mini_batch)")
        return 1
    say(kind="ready")
    worker = Work(module.run, told)
    while True:
        batch = batches.get()
        if batch is None:
            return 0
        say(**worker.on(batch))


def words_of(error):
    """The log has all of it."""
    return "{}: {}".format(type(error).__name__, str(error)[:_WHY_CHARS])


def closed(*pipes):
    for pipe in pipes:
        try:
            os.close(pipe)
        except OSError:
            continue


def hear(commands, batches):
    with os.fdopen(commands, encoding="utf-8") as lines:
        for line in lines:
            batches.put(json.loads(line))
    os._exit(1)  # nobody is there any more who could use what comes of it


def loaded(script, arguments):
    """The entry script as a module of its own name, as its neighbours may import it, too."""
    folder, name = os.path.split(os.path.abspath(script))
    sys.path.insert(0, folder)
    sys.argv[:] = [script, *arguments]
    stem = os.path.splitext(name)[0]
    spec = importlib.util.spec_from_file_location(stem, os.path.join(folder, name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    spec.loader.exec_module(module)
    return module


class Work:
    """On one batch after the other."""

    def __init__(self, run, told):
        self.run, self.told = run, told
        self.rows = None
        if told["split"] == "rows":
            from .rows import RowReader

            self.rows = RowReader()

    def on(self, batch):
        try:
            given = self.rows.frame(batch["work"]) if self.rows else batch["work"]
            result = self.run(given)
            if self.told["action"] == "summary_only":
                count, columns = counted(result, batch["items"]), None
            else:
                count, columns = written(result, batch["target"])
        except BadBatch as error:
            return {"kind": "failed", "batch": batch["number"], "why": str(error)}
        except BaseException as error:  # noqa: BLE001 (a script may call sys.exit)
            traceback.print_exc()
            return {"kind": "failed", "batch": batch["number"], "why": words_of(error)}
        return {"kind": "done", "batch": batch["number"], "count": count, "columns": columns}
