# SPDX-License-Identifier: MIT
"""What the parts of the bench share: the table, the arms (our broker, the reference, the echo), the measuring clients,
plots. Nothing here measures by itself."""
import math
import os
import re
import shutil
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/e2e"))
import harness  # noqa: E402
from harness import BUILD, Box, Conn, hello_frame, parse_hello_reply, wait_for  # noqa: E402,F401

QUICK = "--quick" in sys.argv
OUT = os.path.join(BUILD, "bench")
TOOLS = os.path.join(BUILD, "tests/bench")
REFERENCE = os.environ.get("RPB_REFERENCE", "")
THEIRS = os.path.join(REFERENCE, "bin/running-process-broker-v1")
SERVICE, VERSION = "bench", "1.0.0"
LONG = {"RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS": "3600000"}    # idle connections outlive the bench
TABLE = []


def note(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


def row(ident, what, goal, got, verdict):
    """verdict: True, False, or a word where nothing is judged."""
    TABLE.append((ident, what, goal, got, verdict))


def has_reference():
    return bool(REFERENCE) and os.access(THEIRS, os.X_OK)


# ------------------------------------------------------------------------------------------------ arms
def request_file(box, service=SERVICE, version=VERSION, name="request"):
    """The Hello of an ordinary client, framed, in a file."""
    path = os.path.join(box.dir, name)
    with open(path, "wb") as out:
        out.write(hello_frame(service, version, client_capabilities=0, peer_pid=0, client_lib_name="running-process",
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


class Echo:
    """The yardstick, at a socket in a box."""

    def __init__(self, box, reply_size, name="echo.sock"):
        self.box, self.socket = box, os.path.join(box.sockets, name)
        size = os.stat(request_file(box)).st_size
        self.process = subprocess.Popen([os.path.join(TOOLS, "poll-echo"), self.socket, str(size), str(reply_size)])
        self.pid = self.process.pid
        wait_for(lambda: harness.is_listening(self.socket), "the echo")

    def kill(self):
        self.process.kill()
        self.process.wait()


def warm(socket, box):
    """Starts the backend behind this broker and returns how many bytes a reply has."""
    with open(request_file(box), "rb") as data:
        reply = harness.exchange(socket, data.read())
    assert harness.is_negotiated(parse_hello_reply(reply)), parse_hello_reply(reply)
    return len(reply)


def pin(pid, cpu):
    for thread in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(thread), {cpu})


# ------------------------------------------------------------------------------------------------ clients
def tool(name, *args):
    """The CSV rows of one of our measuring programs; numbers are numbers."""
    out = subprocess.run([os.path.join(TOOLS, name)] + [str(a) for a in args], capture_output=True, text=True)
    if out.returncode:
        raise SystemExit("%s: %s" % (name, out.stderr))
    return [[int(f) if re.fullmatch(r"\d+", f) else f for f in line.split(",")] for line in out.stdout.splitlines()]


def client(request, samples, arms, rounds=1, warmup=0, echo_size=1, cpu=0):
    """Rows of bench-hello: (round, arm, metric, n, min, p50, p99, p999)."""
    return tool("bench-hello", "--request", request, "--samples", samples, "--rounds", rounds, "--warmup", warmup,
                "--echo-size", echo_size, "--cpu", cpu, *["%s=%s" % arm for arm in arms])


def samples_here(request, echo, reply_size, mode="P"):
    """How many samples a round: as the method says, less where somebody else has this machine."""
    if QUICK:
        return 1500 if mode == "P" else 500
    p50 = client(request, 2000, [("echo", echo.socket)], echo_size=reply_size)[0][5]
    full = 20000 if mode == "P" else 5000
    return full if os.getloadavg()[0] < 2 * os.cpu_count() and p50 < 60000 else full // 4


def within(a, b):
    return abs(a - b) <= 0.1 * min(a, b)


class Rounds:
    """Rows of a run with the arms `base` and `base2` around the others: ratios to their mean, round by round."""

    COLUMNS = {"min": 1, "P50": 2, "P99": 3, "P99.9": 4}

    def __init__(self, rows, base, base2):
        self.by = {(r, arm, metric): values for r, arm, metric, *values in rows}
        self.all = sorted({r for r, *_ in rows})[1:]
        self.base, self.base2 = base, base2

    def good(self, metric):
        return [r for r in self.all if within(self.by[r, self.base, metric][2], self.by[r, self.base2, metric][2])]

    def has(self, arm):
        return (self.all[0], arm, "cycle") in self.by

    def values(self, arm, metric, name, rounds=None):
        return [self.by[r, arm, metric][self.COLUMNS[name]] / 1000 for r in (rounds or self.all)]

    def base_of(self, r, metric, name):
        column = self.COLUMNS[name]
        return (self.by[r, self.base, metric][column] + self.by[r, self.base2, metric][column]) / 2000

    def ratio(self, arm, metric, name):
        """(median ratio, median value, median base) over the rounds that are not void; None when all are."""
        good = self.good(metric)
        if not good:
            return None
        base = [self.base_of(r, metric, name) for r in good]
        values = self.values(arm, metric, name, good)
        return (statistics.median(v / b for v, b in zip(values, base)), statistics.median(values),
                statistics.median(base))

    def against(self, arm, other, metric, name):
        """Median over the good rounds of arm / other."""
        good = self.good(metric)
        pairs = zip(self.values(arm, metric, name, good), self.values(other, metric, name, good)) if good else []
        ratios = [a / b for a, b in pairs]
        return statistics.median(ratios) if ratios else None


def judge(ident, what, ratio, goal, base="echo", judged=True):
    """A row of a ratio to a base."""
    if ratio is None:
        row(ident, what, "<= %.2f x %s" % (goal, base) if goal and judged else "", "every round void", "void")
        return
    got = "%.2f x (%.1f µs, %s %.1f)" % (ratio[0], ratio[1], base, ratio[2])
    row(ident, what, "<= %.2f x %s" % (goal, base) if goal and judged else "", got,
        ratio[0] <= goal if goal and judged else "-")


# ------------------------------------------------------------------------------------------------ output
def save_csv(name, header, rows):
    with open(os.path.join(OUT, name), "w") as out:
        out.write(header + "\n")
        for values in rows:
            out.write(",".join(str(v) for v in values) + "\n")


COLOURS = ["#555555", "#0b62c4", "#c4420b", "#999999", "#2a8c3c", "#7a2aa0", "#b08a00", "#00838f"]


def round_step(high):
    """The distance of at most five lines up to `high`, as people count: 1, 2 or 5 times a power of ten."""
    least = high / 5
    power = 10 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)


def spread(wanted, apart, highest, lowest):
    """Places for labels, as near as may be to those wanted, in their order, `apart` from each other and inside."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0] * len(wanted)
    last = highest - apart
    for i in order:
        last = places[i] = max(wanted[i], last + apart)
    last = lowest + apart
    for i in reversed(order):
        last = places[i] = min(places[i], last - apart)
    return places


def plot(name, title, lines, x_axis="round"):
    """An SVG of {series: [(x, y), ...]}; x is spaced evenly by rank, since sweeps grow by tens."""
    width, height, left, right, top, bottom = 800, 380, 60, 190, 40, 50
    high = max(y for line in lines.values() for _, y in line) * 1.1
    xs = sorted({x for line in lines.values() for x, _ in line})

    def place(x, y):
        return (left + (width - left - right) * xs.index(x) / max(1, len(xs) - 1),
                top + (height - top - bottom) * (1 - y / high))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">' %
           (width, height), '<rect width="100%" height="100%" fill="white"/>',
           '<text x="%d" y="22">%s</text>' % (left, title)]
    step = round_step(high)
    for i in range(int(high / step) + 1):
        y = place(xs[0], i * step)[1]
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/>' % (left, width - right, y, y))
        out.append('<text x="%d" y="%.1f" text-anchor="end">%g</text>' % (left - 6, y + 4, round(i * step, 9)))
    for x in xs[::math.ceil(len(xs) / 12)]:
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (place(x, 0)[0], height - bottom + 18, x))
    out.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % ((left + width - right) / 2, height - 12, x_axis))
    labels = spread([place(*line[-1])[1] + 4 for line in lines.values()], 13, top, height - bottom + 4)
    for (label, line), colour, y in zip(lines.items(), COLOURS * 4, labels):
        points = " ".join("%.1f,%.1f" % place(x, y) for x, y in line)
        out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (colour, points))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (place(*point) + (colour,)) for point in line]
        out.append('<text x="%d" y="%.1f" fill="%s">%s</text>' % (width - right + 8, y, colour, label))
    out.append("</svg>")
    with open(os.path.join(OUT, name), "w") as text:
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


def missing(program):
    return shutil.which(program) is None
