# SPDX-License-Identifier: MIT
"""M10: a cold Hello (the hash of the executable is known) against the floor, which starts the same backend with nothing in
between: bind, fork, exec, connect, probe. Both alternate in one program (bench-cold), and both have their sockets on a
tmpfs where there is one, as a user's runtime directory is. systemd-socket-activate, where it is installed, is one more arm:
it only execs, in its own place, and so has neither a fork nor a proof to pay for. It alternates with the floor in a pass of
its own: between the other two it would leave the broker's caches colder than the floor's, whose parent is the client itself.
s6-ipcserver starts a program for each connection, which is another contract; it has no arm."""
import shutil
import statistics
import tempfile

from common import (QUICK, SERVICE, Box, missing, note, os, pin, plot, request_file, row, save_csv, start_ours, tool, warm)
from counts import many_services

ACTIVATOR = "systemd-socket-activate"


class RuntimeBox(Box):
    """A box whose runtime directory and sockets are on a tmpfs."""

    def __init__(self):
        super().__init__()
        self.memory = None
        if os.access("/dev/shm", os.W_OK | os.X_OK):
            self.memory = tempfile.mkdtemp(prefix="r", dir="/dev/shm")
            self.runtime = self.sockets = self.memory
            self.socket = os.path.join(self.memory, "b.sock")
            self.broker_dir = os.path.join(self.runtime, "running-process/broker")

    def cleanup(self):
        super().cleanup()
        if self.memory:
            shutil.rmtree(self.memory, ignore_errors=True)


def peers(cpu):
    """Arguments for the peers that this machine has."""
    if missing(ACTIVATOR):
        note("THIS MACHINE LACKS %s: its arm is left out" % ACTIVATOR)
        return []
    return ["--activator", shutil.which(ACTIVATOR), "--activator-cpu", cpu]


def cold_hellos():
    results = []
    samples = 12 if QUICK else 48
    for mode, cpu in (("P", 0), ("X", 1)):
        if os.cpu_count() < 2 and mode == "X":
            continue
        box = RuntimeBox()
        try:
            broker = start_ours(box)
            warm(broker.socket, box)
            pin(broker.pid, cpu)
            for i, (service, version) in enumerate(many_services(box, samples)):
                request_file(box, service, version, "cold-%d" % i)
            note("cold, mode %s: %d samples" % (mode, samples))
            results.append((mode, measure(box, broker, samples)))
            found = peers(cpu)
            if found:    # what ours launched in the first pass is warm now, and left out
                rows = measure(box, broker, samples, *found)
                results.append((mode, [values for values in rows if values[1] != "ours"]))
            broker.stop()
        finally:
            box.cleanup()
    save_csv("cold.csv", "mode,sample,arm,ns", [[mode] + values for mode, rows in results for values in rows])
    for mode, rows in results:
        report(mode, rows)


def measure(box, broker, samples, *options):
    return tool("bench-cold", "--cpu", 0, "--samples", samples, "--program", os.path.join(box.bin, SERVICE), "--directory",
                box.sockets, *options, os.path.join(box.dir, "cold-"), "ours=" + broker.socket)


def report(mode, rows):
    times = {}
    for sample, arm, ns in rows:
        if sample > 0:    # the first of each is discarded
            times.setdefault(arm, []).append(ns / 1e6)
    for arm, values in times.items():
        if arm == "floor":
            continue
        ratio = statistics.median(a / b for a, b in zip(values, times["floor"]))
        got = "%.2f x (%.2f ms, floor %.2f)" % (ratio, statistics.median(values), statistics.median(times["floor"]))
        judged = mode == "P" and arm == "ours"
        row("M10", "cold %s, mode %s" % ("Hello" if arm == "ours" else "start by " + arm, mode),
            "<= 1.20 x floor" if judged else "", got, ratio <= 1.2 if judged else "-")
    plot("cold-%s%s.svg" % (mode, "" if "ours" in times else "-peers"), "cold start, mode %s, sorted (ms)" % mode,
         {arm: list(enumerate(sorted(values))) for arm, values in times.items()}, "rank")
