# SPDX-License-Identifier: MIT
"""Measures the daemon and prints a table: goal, got, verdict. Called by scripts/bench.

Method: client and servers pinned, arms interleaved (echo, ours, reference, echo), the first round discarded, a round whose
two echoes differ by more than a tenth void; medians over the rounds of P50 and P99, judged as ratios to the echo of the same
round. Mode P has both ends on CPU 0, mode X the servers on CPU 1. Counts (system calls, instructions, allocations,
processes) are exact and repeat; only they decide the exit status. RPB_REFERENCE=DIR adds the reference implementation.
CSV and plots go to $BUILD/bench/.
"""
import os
import re
import resource
import shutil
import signal
import statistics
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import harness  # noqa: E402
from harness import BUILD, Box, Conn, hello_frame, parse_hello_reply, say_hello, wait_for  # noqa: E402

QUICK = "--quick" in sys.argv
OUT = os.path.join(BUILD, "bench")
TOOLS = os.path.join(BUILD, "tests/bench")
REFERENCE = os.environ.get("RPB_REFERENCE", "")
THEIRS = os.path.join(REFERENCE, "bin/running-process-broker-v1")
SERVICE, VERSION = "bench", "1.0.0"
TABLE = []


def note(*words):
    print(*words, file=sys.stderr, flush=True)


def row(ident, what, goal, got, verdict):
    """verdict: True, False, or a word where nothing is judged."""
    TABLE.append((ident, what, goal, got, verdict))


def request_file(box):
    path = os.path.join(box.dir, "request")
    with open(path, "wb") as out:
        out.write(hello_frame(SERVICE, VERSION, client_capabilities=0, peer_pid=0, client_lib_name="running-process",
                              client_lib_version="1.0.0"))
    return path


def start_ours(box, *args, **options):
    if not os.path.exists(os.path.join(box.bin, SERVICE)):
        box.service(SERVICE)
    return box.launch_mode("--hello-rate-limit", "0", *args, **options)


def start_theirs(box):
    source = os.path.join(REFERENCE, "bin/running-process-lifecycle-test-backend")
    box.service(SERVICE, source=source)
    os.makedirs(box.broker_dir, 0o700)
    return box.launch_mode(program=THEIRS)


def pin(pid, cpu):
    for thread in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(thread), {cpu})


def client(request, samples, arms, rounds=1, warmup=0, echo_size=0, cpu=0):
    """Rows of bench-hello: (round, arm, metric, n, min, p50, p99, p999)."""
    argv = [os.path.join(TOOLS, "bench-hello"), "--request", request, "--samples", str(samples), "--rounds", str(rounds),
            "--warmup", str(warmup), "--echo-size", str(echo_size), "--cpu", str(cpu)]
    argv += ["%s=%s" % arm for arm in arms]
    out = subprocess.run(argv, capture_output=True, text=True)
    if out.returncode:
        raise SystemExit("bench: " + out.stderr)
    rows = []
    for line in out.stdout.splitlines():
        fields = line.split(",")
        rows.append((int(fields[0]), fields[1], fields[2]) + tuple(int(f) for f in fields[3:]))
    return rows


# ------------------------------------------------------------------------------------------------ M1, M2
def latency():
    boxes = [Box()]
    echo = None
    try:
        box = boxes[0]
        ours = start_ours(box)
        reply = harness.exchange(ours.socket, open(request_file(box), "rb").read())
        servers = [ours.pid]
        arms = [("ours", ours.socket)]
        if os.access(THEIRS, os.X_OK):
            boxes.append(Box())
            theirs = start_theirs(boxes[1])
            harness.exchange(theirs.socket, open(request_file(box), "rb").read())
            servers.append(theirs.pid)
            arms.append(("reference", theirs.socket))
        path = os.path.join(box.sockets, "echo.sock")
        request = request_file(box)
        size = os.stat(request).st_size
        echo = subprocess.Popen([os.path.join(TOOLS, "poll-echo"), path, str(size), str(len(reply))])
        wait_for(lambda: harness.is_listening(path), "the echo")
        servers.append(echo.pid)
        arms = [("echo", path)] + arms + [("echo-2", path)]
        rss = ours.rss_kib()
        done = 0
        results = {}
        for mode, cpu, samples in (("P", 0, 3000 if QUICK else 20000), ("X", 1, 1000 if QUICK else 5000)):
            if os.cpu_count() < 2 and mode == "X":
                continue
            for pid in servers:
                pin(pid, cpu)
            note("bench: mode %s, %d samples a round" % (mode, samples))
            rounds = 4 if QUICK else 8
            rows = client(request, samples, arms, rounds, 100 if QUICK else 500, len(reply))
            done += rounds * (samples + (100 if QUICK else 500))
            results[mode] = rows
        save_latency(results)
        judge_latency(results)
        growth = ours.rss_kib() - rss
        row("M8", "RSS growth after %d Hellos" % done, "<= 64 KiB", "%d KiB" % growth, growth <= 64)
        ours.stop()
    finally:
        if echo:
            echo.kill()
            echo.wait()
        for box in boxes:
            box.cleanup()


