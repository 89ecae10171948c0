# SPDX-License-Identifier: MIT
"""The limits that bound what others can make the daemon hold: each row with where it is shown, at the limit and one above. A
test checks that the named tests exist; those that are small, or were nowhere else, are here."""
import os
import threading
import time

import harness
from harness import (ACT, RATE_LIMITED, SPAWN_FAILED, VERSION_BLOCKED, Conn, hello_frame, parse_hello_reply, say_hello,
                     wait_for)
from test_faults import missing
from test_hostile import Fault, setUpModule  # noqa: F401

LIMITS = {
    "open connections": ["test_limits.Many.test_4096_connections", "test_hostile.Caps.test_total",
                         "test_hostile.Caps.test_total_is_32_at_least"],
    "who makes room": ["test_hostile.Caps.test_those_who_wait_for_a_launch_are_never_chosen",
                       "tests/unit/control/test-room.c"],
    "connections of one process": ["test_hostile.Caps.test_more_than_one_process_may_hold",
                                   "test_limits.Many.test_1024_of_one_process_that_all_wait"],
    "deadline of a connection; patience of a waiter": ["test_limits.Defaults.test_times"],
    "Hellos that wait for a launch": ["test_launch.Limits.test_256_waiters_a_key"],
    "Hellos of one process": ["test_refusals.Sequences.test_default_rate_limit_is_256", "tests/unit/hello/test-rate_limit.c"],
    "buffers": ["test_budgets.Budgets.test_memory_of_idle_connections", "test_hostile.Size.test_64_kib_from_each_of_many",
                "test_hostile.Size.test_buffers_together_are_bounded"],
    "decoding": ["tests/unit/wire/test-message.c", "test_hostile.Size.test_a_bomb_inside_the_hello"],
    "a reply that is not taken": ["tests/unit/control/test-connection-limits.c"],    # none is larger than a socket's buffer yet
    "descriptors from a client": ["test_surroundings.Surroundings.test_descriptors_that_a_client_sends"],
    "launches": ["test_launch.Limits.test_8_launches_at_once", "test_launch.Failures.test_budget",
                 "tests/unit/backend/test-spawn_budget.c", "tests/unit/backend/test-launch-limits.c"],
    "live backends": ["test_launch.Limits.test_16_backends_a_service", "tests/unit/backend/test-launch-limits.c"],
    "definitions": ["test_limits.Many.test_definitions_that_are_remembered",
                    "test_definitions.Definitions.test_what_is_no_definition_file"],
    "lines of the log": ["test_hostile.Noise.test_connect_and_close", "tests/unit/base/test-log.c"],
    "memory": ["test_limits.Defaults.test_memory"],
    "pending handoffs, tokens": "waits for handoff",
    "event log": "waits for the event log",
    "broadcast": "waits for broadcasts",
}


class Table(harness.unittest.TestCase):
    def test_every_limit_is_shown_or_waits(self):
        for limit, where in LIMITS.items():
            if isinstance(where, str):
                self.assertTrue(where.startswith("waits for "), limit)
            else:
                self.assertEqual([missing(name) for name in where if missing(name)], [], limit)


