# SPDX-License-Identifier: MIT
"""An innocent client that is served while a test does its worst, and what of its waiting is the machine's own fault.

A machine that others use keeps a process waiting in three ways, and a broker that is at fault in none of them: the kernel
counts how long somebody stood in line for a processor; a virtual machine that is not run for a while gets the interrupts of
its timers late, which a process that only sleeps on each processor notices; and a page that has to come from the disk is a
major fault. A loop that is busy or asleep is none of these.
"""
import json
import os
import select
import time

from harness import SLOW, is_negotiated, proc_stat, say_hello


def run_delay(pid="self"):
    """Seconds that the main thread of a process has waited for a processor, so far; 0 where the kernel does not count."""
    try:
        with open("/proc/%s/schedstat" % pid) as text:
            return int(text.read().split()[1]) / 1e9
    except FileNotFoundError:
        return 0.0


class Stalls:
    """When each processor stood still: a process on each that sleeps, and notes how much too late it was woken without
    having waited in line."""
    PERIOD = 0.005
    LEAST = 0.001          # later than that is worth a note
    PROCESSORS = 8         # are looked at, at most

    def __init__(self, stop):
        """They end when `stop` can be read."""
        self._results = []
        for cpu in sorted(os.sched_getaffinity(0))[:self.PROCESSORS]:
            result, out = os.pipe()
            if os.fork() == 0:
                self._watch(cpu, stop, out)
            os.close(out)
            self._results.append(result)

    def _watch(self, cpu, stop, out):
        os.sched_setaffinity(0, {cpu})
        told = select.poll()
        told.register(stop, select.POLLIN | select.POLLHUP)
        found, in_line = [], run_delay()
        while True:
            due = time.monotonic() + self.PERIOD
            is_over = told.poll(self.PERIOD * 1000)
            now, waited = time.monotonic(), run_delay() - in_line
            in_line += waited
            if now - waited - due > self.LEAST:
                found.append((due, now - waited))
            if is_over:
                break
        with open(out, "w") as text:
            json.dump(found, text)
        os._exit(0)

    def all(self):
        """[(from, to)], by their beginnings, none within another."""
        found = []
        for result in self._results:
            with open(result) as text:
                found += json.load(text)
            os.wait()
        whole = []
        for begin, end in sorted(found):
            if whole and begin <= whole[-1][1]:
                whole[-1][1] = max(end, whole[-1][1])
            else:
                whole.append([begin, end])
        return whole


class Said:
    """One Hello: when, how long it took, how long it was kept waiting by the machine, and why it failed, if it did."""
    FAULT = 0.1 * SLOW    # seconds that the disk is given for pages

    def __init__(self, begun, took, machine, is_faulted, failure):
        self.begun, self.took, self.failure = begun, took, failure
        self.machine = min(took, machine + self.FAULT * is_faulted)

    def excuse(self, stalls):
        self.machine += sum(max(0, min(end, self.begun + self.took) - max(begin, self.begun)) for begin, end in stalls)

    def own(self):
        """What is left is what the broker itself did in between, busy or asleep."""
        return max(0, self.took - self.machine)


class Canary:
    """An innocent client in a process of its own: says Hello every 10 ms and keeps how long each took.

    How quickly it is answered by the broker (`pid`) is judged without the time that belongs to the machine. A Hello that
    takes longer keeps those from being said that were due meanwhile; each of them counts with what it would have waited, so
    that one long stall is many late Hellos."""
    LATE = 0.005 * SLOW    # seconds; one in a hundred may be
    LEAST = 10             # Hellos are said, however soon it is over
    FORGIVEN = 20 * SLOW   # so many may be in any case, which in a short test is 200 ms of hiccups that nothing counts
    BOUND = 2 * SLOW       # seconds, that none may take
    PATIENCE = 0.1         # the machine's fault is who missed a deadline of the broker after waiting that long for it

    def __init__(self, path, service, version, pause=0.01, uid=None, pid=None):
        self.path, self.service, self.version, self.pause = path, service, version, pause
        self.uid, self.pid = uid, pid
        self.said = []

    def __enter__(self):
        """Comes back when it has been answered once, so whatever follows finds it at work."""
        stop, self._stop = os.pipe()
        self._result, result = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._stop)
            if self.uid is not None:
                os.setgroups([])
                os.setresgid(self.uid, self.uid, self.uid)
                os.setresuid(self.uid, self.uid, self.uid)
            stalls = Stalls(stop)
            rows = self._run(stop, result)
            with open(result, "w") as out:
                json.dump([rows, stalls.all()], out)
            os._exit(0)
        os.close(stop)
        os.close(result)
        os.read(self._result, 1)
        return self

    def __exit__(self, *_):
        os.close(self._stop)
        with open(self._result) as text:
            rows, stalls = json.load(text)
        os.waitpid(self._pid, 0)
        self.said = [Said(*row) for row in rows]
        for said in self.said:
            said.excuse(stalls)

    def _counts(self):
        """Of both: seconds in line, pages read from the disk."""
        pids = [os.getpid()] + ([self.pid] if self.pid else [])
        return sum(run_delay(pid) for pid in pids), sum(proc_stat(pid)["major_faults"] for pid in pids)

    def _run(self, stop, ready):
        told = select.poll()
        told.register(stop, select.POLLIN | select.POLLHUP)
        rows = []
        while not told.poll(self.pause * 1000) or len(rows) < self.LEAST:
            failure = None
            in_line, faults = self._counts()
            begun = time.monotonic()
            try:
                reply = say_hello(self.path, self.service, self.version)
                if not is_negotiated(reply):
                    failure = "refused: %s" % reply.reason
            except Exception as error:
                failure = repr(error)
            took = time.monotonic() - begun
            in_line_now, faults_now = self._counts()
            rows.append((begun, took, in_line_now - in_line, faults_now != faults, failure))
            if len(rows) == 1:
                os.write(ready, b" ")
        return rows

    def late(self):
        """How many Hellos were late, of how many: those that were said, and those that had no chance to be."""
        late, total = 0, 0
        for said in self.said:
            took = said.own()
            total += 1
            late += took > self.LATE
            while took > self.pause:
                took -= self.pause
                total += 1
                late += took > self.LATE
        return late, total

    def check(self, test):
        """Every Hello was answered, none waited for ever, and 99 of 100 were quick."""
        test.assertGreater(len(self.said), 0)
        test.assertEqual([said.failure for said in self.said if said.failure and said.machine < self.PATIENCE], [])
        test.assertLess(max(said.own() for said in self.said), self.BOUND)
        late, total = self.late()
        slowest = ", ".join("%.1f (%.1f)" % (1000 * said.own(), 1000 * said.took) for said in
                            sorted(self.said, key=Said.own, reverse=True)[:10])
        test.assertLessEqual(late, max(total / 100, self.FORGIVEN),
                             "late, of %d; the slowest in ms, without what the machine did: %s" % (total, slowest))
        if os.environ.get("RPB_TEST_CANARY"):
            print("canary: %d late of %d; slowest %s" % (late, total, slowest))
