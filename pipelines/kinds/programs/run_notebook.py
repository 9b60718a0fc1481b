"""Runs a notebook by papermill, in the environment of a step: nothing of the studio is there, and any Python since 3.8.

    run_notebook.py NOTEBOOK FOLDER KERNEL CELL_TIMEOUT_S [text|json NAME VALUE]...

NOTEBOOK becomes FOLDER/NAME.ipynb while it runs, and FOLDER/NAME.html at its end where nbconvert is there. KERNEL and
CELL_TIMEOUT_S may be empty. What cells print goes to the own stdout and stderr as it comes. Ends with 1 where a cell
failed or the notebook can't be run.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile

STREAM_CHARS = 1000 * 1000  # what a cell may print into the notebook: the log has all of it
DATA_CHARS = 16 * 1024 * 1024  # of one table or picture; the studio's pages show no larger notebook anyway
SHOWN_CHARS = 10 * 1000  # of a cell's last value, in the log
AUTOSAVE_S = 10
KERNEL_ENDED = (
    "The kernel ended while this cell ran: the code ended it, or there was not enough memory. "
    "Give the step more memory, or read less at once."
)
_SOCKET_PATH = 107  # what Linux takes
_OF_KERNEL = len("/kernel-ipc-5")
_TOO_OLD = "which Jupyter has left behind. Open it there and save it in format 4."


class Refused(Exception):
    """The notebook can't be run, in words for its author."""


def main(arguments):
    path, folder, kernel, cell_timeout_s, *given = arguments
    target = os.path.join(folder, os.path.basename(path))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    try:
        require_packages()
        check(path)
        run(path, target, kernel, int(cell_timeout_s) if cell_timeout_s else None, values_of(given))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    finally:
        write_page(target)
    return 0


def values_of(given):
    """By name, from words in threes."""
    triples = (given[at : at + 3] for at in range(0, len(given), 3))
    return {name: value if kind == "text" else json.loads(value) for kind, name, value in triples}


def require_packages():
    missing = []
    for name in ("papermill", "ipykernel"):
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise Refused(f"{name} of the step's environment can't be imported: {error}.")
            missing.append(name)
    if missing:
        packages, them = " and ".join(missing), "them" if len(missing) > 1 else "it"
        raise Refused(
            f"The step's environment has no {packages}. Add {them} to its packages, "
            "or choose the environment “notebook”."
        )


def check(path):
    """Raises Refused for what is no notebook: papermill's own words speak of Python."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except OSError as error:
        raise Refused(f"“{path}” can't be read: {error.strerror}.")
    except (ValueError, RecursionError):
        raise Refused(f"“{path}” is no notebook: it holds no JSON. Save it again as a notebook.")
    major = document.get("nbformat") if isinstance(document, dict) else None
    if not isinstance(major, int):
        raise Refused(f"“{path}” is no notebook: it doesn't say of which format it is (“nbformat”).")
    if major < 4:
        raise Refused(f"“{path}” is of format {major}, {_TOO_OLD}")
    cells = document.get("cells")
    if not isinstance(cells, list) or not any(
        isinstance(cell, dict) and cell.get("cell_type") == "code" for cell in cells
    ):
        raise Refused(f"“{path}” has no cell of code: there is nothing to run. Add one.")


def run(path, target, kernel, cell_timeout_s, values):
    runtime = runtime_folder()
    os.environ["JUPYTER_RUNTIME_DIR"] = runtime  # before Jupyter is imported: it looks once

    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat import ValidationError
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillException, PapermillExecutionError
    from papermill.iorw import papermill_io

    kernel, language = chosen_kernel(path, kernel)
    engine = make_engine(
        {
            "connection_file": os.path.join(runtime, "kernel.json"),
            # Files of the step's own, where their names are not too long: no other step can reach them.
            "transport": "ipc" if is_short(runtime) else "tcp",
        }
    )
    papermill_engines.register("studio", engine)
    papermill_io.register("kept:", Kept(target))
    try:
        papermill.execute_notebook(
            path.replace("{", "{{").replace("}", "}}"),  # papermill fills parameters into paths
            "kept:notebook.ipynb",
            parameters=values,
            engine_name="studio",
            kernel_name=kernel,
            language=language,
            progress_bar=False,
            autosave_cell_every=AUTOSAVE_S,
            cwd=os.path.dirname(path) or ".",
            execution_timeout=cell_timeout_s,
        )
    except PapermillExecutionError as error:
        print("\n".join(error.traceback) or error, file=sys.stderr)
        raise Refused(of_cell(engine.at, error))
    except (DeadKernelError, CellTimeoutError):
        raise Refused(f"Cell {engine.at} failed. {engine.why}")
    except (PapermillException, ValidationError) as error:
        raise Refused(f"papermill can't run “{path}”: {error}")
    except RuntimeError as error:
        raise Refused(f"The kernel “{kernel}” did not start: {error}")


def of_cell(number, error):
    said = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
    if error.ename == "StdinNotImplementedError":
        return f"Cell {number} failed: nobody can answer input() in a run. Make the value a parameter of the notebook."
    return f"Cell {number} failed: {said}"


def runtime_folder():
    """Where kernels have their sockets: in the step's own temporary folder, by the shortest way there is to it."""
    own = tempfile.gettempdir()
    short = "/tmp"
    try:
        place = short if os.path.samefile(own, short) else own
    except OSError:
        place = own
    return tempfile.mkdtemp(prefix="nb-", dir=place)


