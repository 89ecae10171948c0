# SPDX-License-Identifier: MIT
"""Somebody cleans the run-time directory while the broker lives (a cleaner of temporary files, a hand that slipped)."""
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

    def comes_back(self, broker, n):
        wait_for(lambda: is_listening(self.path), "a listener at " + self.path)
        wait_for(lambda: len(broker.log_lines("socket-recreated")) == n, "the line that says so")
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.lstat(self.box.broker_dir).st_mode), 0o700)
        self.assertEqual(self.box.run("readyz").stdout, "ready\n")

    def test_the_control_socket_comes_back(self):
        broker = self.serve()
        harness.settle(self.box, broker)
        fds = broker.fd_count()
        os.unlink(self.path)
        self.comes_back(broker, 1)
        shutil.rmtree(os.path.dirname(self.box.broker_dir))
        self.comes_back(broker, 2)
        os.rename(self.box.broker_dir, self.box.broker_dir + ".moved")
        self.comes_back(broker, 3)
        upper = os.path.dirname(self.box.broker_dir)
        os.rename(upper, upper + ".moved")  # not watched: SIGHUP has it looked at
        broker.process.send_signal(signal.SIGHUP)
        self.comes_back(broker, 4)
        harness.wait_fds_back(broker, fds)
        second = self.box.daemon("serve", socket=self.path)
        self.assertEqual(second.wait(), 1)
        self.assertIn("already running", second.stderr())
        broker.stop()
        self.assertFalse(os.path.exists(self.path))

    def test_backends_are_launched_into_the_new_directory(self):
        self.box.service("first")
        self.box.service("later")
        broker = self.serve()
        self.assertNegotiated(say_hello(self.path, "first", "1.0.0"), "1.0.0")
        shutil.rmtree(os.path.dirname(self.box.broker_dir))
        self.comes_back(broker, 1)
        negotiated = self.assertNegotiated(say_hello(self.path, "later", "1.0.0"), "1.0.0")
        self.assertTrue(is_listening(negotiated.backend_pipe))
        broker.stop()


if __name__ == "__main__":
    harness.main()
