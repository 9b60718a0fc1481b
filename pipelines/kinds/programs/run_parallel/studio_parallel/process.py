"""A worker as its node's side has it: its pipes, its lines in the log, its end."""

import json
import os
import signal
import subprocess
import sys
import time

_LINE_BYTES = 64 * 1024  # a longer one is broken in the log
_PIECE_BYTES = 64 * 1024


class Worker:
    """Started at once. `busy_with` is the batch that it has, `idle` says that it waits for one."""

    def __init__(self, number, program, told, log_folder):
        self.number = number
        self.busy_with = None
        self.deadline = None
        self.began_at = time.monotonic()
        self.is_ready = False
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        self._rest = b""
        self._lines = {}
        log = os.path.join(log_folder, "worker-{}.txt".format(number))
        self._log = open(log, "ab")  # noqa: SIM115 (open as long as the process is)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-u", os.path.dirname(program), "--worker", str(commands), str(answers), told],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=(commands, answers),
            )
        finally:
            os.close(commands)
            os.close(answers)
        # What it prints is read to its end by whoever waits for it, without ever waiting for more.
        self.streams = {self.process.stdout.fileno(): 1, self.process.stderr.fileno(): 2}
        for pipe in (self.answers, *self.streams):
            os.set_blocking(pipe, False)

    @property
    def idle(self):
        return self.is_ready and self.busy_with is None

    @property
    def pipes(self):
        return [self.answers, *self.streams]

    def give(self, batch, target, timeout_s):
        self.busy_with = batch
        self.began_at = time.monotonic()
        self.deadline = self.began_at + timeout_s if timeout_s else None
        self._send({"number": batch.number, "items": batch.items, "work": batch.work, "target": target})

    def heard(self):
        """Answers that came, and whether there may come more."""
        data, is_open = _read(self.answers)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines], is_open

    def forward(self, pipe):
        """What it printed, by whole lines. False at the end of the stream."""
        data, is_open = _read(pipe)
        if data:
            self._log.write(data)
            self._log.flush()
        held = self._lines.get(pipe, b"") + data
        *lines, rest = held.split(b"\n")
        if rest and (not is_open or len(rest) > _LINE_BYTES):
            lines, rest = [*lines, rest], b""
        self._lines[pipe] = rest
        sign = "[worker {}] ".format(self.number).encode()
        say(self.streams[pipe], b"".join(sign + line + b"\n" for line in lines))
        return is_open

    def end_kindly(self):
        """It ends when it has nothing to do any more."""
        self._send(None)

    def kill(self):
        """With all that its script started."""
        for send in (os.killpg, os.kill):  # it may not have its group yet
            try:
                send(self.process.pid, signal.SIGKILL)
            except OSError:
                continue
        self.process.wait()

    def close(self):
        """Print what is left, of a process that is gone."""
        for pipe in list(self.streams):
            while self._more(pipe):
                pass
            if self._lines.get(pipe):
                say(self.streams[pipe], "[worker {}] ".format(self.number).encode() + self._lines[pipe] + b"\n")
        for pipe in (self.commands, self.answers):
            os.close(pipe)
        self.process.stdout.close()
        self.process.stderr.close()
        self._log.close()

    def _more(self, pipe):
        before = self._log.tell()
        return self.forward(pipe) and self._log.tell() > before

    def _send(self, command):
        data = (json.dumps(command) + "\n").encode()
        try:
            while data:
                data = data[os.write(self.commands, data) :]
        except BrokenPipeError:
            pass  # it is gone: that is seen where its answers end


def _read(pipe):
    """What is there now, and whether more may come."""
    try:
        data = os.read(pipe, _PIECE_BYTES)
    except BlockingIOError:
        return b"", True
    return data, bool(data)


def say(stream, data):
    while data:
        data = data[os.write(stream, data) :]