def is_short(runtime):
    return len(os.fsencode(runtime)) + _OF_KERNEL <= _SOCKET_PATH


def chosen_kernel(path, wanted):
    """The name and the language of the kernel. Raises Refused where it isn't there."""
    from jupyter_client.kernelspec import KernelSpecManager

    with open(path, encoding="utf-8") as file:
        metadata = json.load(file).get("metadata") or {}
    own = metadata.get("kernelspec") or {}
    manager = KernelSpecManager()
    there = sorted(manager.find_kernel_specs())
    name = wanted or own.get("name") or "python3"
    if name not in there:
        language = own.get("language") or (metadata.get("language_info") or {}).get("name") or "python"
        if wanted or language != "python" or "python3" not in there:
            kernels = f"There are: {', '.join(there)}." if there else "There are none."
            who = "" if wanted else ", which the notebook names"
            raise Refused(
                f"The step's environment has no kernel “{name}”{who}. {kernels} "
                "Choose one of them in the step's settings, or add the kernel's package to the environment."
            )
        print(f"The notebook names the kernel “{name}”, which is not here: python3 runs it.", flush=True)
        name = "python3"
    return name, manager.get_kernel_spec(name).language


class Kept:
    """Where papermill writes: whoever reads the notebook meanwhile, or kills this process, finds it whole."""

    def __init__(self, target):
        self.target = target

    def write(self, text, _path):
        draft = os.path.join(os.path.dirname(self.target), ".writing")
        with open(draft, "w", encoding="utf-8", errors="replace") as file:  # a cell may print half a character
            file.write(text)
        os.replace(draft, self.target)

    def pretty_path(self, _path):
        return self.target


