"""Batches handed to processes one by one, tried again, and given up; the only part that knows of time."""

import os
import selectors
import subprocess
import time
from collections import deque

from .process import Worker
from .refusal import Refused, too_many

_GONE_S = 1.0
_END_S = 10.0  # for what a script does at its end


class Pool:
    """Works on all batches with `settings.processes` workers. `start` makes one of a number."""

    def __init__(self, batches, settings, progress, start, scratch):
        self.settings, self.progress, self.start, self.scratch = settings, progress, start, scratch
        self.waiting = deque(batches)
        self.tries = {}  # by the numbers of batches that were given out
        self.seconds = {}
        self.columns = {}  # of what is done and has rows, by number
        self.workers = {}
        self.selector = selectors.DefaultSelector()

    def run(self):
        """Raises Refused where too much failed, or the script can't be started."""
        try:
            for number in range(1, min(self.settings.processes, len(self.waiting)) + 1):
                self._hire(number)
            while not self.progress.is_over:
                self._step()
                self.progress.tell_if_due()
            self._let_go()
        finally:
            for worker in list(self.workers.values()):
                worker.kill()
                self._forget(worker)

    def target(self, number):
        """Where the rows of a batch are until all are there."""
        return os.path.join(self.scratch, "batch-{}".format(number))

    def _step(self):
        for worker in self.workers.values():
            if worker.idle and self.waiting:
                batch = self.waiting.popleft()
                self.tries[batch.number] = self.tries.get(batch.number, 0) + 1
                worker.give(batch, self.target(batch.number), self.settings.timeout_s)
        self._read(self._patience_s())
        self._look_for_the_dead()
        now = time.monotonic()
        for worker in list(self.workers.values()):
            if worker.deadline is not None and now >= worker.deadline:
                why = "It took longer than {:g} s, and its process was ended.".format(self.settings.timeout_s)
                self._replace(worker, why)

    def _look_for_the_dead(self):
        """A process that a worker forked may hold its pipes open, so that nothing ends with it."""
        for worker in list(self.workers.values()):
            if worker.process.poll() is None:
                continue
            while answers := worker.heard()[0]:
                for answer in answers:
                    self._take(worker, answer)
            self._gone(worker)

    def _patience_s(self):
        now = time.monotonic()
        deadlines = [worker.deadline - now for worker in self.workers.values() if worker.deadline is not None]
        return max(0.0, min([*deadlines, self.progress.due_in_s()]))

    def _read(self, patience_s):
        for key, _ in self.selector.select(patience_s):
            worker = key.data
            if self.workers.get(worker.number) is not worker:
                continue  # it was replaced by what came before in the same round
            if key.fd in worker.streams:
                if not worker.forward(key.fd):
                    self.selector.unregister(key.fd)
                continue
            answers, is_open = worker.heard()
            for answer in answers:
                self._take(worker, answer)
            if not is_open:
                self._gone(worker)

    def _take(self, worker, answer):
        if answer["kind"] == "ready":
            worker.is_ready = True
            return
        if answer["kind"] == "broken":
            raise Refused("“{}” can't be started: {}".format(self.settings.script, answer["why"]))
        batch, seconds = worker.busy_with, time.monotonic() - worker.began_at
        worker.busy_with = worker.deadline = None
        if answer["kind"] == "failed":
            self._failed(batch, seconds, answer["why"])
            return
        if answer["count"]:
            self.columns[batch.number] = answer["columns"]
        seconds += self.seconds.pop(batch.number, 0.0)
        self._over(batch, seconds, max(0, batch.items - answer["count"]), "")

    def _gone(self, worker):
        """Its answers came to an end: the script ended it, or there was not enough memory."""
        try:
            code = worker.process.wait(timeout=_GONE_S)
        except subprocess.TimeoutExpired:  # it closed its pipes and lives on
            worker.kill()
            code = worker.process.returncode
        how = "by signal {}".format(-code) if code < 0 else "with exit code {}".format(code)
        if not worker.is_ready:
            raise Refused("“{}” ended its process {} before its first batch.".format(self.settings.script, how))
        if worker.busy_with is None and not self.waiting:
            self._drop(worker)
            return
        self._replace(worker, "Its process ended {}.".format(how))

    def _replace(self, worker, why):
        batch, seconds = worker.busy_with, time.monotonic() - worker.began_at
        self._drop(worker)
        if batch is not None:
            self._failed(batch, seconds, why)
        if not self.progress.is_over:
            self._hire(worker.number)

    def _failed(self, batch, seconds, why):
        self.seconds[batch.number] = self.seconds.get(batch.number, 0.0) + seconds
        tries, most = self.tries[batch.number], self.settings.tries
        last = tries >= most
        said = "Batch {} ({}) failed, try {} of {}: {}".format(batch.number, batch.label, tries, most, why)
        os.write(2, (said.replace("\n", " ") + "\n").encode("utf-8", "backslashreplace"))
        if not last:
            self.progress.retried += 1
            self.waiting.append(batch)
            return
        self._over(batch, self.seconds.pop(batch.number), batch.items, why)

    def _over(self, batch, seconds, items_failed, why):
        self.progress.ended(batch, self.tries.pop(batch.number), seconds, items_failed, why)
        failed, most = self.progress.items_failed, self.settings.threshold
        if 0 <= most < failed:
            raise Refused(too_many(failed, most, self.settings.split, why))

    def _hire(self, number):
        worker = self.start(number)
        self.workers[number] = worker
        for pipe in worker.pipes:
            self.selector.register(pipe, selectors.EVENT_READ, worker)

    def _drop(self, worker):
        worker.kill()
        self._forget(worker)

    def _forget(self, worker):
        for pipe in worker.pipes:
            try:
                self.selector.unregister(pipe)
            except KeyError:
                continue  # its stream came to an end before
        worker.close()
        del self.workers[worker.number]

    def _let_go(self):
        """All is done: what a script does at its end, it does for a while. One that still starts has nothing to do."""
        for worker in list(self.workers.values()):
            if worker.is_ready:
                worker.end_kindly()
            else:
                self._drop(worker)
        until = time.monotonic() + _END_S
        while self.workers and time.monotonic() < until:
            self._read(until - time.monotonic())


def starter(program, told, logs):
    """What makes workers."""
    return lambda number: Worker(number, program, told, logs)
