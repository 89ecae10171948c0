# SPDX-License-Identifier: MIT
"""M9, M11 and the sweeps: what a warm Hello costs when much else is there. Each burden has a broker of its own; all of
them, and an unburdened one before and after, are arms of one interleaved run. Idle connections are also put on the poll
echo, which shows what a plain poll set costs."""
import subprocess
import sys

from common import (LONG, QUICK, SERVICE, Box, Conn, Echo, Rounds, client, harness, hello_frame, judge, note, os, pin, plot,
                    request_file, row, samples_here, save_csv, start_ours, warm)
from counts import BUDGETS, backend_cost

SIZES = (100, 1000)
SWEEPS = {"idle": "idle connections", "backends": "live backends", "definitions": "service definitions",
          "echo-idle": "idle connections, poll echo"}

# run as a program of its own: 64 that say nothing, 64 that send a byte a second of a frame, one that asks and never reads
HOSTILE = """
import socket, sys, time
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s
silent, slow, deaf = [connect() for _ in range(64)], [connect() for _ in range(64)], connect()
deaf.setblocking(False)
try:
    deaf.send(open(sys.argv[2], "rb").read() * 50)
except OSError:
    pass
print("ready", flush=True)
byte = b"\\x01\\xff\\xff\\x00\\x00" + b"\\x22" * 3600
for i in range(3600):
    for n, s in enumerate(slow):
        try:
            s.send(byte[i:i + 1])
        except OSError:
            slow[n] = connect()
        time.sleep(1 / 64)
"""


class Burden:
    """A broker with something on it; `arm` names it."""

    def __init__(self, arm, kind=None, n=0):
        self.arm, self.kind, self.n = arm, kind, n
        self.box, self.conns, self.helper, self.cost = Box(), [], None, None
        try:
            if kind == "echo-idle":
                self.server = Echo(self.box, n_reply)
            else:
                self.server = start_ours(self.box, env=self.box.env(**LONG), nofile=(8192, 8192))
                warm(self.server.socket, self.box)
            getattr(self, "put_" + (kind or "nothing").replace("echo-", ""))()
            pin(self.server.pid, 0)
        except BaseException:
            self.cleanup()
            raise

    def put_nothing(self):
        pass

    def put_idle(self):
        self.conns = [Conn(self.server.socket) for _ in range(self.n)]

    def put_backends(self):
        self.cost = backend_cost(self.box, self.server, self.n)

    def put_definitions(self):
        """Each asked for once, so that all are known, with a version that none allows: nothing is launched."""
        program = os.path.join(self.box.bin, SERVICE)
        for i in range(self.n):
            self.box.definition("many-%d" % i, program, version_allow_list=["9.9.9"])
        for i in range(self.n):
            reply = harness.say_hello(self.server.socket, "many-%d" % i, "1.0.0")
            assert reply.code == harness.VERSION_BLOCKED, reply

    def put_hostile(self):
        self.helper = subprocess.Popen([sys.executable, "-c", HOSTILE, self.server.socket, request_file(self.box)],
                                       stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self.helper.stdout.readline() == b"ready\n"
        if os.cpu_count() > 1:
            pin(self.helper.pid, 1)

    def cleanup(self):
        for conn in self.conns:
            conn.close()
        if self.helper:
            self.helper.kill()
            self.helper.wait()
            self.helper.stdout.close()
        if getattr(self, "server", None):
            self.server.kill()
        self.box.cleanup()


n_reply = 200


def burdens():
    sizes = SIZES
    todo = [("none", None, 0), ("echo-idle-0", "echo-idle", 0)]
    for kind in ("idle", "definitions", "backends", "echo-idle"):
        for n in sizes:
            if QUICK and (n == 100 or kind == "backends"):
                n = 100 if kind == "backends" else n
                if (kind, n) != ("backends", 100) or n in [m for _, k, m in todo if k == kind]:
                    continue
            todo.append(("%s-%d" % (kind, n), kind, n))
    return todo + [("hostile", "hostile", 129)]


def scale():
    found = []
    try:
        for arm, kind, n in burdens():
            note("a broker with %s" % (arm,))
            found.append(Burden(arm, kind, n))
        none = found[0]
        request = request_file(none.box)
        echo = found[1].server
        samples = samples_here(request, echo, n_reply)
        rounds = 4 if QUICK else 8
        arms = [(b.arm, b.server.socket) for b in found] + [("none-2", none.server.socket)]
        note("%d rounds of %d samples, %d arms" % (rounds, samples, len(arms)))
        rows = client(request, samples, arms, rounds, 100 if QUICK else 500, n_reply)
        save_csv("scale.csv", "round,arm,metric,samples,min_ns,p50_ns,p99_ns,p999_ns", rows)
        result = Rounds(rows, "none", "none-2")
        report(found, result)
        sweeps(found, result)
        for burden in found:
            if burden.kind == "hostile":
                reply = harness.exchange(burden.server.socket, hello_frame(SERVICE, "1.0.0"))
                assert harness.is_negotiated(harness.parse_hello_reply(reply))
    finally:
        for burden in found:
            burden.cleanup()


def report(found, result):
    for burden in found:
        arm, kind = burden.arm, burden.kind
        if kind in ("idle", "backends", "definitions"):
            judge("M9", "warm P50 with %d %s" % (burden.n, SWEEPS[kind]), result.ratio(arm, "cycle", "P50"), 1.1, "none",
                  judged=burden.n == 1000)
        if kind == "echo-idle" and burden.n:
            got = result.against(arm, "echo-idle-0", "cycle", "P50")
            row("M9", "plain poll echo with %d idle connections" % burden.n, "",
                "%.2f x its own" % got if got else "every round void", "-")
        if burden.cost is not None:
            row("M8", "RSS a backend, of %d" % burden.n, "<= %d KiB" % BUDGETS["KiB a backend"], "%.2f KiB" % burden.cost,
                burden.cost <= BUDGETS["KiB a backend"])
        if kind == "hostile":
            judge("M11", "warm P50 with 64 silent, 64 slow, 1 deaf client", result.ratio(arm, "cycle", "P50"), None, "none")
            judge("M11", "warm P99 with 64 silent, 64 slow, 1 deaf client", result.ratio(arm, "cycle", "P99"), 1.5, "none")


def sweeps(found, result):
    import statistics
    for kind, words in SWEEPS.items():
        if kind == "echo-idle":
            continue
        lines = {}
        for column in ("P50", "P99"):
            points = [(0, statistics.median(result.values("none", "cycle", column)))]
            points += [(b.n, statistics.median(result.values(b.arm, "cycle", column))) for b in found if b.kind == kind]
            lines["ours " + column] = points
            if kind == "idle":
                lines["poll echo " + column] = [(b.n, statistics.median(result.values(b.arm, "cycle", column)))
                                                for b in found if b.kind == "echo-idle"]
        plot("sweep-%s.svg" % kind, "warm Hello, whole cycle, by %s (µs)" % words, lines, words)