def make_engine(connection):
    """papermill's own, with a log as it comes, bounds for what is kept, and an end that leaves the notebook whole."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat.v4 import new_output
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine
    from traitlets.config import Config

    class Client(PapermillNotebookClient):
        def execute_cell(self, cell, cell_index, *rest, **more):
            self.printed = 0
            if cell.cell_type == "code" and cell.source.strip():
                Engine.at += 1
                print(f"Cell {Engine.at}", flush=True)
            try:
                return super().execute_cell(cell, cell_index, *rest, **more)
            except DeadKernelError:
                self.fail(cell, cell_index, KERNEL_ENDED)
                raise
            except CellTimeoutError:
                self.fail(cell, cell_index, f"It ran longer than the time limit of a cell, {self.timeout} s.")
                raise

        def fail(self, cell, cell_index, why):
            """Say in the notebook itself why it ends with this cell."""
            Engine.why = why
            self.shutdown_kernel = "immediate"
            cell.outputs.append(new_output("error", ename="Ended", evalue=why, traceback=[why]))
            self.nb_man.cell_exception(cell, cell_index=cell_index)

        def process_message(self, message, cell, cell_index):
            content = message["content"]
            if message["msg_type"] == "stream":
                stream = sys.stderr if content["name"] == "stderr" else sys.stdout
                stream.write(content["text"])
                stream.flush()
                if self.printed > STREAM_CHARS:
                    return None
                message = {**message, "content": {**content, "text": self.as_kept(content["text"])}}
            elif "data" in content and message["msg_type"] in ("display_data", "execute_result", "update_display_data"):
                message = {**message, "content": {**content, "data": bounded(content["data"])}}
                if "text/plain" in content["data"] and message["msg_type"] != "update_display_data":
                    print(content["data"]["text/plain"][:SHOWN_CHARS], flush=True)
            output = super().process_message(message, cell, cell_index)
            join_streams(cell.outputs)
            return output

        def as_kept(self, text):
            room = STREAM_CHARS - self.printed
            self.printed += len(text)
            if self.printed <= STREAM_CHARS:
                return text
            self.printed = STREAM_CHARS + 1
            return text[:room] + "\n… It goes on: the log of the step has all of it.\n"

    class Engine(NBClientEngine):
        at = 0  # the number of the cell that runs, among those with code
        why = ""

        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, execution_timeout=None, **_):
            config = Config({"KernelManager": connection})
            client = Client(nb_man, kernel_name=kernel_name, timeout=execution_timeout, config=config)
            signal.signal(signal.SIGTERM, lambda *_: cls.end(client))
            client.execute()

        @classmethod
        def end(cls, client):
            """Somebody ends the step: there is a moment to say so in the notebook, and not more."""
            for cell in client.nb.cells:
                if cell.metadata.papermill["status"] == "running" and cell.cell_type == "code":
                    why = "The step was ended while this cell ran."
                    cell.outputs.append(new_output("error", ename="Ended", evalue=why, traceback=[why]))
                    cell.metadata.papermill["status"] = "failed"
            client.nb_man.save()
            with contextlib.suppress(AttributeError, OSError, TypeError):
                os.kill(client.km.provisioner.pid, signal.SIGKILL)
            os._exit(128 + signal.SIGTERM)

    return Engine


def join_streams(outputs):
    """What comes piece by piece is one text. nbclient's own way takes hours for a line of a megabyte."""
    if len(outputs) < 2:
        return
    before, last = outputs[-2:]
    if last.output_type != "stream" or before.output_type != "stream" or last.name != before.name:
        return
    text = before.text + last.text
    before.text = as_on_a_terminal(text) if "\r" in last.text else text
    outputs.pop()


def as_on_a_terminal(text):
    """Without what a progress bar wrote over."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def bounded(data):
    size = sum(len(value) for value in data.values() if isinstance(value, str))
    if size <= DATA_CHARS:
        return data
    return {"text/plain": f"This output of {size / 1024 / 1024:,.0f} MB is too large to be kept in the notebook."}


def write_page(target):
    """The notebook as a page for a browser, for those who have no Jupyter."""
    if not os.path.exists(target):
        return
    try:
        from nbconvert import HTMLExporter
    except ImportError:
        return
    logging.disable(logging.WARNING)  # what would make the page better is no matter of this run
    try:
        page, _ = HTMLExporter().from_filename(target)
    except Exception as error:  # noqa: BLE001 (the notebook has run, whatever a page makes of it)
        print(f"No page could be made of the notebook: {error}", file=sys.stderr)
        return
    with open(os.path.splitext(target)[0] + ".html", "w", encoding="utf-8", errors="replace") as file:
        file.write(page)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
