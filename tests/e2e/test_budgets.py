# SPDX-License-Identifier: MIT
"""What a warm Hello and an idle broker may cost, counted, not timed: system calls, instructions, allocations, memory. The
budgets are those of `make bench` (tests/bench/counts.py), so that no later change spends them unseen."""
import os
import sys

import harness

sys.path.insert(0, os.path.join(harness.TOP, "tests/bench"))
import counts  # noqa: E402
from common import TOOLS, start_ours, warm  # noqa: E402


class Budgets(harness.Case):
    def setUp(self):
        super().setUp()
        harness.need(os.path.join(TOOLS, "bench-hello"), "the measuring client")

    def within(self, budget, got):
        print("%s: %.2f of %d" % (budget, got, counts.BUDGETS[budget]))
        self.assertLessEqual(got, counts.BUDGETS[budget], budget)

    def test_a_cycle_works_under_every_tool(self):
        """What the counts count: a warm Hello by the measuring client. Runs in instrumented builds as well."""
        broker = start_ours(self.box)
        warm(broker.socket, self.box)
        counts.client(counts.request_file(self.box), 20, [("ours", broker.socket)])
        broker.stop()

    @harness.plain_only
    def test_system_calls(self):
        if counts.missing("strace"):
            self.skipTest("strace is not installed")
        broker = start_ours(self.box)
        warm(broker.socket, self.box)
        got, table = counts.count_system_calls(broker.pid, broker.socket, self.box, 400)
        print(table)
        self.within("system calls", got - 0.05)    # a turn of the loop that is not one of a cycle
        broker.stop()

    @harness.plain_only
    def test_instructions(self):
        if counts.missing("valgrind"):
            self.skipTest("valgrind is not installed")
        self.within("instructions", counts.count_instructions((100, 400), None))

    @harness.plain_only
    def test_allocations(self):
        self.within("allocations", counts.count_allocations(self.box, 1000))

    @harness.plain_only
    def test_memory_of_an_idle_broker(self):
        self.within("idle KiB", counts.least_idle_rss(starts=15, enough=counts.BUDGETS["idle KiB"]))

    @harness.plain_only
    def test_memory_of_idle_connections(self):
        broker = start_ours(self.box)
        warm(broker.socket, self.box)
        self.within("KiB an idle connection", counts.idle_connection_cost(broker))
        broker.stop()

    @harness.plain_only
    def test_memory_of_backends(self):
        broker = start_ours(self.box)
        warm(broker.socket, self.box)
        self.within("KiB a backend", counts.backend_cost(self.box, broker, 96))
        broker.stop()

    @harness.plain_only
    def test_memory_after_many_hellos(self):
        broker = start_ours(self.box)
        warm(broker.socket, self.box)
        kib, done = counts.growth(self.box, broker, 50000, 60)
        self.assertGreaterEqual(done, 1000)
        self.within("KiB of growth", kib)
        broker.stop()

    @harness.plain_only
    def test_memory_after_many_refusals(self):
        """And after what is no Hello at all."""
        broker = start_ours(self.box)
        warm(broker.socket, self.box)
        for name, data in (("unknown service", harness.hello_frame("nosuch")), ("bad name", harness.hello_frame("NO")),
                           ("no frame", harness.framed(b"\xff\xff")), ("framing version", b"\x02\0\0\0\0"),
                           ("admin", harness.admin_frame(4)), ("unsupported admin", harness.admin_frame(17))):
            with self.subTest(name):
                kib, done = counts.growth(self.box, broker, 10000, 60, data)
                self.assertGreaterEqual(done, 1000)
                self.within("KiB of growth", kib)
        broker.stop()


if __name__ == "__main__":
    harness.main()
