# SPDX-License-Identifier: MIT
"""Every row of refusal_table.py against the daemon, byte for byte, plus the answers that depend on what came before."""
import os
import shutil
import signal
import subprocess
import time
import unittest

import harness
from harness import RATE_LIMITED, exchange, hello_frame, parse_hello_reply
from refusal_table import BAD_NAMES, BAD_VERSIONS, all_rows, install_definitions


class RefusalTable(unittest.TestCase):
    """One daemon for all rows; each row becomes a test of its own below."""

    @classmethod
    def setUpClass(cls):
        cls.box = harness.Box()
        install_definitions(cls.box)
        cls.broker = cls.box.launch_mode("--hello-rate-limit", "0")
        harness.settle(cls.box, cls.broker)
        cls.fds = cls.broker.fd_count()

    @classmethod
    def tearDownClass(cls):
        try:
            harness.wait_fds_back(cls.broker, cls.fds)
            assert harness.proc_children(cls.broker.pid) == [], "a refusal left a process"
            cls.broker.stop()
        finally:
            cls.box.cleanup()


def _test(row):
    def test(self):
        got = exchange(self.broker.socket, row.send, row.finish)
        if not row.matches(got):
            try:
                told = str(parse_hello_reply(got)) if got else "nothing"
            except Exception as error:
                told = repr(error)
            want = row.want if not isinstance(row.want, bytes) else row.want.hex(" ")[:600]
            self.fail("got %s\n(%s)\nwant %s" % (got.hex(" ")[:600], told, want))
    test.__doc__ = row.title
    return test


for _number, _row in enumerate(all_rows()):
    setattr(RefusalTable, "test_%03d" % _number, _test(_row))


class Sequences(harness.Case):
    def test_rate_limit_counts_what_passed_the_shape(self):
        broker = self.box.launch_mode("--hello-rate-limit", "5")
        bad_shape = [parse_hello_reply(exchange(broker.socket, hello_frame("Bad"))) for _ in range(20)]
        self.assertEqual({r.reason for r in bad_shape}, {"invalid service_name"})
        limited = [r for r in self.burst(broker, 8) if r.code == RATE_LIMITED]
        self.assertEqual(len(limited), 3)
        for reply in limited:
            self.assertRefused(reply, RATE_LIMITED, "Hello rate limit exceeded")
            self.assertTrue(1 <= reply.retry_after_ms <= 1000)
        self.assertEqual(harness.ask_admin(broker.socket, 4).body, "ok\n")
        broker.stop()

    def test_rate_limit_by_environment_and_by_process(self):
        broker = self.box.launch_mode(env=self.box.env(RUNNING_PROCESS_BROKER_HELLO_RATE_LIMIT="1"))
        harness.wait_for(lambda: parse_hello_reply(exchange(broker.socket, hello_frame())).code == RATE_LIMITED,
                         "the limit of one a second")
        got = self.box.run("--socket", broker.socket, "hello", "nosuch", "1.0.0")
        self.assertIn("service definition was not found", got.stdout + got.stderr, "another process has its own count")
        broker.stop()

    @harness.bare_only
    def test_bad_names_touch_no_file(self):
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        broker = self.box.launch_mode("--hello-rate-limit", "0")
        exchange(broker.socket, hello_frame("nosuch", "1.0.0"))
        trace = os.path.join(self.box.dir, "trace")
        tracer = subprocess.Popen(["strace", "-f", "-e", "trace=file,process", "-o", trace, "-p", str(broker.pid)],
                                  stderr=subprocess.PIPE)
        tracer.stderr.readline()
        for name in BAD_NAMES:
            exchange(broker.socket, hello_frame(name))
        for version in BAD_VERSIONS:
            exchange(broker.socket, hello_frame("nosuch", version))
        exchange(broker.socket, hello_frame("nosuch", client_min_protocol=2, client_max_protocol=3))
        exchange(broker.socket, hello_frame("nosuch", peer_pid=1))
        tracer.terminate()
        tracer.wait()
        tracer.stderr.close()
        with open(trace) as calls:
            self.assertEqual(calls.read(), "")
        broker.stop()

    @harness.bare_only
    def test_default_rate_limit_is_256(self):
        broker = self.box.launch_mode()
        replies = self.burst(broker, 300)
        self.assertEqual(sum(r.code == RATE_LIMITED for r in replies), 44)
        broker.stop()

    def burst(self, broker, n):
        """The answers to n Hellos that lay ready when the broker woke up, all within one window; said again where a machine
        is so slow that it may have been two."""
        while True:
            os.kill(broker.pid, signal.SIGSTOP)
            harness.wait_for(lambda: harness.proc_stat(broker.pid)["state"] == "T", "it stops")
            conns = [harness.Conn(broker.socket).send(hello_frame("nosuch", "1.0.0")) for _ in range(n)]
            begun = time.monotonic()
            os.kill(broker.pid, signal.SIGCONT)
            replies = [parse_hello_reply(conn.read_all()) for conn in conns]
            ended = time.monotonic()
            for conn in conns:
                conn.close()
            if ended - begun < 1:
                return replies
            harness.wait_for(lambda: time.monotonic() > ended + 1, "another window")

    def test_definition_that_demands_another_instance(self):
        self.box.definition("private-one", isolation=0)
        broker = self.box.launch_mode("--instance", "shared")
        reply = harness.say_hello(broker.socket, "private-one", "1.0.0")
        self.assertRefused(reply, harness.SERVICE_UNKNOWN,
                           "service belongs to instance private:private-one, this broker serves shared", 0)
        broker.stop()

    def test_two_faults_in_one_request_of_a_broken_peer_do_not_disturb_the_next(self):
        broker = self.box.launch_mode()
        for _ in range(50):
            exchange(broker.socket, b"\x02" * 4000)
            exchange(broker.socket, b"\x01\xff\xff\xff\xff" + b"x" * 4000)
        self.assertEqual(harness.ask_admin(broker.socket, 4).body, "ok\n")
        broker.stop()


if __name__ == "__main__":
    harness.main()