class Defaults(Fault):
    timeout_ms = None

    def test_times(self):
        """As nobody sets them: 30 s for a connection, whatever it sent, and 25 s for one that waits for a launch. All at
        once, since it takes that long."""
        took, answers = {}, {}

        def sends(name, path, data):
            begun = time.monotonic()
            with Conn(path) as conn:
                answers[name] = conn.send(data).read_all()
            took[name] = time.monotonic() - begun
        program = self.box.service("slow", ACT["never binds"])
        with self.attacked() as broker:
            threads = [threading.Thread(target=sends, args=(name, broker.socket, data)) for name, data in
                       (("silent", b""), ("half", hello_frame()[:9]), ("waiting", hello_frame("slow", "1.0.0")))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.said(broker, "connection-timed-out")
            self.box.kill_backends(program)
        self.assertEqual((answers["silent"], answers["half"]), (b"", b""))
        self.assertRefused(parse_hello_reply(answers["waiting"]), RATE_LIMITED, "backend spawn already in progress", 1000)
        for name, seconds in (("silent", 30), ("half", 30), ("waiting", 25)):
            self.assertGreater(took[name], seconds - 0.1, name)
            self.assertLess(took[name], 2 * seconds, name)

    @harness.plain_only
    def test_memory(self):
        """Its own data are bounded; its children's are what they were."""
        program = self.box.service("svc")
        broker = self.start()
        self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0"))
        limits = {}
        for pid in (broker.pid, os.getpid(), *self.box.backend_pids(program)):
            with open("/proc/%d/limits" % pid) as text:
                limits[pid] = next(line.split()[3] for line in text if line.startswith("Max data size"))
        ours, here, child = limits.values()
        self.assertEqual((ours, child), (str(256 << 20), here))
        self.box.kill_backends(program)
        broker.stop()


class Many(Fault):
    @harness.bare_only
    def test_4096_connections(self):
        broker = self.start(nofile=(8192, 8192))
        with self.canary(broker) as canary:
            held = [self.holder(broker.socket, 1000) for _ in range(4)]
            self.assertFalse(broker.log_lines("connection-evicted"))
            held.append(self.holder(broker.socket, 90))
            wait_for(lambda: broker.fd_count() >= self.base_fds + 4090, "all of them in")
            self.assertFalse(broker.log_lines("connection-evicted"), "evicted without need")
            held.append(self.holder(broker.socket, 200))
            wait_for(lambda: broker.log_lines("connection-evicted"), "evictions")
            self.assertLessEqual(broker.fd_count(), self.base_fds + 4096 + 8)    # and what the canary is read
            for _, tell in held:
                os.close(tell)
            for pid, _ in held:
                self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.judge(broker, canary, 1024)

    def test_1024_of_one_process_that_all_wait(self):
        """None of them may be closed, so it is the newcomer who goes; somebody else's is served."""
        names = ["slow-%d" % number for number in range(5)]
        programs = [self.box.service(name, ACT["never binds"]) for name in names]
        broker = self.start()
        with self.canary(broker) as canary:
            conns = []
            for number in range(1024):
                conns.append(Conn(broker.socket).send(hello_frame(names[number % 5], "1.0.0")))
                self.pace(broker.socket, number)
            wait_for(lambda: not any(conn.unread() for conn in conns), "all of them wait")
            with Conn(broker.socket) as conn:
                self.assertEqual(conn.read_all(), b"")
            self.assertTrue(broker.log_lines("connection-evicted"))
            self.assertFalse(any(conn.has_bytes_now() or conn.is_closed_now() for conn in conns))
            wait_for(lambda: all(self.box.backend_pids(program) for program in programs), "all of them launched")
            for program in programs:
                self.box.kill_backends(program)
            for conn in conns:
                self.assertRefused(parse_hello_reply(conn.read_all()), SPAWN_FAILED)
                conn.close()
        self.judge(broker, canary, 1024, code="launch-failed")

    @harness.plain_only
    def test_definitions_that_are_remembered(self):
        """1 024 of them, those used last; more cost no more memory, and the forgotten are read again."""
        broker = self.start()

        def ask(numbers):
            for number in numbers:
                self.assertRefused(say_hello(broker.socket, "many-%d" % number, "1.0.0"), VERSION_BLOCKED)
        for number in range(3000):
            self.box.definition("many-%d" % number, version_allow_list=["9.9.9"], labels={"pad": "x" * 2000})
        ask(range(1100))
        full = broker.memory_kib()
        ask(range(1100, 3000))
        ask(range(10))
        self.assertLess(broker.memory_kib(), full + 512)
        with self.canary(broker) as canary:
            os.kill(broker.pid, harness.signal.SIGHUP)
            wait_for(lambda: broker.log_lines("definitions-rechecked"), "all looked at again")
        canary.check(self)
        broker.stop()


if __name__ == "__main__":
    harness.main()
