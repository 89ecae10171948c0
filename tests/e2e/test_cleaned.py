# SPDX-License-Identifier: MIT
"""Somebody cleans the run-time directory while the broker lives (a cleaner of temporary files, a hand that slipped)."""
import contextlib
import json
import os
import shutil
import signal
import stat

import harness
from harness import is_listening, say_hello, wait_for


class Cleaned(harness.Case):
    def serve(self):
        self.path = self.box.run("endpoint").stdout.strip()
        return self.box.daemon("serve", socket=self.path).ready()

    def comes_back(self, broker, remove):
        before = len(broker.log_lines("socket-recreated"))
        remove()
        wait_for(lambda: is_listening(self.path), "a listener at " + self.path)
        wait_for(lambda: len(broker.log_lines("socket-recreated")) > before, "the line that says so")
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.lstat(self.box.broker_dir).st_mode), 0o700)
        self.assertEqual(self.box.run("readyz").stdout, "ready\n")

    def test_the_control_socket_comes_back(self):
        broker = self.serve()
        harness.settle(self.box, broker)
        fds = broker.fd_count()
        upper = os.path.dirname(self.box.broker_dir)

        def replaced_unseen():
            os.rename(upper, upper + ".moved")  # not watched: SIGHUP has it looked at
            broker.process.send_signal(signal.SIGHUP)
        self.comes_back(broker, lambda: os.unlink(self.path))
        self.comes_back(broker, self.clean)
        self.comes_back(broker, lambda: os.rename(self.box.broker_dir, self.box.broker_dir + ".moved"))
        self.comes_back(broker, replaced_unseen)
        harness.wait_fds_back(broker, fds)
        second = self.box.daemon("serve", socket=self.path)
        self.assertEqual(second.wait(), 1)
        self.assertIn("already running", second.stderr())
        broker.stop()
        self.assertFalse(os.path.exists(self.path))

    def clean(self):
        """The broker may have put a new socket into the directory before that is gone; then it stays."""
        shutil.rmtree(os.path.dirname(self.box.broker_dir), ignore_errors=True)

    def lost(self, broker, n):
        return wait_for(lambda: len(broker.log_lines("backend-unreachable")) == n and
                        broker.log_lines("backend-unreachable"), "%d lost backends in the log" % n)

    def test_backends_are_launched_into_the_new_directory(self):
        """Whoever asks for a backend whose socket went too gets a new one; the old process is left alone, and reaped."""
        program = self.box.service("first")
        self.box.service("later")
        broker = self.serve()
        old = self.assertNegotiated(say_hello(self.path, "first", "1.0.0"), "1.0.0").backend_pipe
        old_pid, = self.box.backend_pids(program)
        self.comes_back(broker, self.clean)
        record, = self.lost(broker, 1)
        self.assertEqual((record["service_name"], record["service_version"]), ("first", "1.0.0"))
        self.assertIn(old, str(record))
        for service in ("first", "later", "first"):
            negotiated = self.assertNegotiated(say_hello(self.path, service, "1.0.0"), "1.0.0")
            wait_for(lambda: is_listening(negotiated.backend_pipe), "its listener")    # the table is not read in one step
            self.assertNotEqual(negotiated.backend_pipe, old)
        self.assertTrue(harness.pid_alive(old_pid))
        self.assertEqual(len(self.box.backend_pids(program)), 2)
        states = {row["pid"]: row["state"] for row in
                  json.loads(self.box.run("status", "--json").stdout)["backends"]}
        self.assertEqual((states.pop(old_pid), set(states.values())), ("stale", {"running"}))
        os.kill(old_pid, signal.SIGKILL)
        wait_for(lambda: len(broker.log_lines("backend-crashed")) == 1, "its end noticed")
        self.assertEqual(broker.zombies(), [])
        self.assertEqual(self.assertNegotiated(say_hello(self.path, "later", "1.0.0")).backend_pipe,
                         say_hello(self.path, "later", "1.0.0").backend_pipe)
        broker.stop()

    def test_a_launch_under_way(self):
        """It could only hold its key until the ceiling: whoever waits is told at once, and the next one launches anew."""
        gate = os.path.join(self.box.dir, "gate")
        program = self.box.service("svc", {"wait_file": gate})
        broker = self.serve()
        for remove in (self.clean, self.clean_inside):
            with harness.Conn(self.path) as waiting:
                waiting.send(harness.hello_frame("svc", "1.0.0"))
                pid, = wait_for(lambda: self.box.backend_pids(program), "the child")
                wait_for(lambda: broker.log_lines("launch-started"), "its socket")
                remove()
                refused = harness.parse_hello_reply(waiting.read_all())
            self.assertRefused(refused, harness.SPAWN_FAILED, prefix="backend spawn failed: the socket ")
            self.assertIn("was removed by somebody while the backend started", refused.reason)
            wait_for(lambda: not harness.pid_alive(pid), "the child's end")
            wait_for(lambda: is_listening(self.path), "a listener at " + self.path)
        wait_for(lambda: len([record for record in broker.log_lines("launch-failed") if "was removed by somebody" in
                              record["msg"]]) == 2, "a line for each")
        open(gate, "w").close()
        self.assertNegotiated(say_hello(self.path, "svc", "1.0.0"))
        broker.stop()

    def clean_inside(self):
        for name in os.listdir(self.box.broker_dir):
            path = os.path.join(self.box.broker_dir, name)
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def test_the_socket_of_one_backend(self):
        """The next client gets a new backend; those whose sockets are in place stay what they are."""
        for service in ("one", "two"):
            self.box.service(service)
        broker = self.serve()
        pipes = {service: say_hello(self.path, service, "1.0.0").backend_pipe for service in ("one", "two")}
        os.unlink(pipes["one"])
        self.lost(broker, 1)
        self.assertNotEqual(self.assertNegotiated(say_hello(self.path, "one", "1.0.0")).backend_pipe, pipes["one"])
        self.assertEqual(self.assertNegotiated(say_hello(self.path, "two", "1.0.0")).backend_pipe, pipes["two"])
        broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(broker.log_lines("definitions-rechecked")) == 1, "the look at everything")
        self.lost(broker, 1)
        broker.stop()


if __name__ == "__main__":
    harness.main()
