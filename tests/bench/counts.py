# SPDX-License-Identifier: MIT
"""Counts: what repeats exactly, whatever else the machine does. The budgets stand here, once; `make bench` prints them
(M5 to M8, M13) and tests/e2e/test_budgets.py asserts them in every `make check`."""
import os
import re
import signal
import struct
import subprocess

from buses import start as start_buses
from common import (OUT, QUICK, SERVICE, TOOLS, VERSION, Box, Conn, Echo, client, harness, has_reference,
                    hello_frame, missing, parse_hello_reply, request_file, row, start_ours, start_theirs, tool, wait_for,
                    warm)

BUDGETS = {"system calls": 12, "instructions": 16000, "allocations": 0, "idle KiB": 2560, "KiB a backend": 2,
           "KiB an idle connection": 1, "KiB of growth": 64}


# ------------------------------------------------------------------------------------------------ M5
def count_system_calls(pid, socket, box, cycles, reply_size=1, arm="ours"):
    """Calls of the server a warm cycle, and strace's table."""
    request = request_file(box)
    client(request, 50, [(arm, socket)], echo_size=reply_size)
    total, table = traced(pid, box, lambda: client(request, cycles, [(arm, socket)], echo_size=reply_size))
    return total / cycles, table


def traced(pid, box, work):
    """Calls of all threads of pid while work() runs."""
    summary = os.path.join(box.dir, "strace")
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", summary, "-p", str(pid)], stderr=subprocess.PIPE)
    wait_for(lambda: attached(pid), "strace")
    work()
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    tracer.stderr.close()
    with open(summary) as text:
        table = text.read()
    total = 0
    for line in table.splitlines():
        match = re.match(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if match and match.group(2) not in ("total", "restart_syscall"):
            total += int(match.group(1))
    return total, table


def attached(pid):
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, thread)) as text:
            if re.search(r"TracerPid:\s+0$", text.read(), re.M):
                return False
    return True


def system_calls():
    goal = BUDGETS["system calls"]
    if missing("strace"):
        row("M5", "system calls a warm cycle", "<= %d" % goal, "no strace here", "skipped")
        return
    cycles = 500 if QUICK else 2000
    for name in ("ours", "echo", "reference"):
        if name == "reference" and not has_reference():
            continue
        box = Box()
        server = None
        try:
            if name == "echo":
                size, server = 200, Echo(box, 200)
            else:
                server = start_ours(box) if name == "ours" else start_theirs(box)
                size = warm(server.socket, box)
            got, table = count_system_calls(server.pid, server.socket, box, cycles, size, name)
            with open(os.path.join(OUT, "syscalls-%s.txt" % name), "w") as out:
                out.write(table)
            row("M5", "system calls a warm cycle, " + name, "<= %d (9)" % goal if name == "ours" else "", "%.2f" % got,
                got <= goal + 0.05 if name == "ours" else "-")
        finally:
            if server:
                server.kill()
            box.cleanup()
    buses_system_calls(cycles)


def buses_system_calls(cycles):
    box, found = Box(), []
    try:
        found = start_buses(box)
        for bus in found:
            for form in ("bus", "bus-terse"):
                got, _ = count_system_calls(bus.pid, bus.socket, box, cycles, arm=form)
                row("M5", "system calls a connect, auth, Hello, %s:%s" % (form, bus.name), "", "%.2f" % got, "-")
    finally:
        for bus in found:
            bus.kill()
        box.cleanup()


# ------------------------------------------------------------------------------------------------ M6
def count_instructions(sizes, out_dir):
    """User instructions of our broker a warm cycle: two runs of different length, subtracted."""
    counts = []
    for size in sizes:
        box = Box()
        try:
            out = os.path.join(out_dir or box.dir, "callgrind-%d.out" % size)
            broker = start_ours(box, prefix=["valgrind", "--tool=callgrind", "--quiet", "--callgrind-out-file=" + out])
            warm(broker.socket, box)
            client(request_file(box), size, [("ours", broker.socket)])
            broker.stop()
            with open(out) as text:
                counts.append(int(re.search(r"^(?:summary|totals):\s*(\d+)", text.read(), re.M).group(1)))
        finally:
            box.cleanup()
    return (counts[1] - counts[0]) / (sizes[1] - sizes[0])


def instructions():
    goal = BUDGETS["instructions"]
    if missing("valgrind"):
        row("M6", "user instructions a warm cycle", "<= %d" % goal, "no valgrind here", "skipped")
        return
    got = count_instructions((200, 600) if QUICK else (500, 2500), OUT)
    row("M6", "user instructions a warm cycle", "<= %d (10000)" % goal, "%.0f" % got, got <= goal)


# ------------------------------------------------------------------------------------------------ M7
def count_allocations(box, cycles):
    """Heap allocations of our broker in so many warm cycles."""
    counts = os.path.join(box.dir, "counts")
    with open(counts, "wb") as out:
        out.write(b"\0" * 4096)
    library = harness.preloadable(box, os.path.join(TOOLS, "preload/count-alloc.so"))
    broker = start_ours(box, env=box.env(LD_PRELOAD=library, RPB_BENCH_COUNTS=counts))
    warm(broker.socket, box)
    client(request_file(box), 200, [("ours", broker.socket)])

    def count():
        with open(counts, "rb") as data:
            return struct.unpack("<Q", data.read(8))[0]
    before = count()
    if before == 0:
        raise AssertionError("the interposer counted nothing at all")
    client(request_file(box), cycles, [("ours", broker.socket)])
    got = count() - before
    broker.stop()
    return got