def save_latency(results):
    with open(os.path.join(OUT, "hello.csv"), "w") as out:
        out.write("mode,round,arm,metric,samples,min_ns,p50_ns,p99_ns,p999_ns\n")
        for mode, rows in results.items():
            for values in rows:
                out.write(mode + "," + ",".join(str(v) for v in values) + "\n")
    for mode, rows in results.items():
        plot(os.path.join(OUT, "hello-%s.svg" % mode), "warm Hello, mode %s, P50 of each round (µs)" % mode,
             series(rows, "hello", 5))


def series(rows, metric, column):
    found = {}
    for values in rows:
        if values[2] == metric:
            found.setdefault(values[1], []).append(values[column] / 1000)
    return found


def judge_latency(results):
    for mode, rows in results.items():
        by = {(r, arm, metric): values for r, arm, metric, *values in rows}
        rounds = sorted({r for r, *_ in rows})[1:]
        for ident, metric, goals in (("M1", "hello", (1.5, 2.0)), ("M2", "cycle", (1.5, None))):
            good = [r for r in rounds if within(by[r, "echo", metric][2], by[r, "echo-2", metric][2])]
            # P50 is column 2 of (n, min, p50, p99, p999)
            for arm in ("ours", "reference"):
                if (rounds[0], arm, metric) not in by:
                    continue
                for column, name, goal in ((2, "P50", goals[0]), (3, "P99", goals[1])):
                    if not good:
                        row(ident, "%s %s %s, mode %s" % (arm, metric, name, mode), "", "every round void", "void")
                        continue
                    base = {r: (by[r, "echo", metric][column] + by[r, "echo-2", metric][column]) / 2 for r in good}
                    ratio = statistics.median(by[r, arm, metric][column] / base[r] for r in good)
                    value = statistics.median(by[r, arm, metric][column] for r in good) / 1000
                    got = "%.2f x (%.1f µs, echo %.1f)" % (ratio, value, statistics.median(base.values()) / 1000)
                    judged = arm == "ours" and mode == "P" and goal is not None
                    row(ident, "warm Hello, %s, %s %s, mode %s" % (metric, arm, name, mode),
                        "<= %.1f x echo" % goal if judged else "", got, ratio <= goal if judged else "-")
            if len(good) < len(rounds):
                note("bench: %s mode %s: %d of %d rounds void" % (ident, mode, len(rounds) - len(good), len(rounds)))


def within(a, b):
    return abs(a - b) <= 0.1 * min(a, b)


# ------------------------------------------------------------------------------------------------ M5
def system_calls():
    if not shutil.which("strace"):
        row("M5", "system calls a warm cycle", "<= 12", "no strace here", "skipped")
        return
    cycles = 500 if QUICK else 2000
    for name, start in (("ours", start_ours), ("echo", None), ("reference", start_theirs)):
        if name == "reference" and not os.access(THEIRS, os.X_OK):
            continue
        box = Box()
        process = None
        try:
            request = request_file(box)
            if start:
                broker = start(box)
                pid, path = broker.pid, broker.socket
                reply_size = len(harness.exchange(path, open(request, "rb").read()))
            else:
                path, reply_size = os.path.join(box.sockets, "echo.sock"), 200
                process = subprocess.Popen([os.path.join(TOOLS, "poll-echo"), path, str(os.stat(request).st_size), "200"])
                wait_for(lambda: harness.is_listening(path), "the echo")
                pid = process.pid
            arm = [("echo" if process else "ours", path)]
            client(request, 50, arm, echo_size=reply_size)
            got, table = traced(pid, box, lambda: client(request, cycles, arm, echo_size=reply_size))
            with open(os.path.join(OUT, "syscalls-%s.txt" % name), "w") as out:
                out.write(table)
            judged = name == "ours"
            row("M5", "system calls a warm cycle, " + name, "<= 12" if judged else "", "%.2f" % (got / cycles),
                got / cycles <= 12.05 if judged else "-")
        finally:
            if process:
                process.kill()
                process.wait()
            box.cleanup()


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


# ------------------------------------------------------------------------------------------------ M6
def instructions():
    if not shutil.which("valgrind"):
        row("M6", "user instructions a warm cycle", "<= 16 000", "no valgrind here", "skipped")
        return
    counts = []
    sizes = (200, 600) if QUICK else (500, 2500)
    for size in sizes:
        box = Box()
        try:
            out = os.path.join(OUT, "callgrind-%d.out" % size)
            broker = start_ours(box, prefix=["valgrind", "--tool=callgrind", "--quiet", "--callgrind-out-file=" + out])
            harness.exchange(broker.socket, open(request_file(box), "rb").read())
            client(request_file(box), size, [("ours", broker.socket)])
            broker.stop()
            with open(out) as text:
                counts.append(int(re.search(r"^(?:summary|totals):\s*(\d+)", text.read(), re.M).group(1)))
        finally:
            box.cleanup()
    got = (counts[1] - counts[0]) / (sizes[1] - sizes[0])
    row("M6", "user instructions a warm cycle", "<= 16 000", "%.0f" % got, got <= 16000)


