# SPDX-License-Identifier: MIT
"""Every row of refusal_table.py against the daemon, byte for byte, plus the answers that depend on what came before."""
import os
import shutil
import subprocess
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
        replies = [parse_hello_reply(exchange(broker.socket, hello_frame("nosuch", "1.0.0"))) for _ in range(8)]
        # eight short exchanges fit into one window, or the window moved on between them: never more than 5 a window
        limited = [r for r in replies if r.code == RATE_LIMITED]
        self.assertTrue(1 <= len(limited) <= 3, [r.reason for r in replies])
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

    def test_bad_names_touch_no_file(self):
        if harness.VALGRIND or not shutil.which("strace"):
            self.skipTest("needs strace and a daemon that runs bare")
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

    def test_default_rate_limit_is_256(self):
        broker = self.box.launch_mode()
        replies = []
        for _ in range(600):
            replies.append(parse_hello_reply(exchange(broker.socket, hello_frame("nosuch", "1.0.0"))))
            if replies[-1].code == RATE_LIMITED:
                break
        if replies[-1].code != RATE_LIMITED:
            self.skipTest("this machine says fewer than 256 Hellos a second")
        self.assertGreaterEqual(len(replies), 257)
        broker.stop()

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
