# SPDX-License-Identifier: MIT
"""M1, M2: a warm Hello, ours and our peers' against the echo. M3: how many a second, and whom they reach."""
import statistics

from buses import start as start_buses
from common import (QUICK, Box, Echo, Rounds, client, has_reference, judge, note, os, pin, plot, request_file, row,
                    samples_here, save_csv, start_ours, start_theirs, tool, warm)

CYCLE_GOALS = {"dbus-broker": 0.55, "dbus-daemon": 0.20}
FORMS = {"bus:": "as libdbus does it", "bus-terse:": "as sd-bus does it"}


def warm_hellos():
    boxes, servers = [Box()], []
    try:
        box = boxes[0]
        ours = start_ours(box)
        servers.append(ours)
        size = warm(ours.socket, box)
        echo = Echo(box, size)
        servers.append(echo)
        arms = [("ours", ours.socket)]
        if has_reference():
            boxes.append(Box())
            servers.append(start_theirs(boxes[1]))
            warm(servers[-1].socket, box)
            arms.append(("reference", servers[-1].socket))
        buses = start_buses(box)
        servers += buses
        arms += [(form + bus.name, bus.socket) for bus in buses for form in FORMS]
        request = request_file(box)
        results = {}
        for mode, cpu in (("P", 0), ("X", 1)):
            if os.cpu_count() < 2 and mode == "X":
                note("mode X needs two processors")
                continue
            for server in servers:
                pin(server.pid, cpu)
            rounds = 4 if QUICK else 8
            samples = samples_here(request, echo, size, mode)
            note("mode %s: %d rounds of %d samples an arm" % (mode, rounds, samples))
            around = [("echo", echo.socket)] + arms + [("echo-2", echo.socket)]
            results[mode] = client(request, samples, around, rounds, 100 if QUICK else 500, size)
        save(results)
        for mode, rows in results.items():
            judge_mode(mode, Rounds(rows, "echo", "echo-2"), [name for name, _ in arms])
        for server in servers:
            pin(server.pid, 0)
        throughput(request, size, echo, ours, servers[2] if has_reference() else None)
        ours.stop()
    finally:
        for server in servers:
            server.kill()
        for box in boxes:
            box.cleanup()


def save(results):
    save_csv("hello.csv", "mode,round,arm,metric,samples,min_ns,p50_ns,p99_ns,p999_ns",
             [[mode] + values for mode, rows in results.items() for values in rows])
    for mode, rows in results.items():
        lines = {}
        for r, arm, metric, _, _, p50, _, _ in rows:
            if metric == "cycle" and r > 0:
                lines.setdefault(arm, []).append((r, p50 / 1000))
        plot("hello-%s.svg" % mode, "warm Hello, mode %s, whole cycle, P50 of each round (µs)" % mode, lines)


def judge_mode(mode, rounds, arms):
    for ident, metric, goals in (("M1", "hello", (1.5, 2.0)), ("M2", "cycle", (1.5, None))):
        for arm in arms:
            for name, goal in zip(("P50", "P99"), goals):
                if arm.startswith("bus") and name == "P99":
                    continue    # in the CSV
                judge(ident, "warm Hello, %s, %s %s, mode %s" % (metric, arm, name, mode), rounds.ratio(arm, metric, name),
                      goal, judged=arm == "ours" and mode == "P")
        void = len(rounds.all) - len(rounds.good(metric))
        if void:
            note("%s mode %s: %d of %d rounds void" % (ident, mode, void, len(rounds.all)))
    for bus, goal in CYCLE_GOALS.items():
        for form, words in FORMS.items():
            if rounds.has(form + bus):
                judge_bus(rounds, mode, form + bus, "%s's connect, auth, Hello %s" % (bus, words), goal)
    p999 = ", ".join("%s %.0f" % (a, statistics.median(rounds.values(a, "cycle", "P99.9"))) for a in ["echo"] + arms)
    row("M2", "P99.9 of cycles, mode %s (µs)" % mode, "", p999, "-")


def judge_bus(rounds, mode, arm, words, goal):
    what = "ours P50 / %s, mode %s" % (words, mode)
    got, least = (rounds.against(name, arm, "cycle", "P50") for name in ("ours", "echo"))
    goal_text = "<= %.2f x" % goal if mode == "P" else ""
    if got is None:
        row("M2", what, goal_text, "every round void", "void")
    else:
        row("M2", what, goal_text, "%.2f x (the echo itself: %.2f x)" % (got, least), got <= goal if mode == "P" else "-")


# ------------------------------------------------------------------------------------------------ M3
def throughput(request, size, echo, ours, theirs):
    rounds, span = (4, 150) if QUICK else (8, 500)
    arms = ["echo=" + echo.socket, "ours=" + ours.socket]
    arms += ["reference=" + theirs.socket] if theirs else []
    arms += ["echo-2=" + echo.socket]
    found = []
    for clients in (1, 4):
        found += tool("bench-load", "--request", request, "--echo-size", size, "--cpu", 0, "--clients", clients,
                      "--rounds", rounds, "--milliseconds", span, *arms)
    save_csv("load.csv", "round,arm,clients,ns,total,least,most", found)
    rate = {(r, arm, clients): total * 1e9 / ns for r, arm, clients, ns, total, _, _ in found}
    share = {(r, arm, clients): least * clients / total for r, arm, clients, _, total, least, _ in found}
    for clients in (1, 4):
        used = [r for r in range(1, rounds) if 0.9 <= rate[r, "echo", clients] / rate[r, "echo-2", clients] <= 1.11]
        for arm in ("ours", "reference"):
            if (0, arm, clients) not in rate:
                continue
            judged = arm == "ours"
            what = "Hellos a second, %s, %d client%s, mode P" % (arm, clients, "" if clients == 1 else "s")
            if not used:
                row("M3", what, ">= 0.65 x echo" if judged else "", "every round void", "void")
            else:
                base = {r: (rate[r, "echo", clients] + rate[r, "echo-2", clients]) / 2 for r in used}
                got = statistics.median(rate[r, arm, clients] / base[r] for r in used)
                text = "%.2f x (%.0f/s, echo %.0f/s)" % (got, statistics.median(rate[r, arm, clients] for r in used),
                                                         statistics.median(base.values()))
                judged = judged and clients == 1
                row("M3", what, ">= 0.65 x echo" if judged else "", text, got >= 0.65 if judged else "-")
            if clients > 1:
                worst = statistics.median(share[r, arm, clients] for r in range(1, rounds))
                row("M3", "least of %d clients, %s" % (clients, arm), ">= 0.5 of its share" if arm == "ours" else "",
                    "%.2f" % worst, worst >= 0.5 if arm == "ours" else "-")