def allocations():
    box = Box()
    try:
        got = count_allocations(box, 2000)
        row("M7", "heap allocations in 2000 warm cycles", "0", str(got), got == 0)
    finally:
        box.cleanup()


# ------------------------------------------------------------------------------------------------ M8
def idle_rss(broker):
    harness.ask_admin(broker.socket, 4)
    return broker.rss_kib()


def idle_memory(broker):
    """What it holds itself: what more of files gets mapped meanwhile is no cost of what is counted."""
    harness.ask_admin(broker.socket, 4)
    return broker.memory_kib()


def least_idle_rss(start=start_ours, starts=3, enough=0):
    """The least of several starts, the last of which is one that needs no more than `enough`: how much of a library is mapped
    along with what is touched depends on the page cache, not on the program."""
    found = []
    while len(found) < starts and (not found or min(found) > enough):
        box = Box()
        try:
            broker = start(box)
            found.append(idle_rss(broker))
            broker.kill()
        finally:
            box.cleanup()
    return min(found)


def idle_connection_cost(broker, n=500):
    base = idle_memory(broker)
    conns = [Conn(broker.socket) for _ in range(n)]
    got = (idle_memory(broker) - base) / n
    for conn in conns:
        conn.close()
    return got


def many_services(box, n, versions=16):
    """Definitions for n backends, all the same executable: [(service, version), ...]."""
    program = os.path.join(box.bin, SERVICE)
    found = []
    for i in range(n):
        service, version = "many-%d" % (i // versions), "1.0.%d" % (i % versions)
        if i % versions == 0:
            box.definition(service, program)
        found.append((service, version))
    return found


def launch_all(broker, wanted, at_once=4):
    """A backend for each (service, version)."""
    for begin in range(0, len(wanted), at_once):
        conns = [Conn(broker.socket).send(hello_frame(*pair)) for pair in wanted[begin:begin + at_once]]
        for conn in conns:
            reply = parse_hello_reply(conn.read_all())
            conn.close()
            if not harness.is_negotiated(reply):
                raise AssertionError("refused: " + reply.reason)


def backend_cost(box, broker, n):
    """KiB of our broker a live backend."""
    wanted = many_services(box, n + 16)
    launch_all(broker, wanted[:16])    # what is grown once, by the first ones
    base = idle_memory(broker)
    launch_all(broker, wanted[16:])
    return (idle_memory(broker) - base) / n


def growth(box, broker, requests, seconds, data=None):
    """(KiB, requests): what stays after so many, or as many as this time allows. `data` is another request than a warm Hello,
    whose reply always has the same size; it is read as an echo's, since what is in it does not matter."""
    request, arm, size = request_file(box), "ours", 1
    if data:
        with open(request, "wb") as out:
            out.write(data)
        arm, size = "echo", len(harness.exchange(broker.socket, data))
    client(request, 5000, [(arm, broker.socket)], echo_size=size)
    base = broker.memory_kib()
    rows = tool("bench-load", "--request", request, "--most", requests, "--milliseconds", seconds * 1000,
                "--echo-size", size, "%s=%s" % (arm, broker.socket))
    return broker.memory_kib() - base, rows[0][4]


def memory():
    for name in ("ours", "reference"):
        if name == "reference" and not has_reference():
            continue
        box = Box()
        try:
            ours = name == "ours"
            rss = least_idle_rss(start_ours if ours else start_theirs)
            broker = start_ours(box) if ours else start_theirs(box)
            row("M8", "RSS idle, " + name, "<= %d KiB" % BUDGETS["idle KiB"] if ours else "", "%d KiB" % rss,
                rss <= BUDGETS["idle KiB"] if ours else "-")
            warm(broker.socket, box)
            if ours:
                got = idle_connection_cost(broker)
                row("M8", "RSS an idle connection", "<= %d KiB" % BUDGETS["KiB an idle connection"], "%.2f KiB" % got,
                    got <= BUDGETS["KiB an idle connection"])
            kib, done = growth(box, broker, 100000 if QUICK else 1000000, 4 if QUICK else 60)
            row("M8", "RSS growth after %d Hellos, %s" % (done, name),
                "<= %d KiB" % BUDGETS["KiB of growth"] if ours else "", "%d KiB" % kib,
                kib <= BUDGETS["KiB of growth"] if ours else "-")
        finally:
            box.cleanup()


# ------------------------------------------------------------------------------------------------ M13
def herd():
    for n in (32, 256):
        box = Box()
        try:
            broker = start_ours(box)
            conns = [Conn(broker.socket) for _ in range(n)]
            for conn in conns:
                conn.send(hello_frame(SERVICE, VERSION))
            replies = [parse_hello_reply(conn.read_all()) for conn in conns]
            for conn in conns:
                conn.close()
            good = sum(harness.is_negotiated(r) for r in replies)
            processes = len(box.backend_pids())
            row("M13", "%d simultaneous cold Hellos" % n, "%d negotiated, 1 process" % n,
                "%d negotiated, %d process%s" % (good, processes, "" if processes == 1 else "es"),
                good == n and processes == 1)
            warm(broker.socket, box)
            broker.stop()
        finally:
            box.cleanup()
