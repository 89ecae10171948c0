# SPDX-License-Identifier: MIT
"""Measures the daemon and prints a table: goal, got, verdict. Called by scripts/bench.

Method: client and servers pinned, arms interleaved (echo, ours, peers, echo), the first round discarded, a round whose two
echoes differ by more than a tenth void; medians over the rounds of P50 and P99, judged as ratios to the echo of the same
round. Mode P has both ends on CPU 0, mode X the servers on CPU 1. Counts (system calls, instructions, allocations, memory,
processes) repeat; only they decide the exit status. RPB_REFERENCE=DIR adds the reference implementation; dbus-broker and
dbus-daemon are arms where they are installed. CSV and plots go to $BUILD/bench/. Arguments name the parts to run.
"""
import os
import resource
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cold  # noqa: E402
import counts  # noqa: E402
import frames  # noqa: E402
import latency  # noqa: E402
import scale  # noqa: E402
from common import OUT, TABLE, THEIRS, has_reference, note, print_table  # noqa: E402

PARTS = {"latency": latency.warm_hellos, "calls": counts.system_calls, "instructions": counts.instructions,
         "allocations": counts.allocations, "memory": counts.memory, "scale": scale.scale, "cold": cold.cold_hellos,
         "frames": frames.worst_frames, "herd": counts.herd}
COUNTED = {"M5", "M6", "M7", "M8", "M13"}


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    os.makedirs(OUT, exist_ok=True)
    if not has_reference():
        note("NO REFERENCE HERE, its arm is left out (%s)" % (THEIRS if os.path.isabs(THEIRS) else "set RPB_REFERENCE"))
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    begun = time.monotonic()
    for name in wanted or PARTS:
        note("== %s, %.0f s" % (name, time.monotonic() - begun))
        PARTS[name]()
    TABLE.sort(key=lambda r: int(r[0][1:]))
    print_table()
    print("%.0f s; CSV and plots: %s" % (time.monotonic() - begun, OUT))
    sys.exit(1 if any(v is False and i in COUNTED for i, _, _, _, v in TABLE) else 0)


if __name__ == "__main__":
    main()