# ------------------------------------------------------------------------------------------------ M7
def allocations():
    cycles = 2000
    box = Box()
    try:
        counts = os.path.join(box.dir, "counts")
        with open(counts, "wb") as out:
            out.write(b"\0" * 4096)
        library = harness.preloadable(box, os.path.join(TOOLS, "preload/count-alloc.so"))
        broker = start_ours(box, env=box.env(LD_PRELOAD=library, RPB_BENCH_COUNTS=counts))
        request = request_file(box)
        harness.exchange(broker.socket, open(request, "rb").read())
        client(request, 200, [("ours", broker.socket)])

        def count():
            with open(counts, "rb") as data:
                return struct.unpack("<Q", data.read(8))[0]
        before = count()
        if before == 0:
            row("M7", "heap allocations a warm cycle", "0", "the interposer counted nothing", False)
            return
        client(request, cycles, [("ours", broker.socket)])
        got = count() - before
        row("M7", "heap allocations in %d warm cycles" % cycles, "0", str(got), got == 0)
        broker.stop()
    finally:
        box.cleanup()


# ------------------------------------------------------------------------------------------------ M8
def memory():
    for name, goal in (("ours", 2560), ("reference", None)):
        if name == "reference" and not os.access(THEIRS, os.X_OK):
            continue
        box = Box()
        try:
            broker = start_ours(box) if name == "ours" else start_theirs(box)
            harness.ask_admin(broker.socket, 4)
            rss = broker.rss_kib()
            row("M8", "RSS idle, " + name, "<= 2 560 KiB" if goal else "", "%d KiB" % rss, rss <= goal if goal else "-")
            if name == "ours":
                idle_cost(broker)
        finally:
            box.cleanup()


def idle_cost(broker):
    base = broker.rss_kib()
    conns = [Conn(broker.socket) for _ in range(500)]
    harness.ask_admin(broker.socket, 4)
    got = (broker.rss_kib() - base) / 500
    row("M8", "RSS an idle connection", "<= 1 KiB", "%.2f KiB" % got, got <= 1)
    for conn in conns:
        conn.close()


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
            assert harness.is_negotiated(say_hello(broker.socket, SERVICE, VERSION))
            broker.stop()
        finally:
            box.cleanup()


# ------------------------------------------------------------------------------------------------ output
def plot(path, title, lines):
    """A line a series over the rounds; nothing but numbers and names."""
    width, height, left, top = 720, 360, 60, 40
    values = [v for line in lines.values() for v in line]
    high = max(values) * 1.1
    count = max(len(line) for line in lines.values())
    colours = ["#555555", "#0b62c4", "#c4420b", "#999999", "#2a8c3c"]
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">' %
           (width, height), '<rect width="100%" height="100%" fill="white"/>', '<text x="%d" y="22">%s</text>' % (left, title)]

    def place(i, value):
        return (left + (width - left - 130) * i / max(1, count - 1), top + (height - top - 30) * (1 - value / high))
    for step in range(5):
        value = high * step / 4
        y = place(0, value)[1]
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/>' % (left, width - 130, y, y))
        out.append('<text x="%d" y="%.1f" text-anchor="end">%.1f</text>' % (left - 6, y + 4, value))
    for (name, line), colour in zip(lines.items(), colours):
        points = " ".join("%.1f,%.1f" % place(i, v) for i, v in enumerate(line))
        out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (colour, points))
        out.append('<text x="%d" y="%.1f" fill="%s">%s</text>' % (width - 122, place(0, line[-1])[1] + 4, colour, name))
    out.append("</svg>")
    with open(path, "w") as text:
        text.write("\n".join(out) + "\n")


def print_table():
    words = {True: "holds", False: "MISSED"}
    rows = [("id", "what", "goal", "got", "verdict")]
    rows += [(i, what, goal, got, words.get(verdict, verdict)) for i, what, goal, got, verdict in TABLE]
    widths = [max(len(r[c]) for r in rows) for c in range(5)]
    for r in rows:
        print("  ".join(text.ljust(width) for text, width in zip(r, widths)).rstrip())
    with open(os.path.join(OUT, "table.csv"), "w") as out:
        for r in rows:
            out.write(",".join('"%s"' % field for field in r) + "\n")


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    os.makedirs(OUT, exist_ok=True)
    for part in (latency, system_calls, instructions, allocations, memory, herd):
        note("bench: " + part.__name__.replace("_", " "))
        part()
    TABLE.sort(key=lambda r: int(r[0][1:]))
    print_table()
    print("CSV and plots: " + OUT)
    counted = {"M5", "M6", "M7", "M13"}
    sys.exit(1 if any(v is False and i in counted for i, _, _, _, v in TABLE) else 0)


if __name__ == "__main__":
    main()
