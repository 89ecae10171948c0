# SPDX-License-Identifier: MIT
"""What a broker says when it starts about the directory of the definitions: nobody has asked for a service yet."""
import os

import harness
from harness import SERVICE_UNKNOWN, Conn, say_hello, wait_for


class AtStart(harness.Case):
    def setUp(self):
        super().setUp()
        self.dir = self.box.defs
        self.away = os.path.join(self.box.home, "away")

    def start(self):
        self.broker = self.box.launch_mode()
        self.addCleanup(self.broker.stop)

    def said(self):
        return [line["msg"] for line in self.broker.log_lines("security-violation")]

    def expect(self, *words):
        """One line, without a Hello; the first Hello is refused with the same words, and does not repeat the line."""
        self.start()
        wait_for(self.said, "the line about the directory")
        reply = say_hello(self.broker.socket, "svc", "1.0.0")
        self.assertRefused(reply, SERVICE_UNKNOWN, prefix="service definition could not be loaded: " + self.dir)
        self.assertEqual(len(self.said()), 1)
        for word in (self.dir, *words):
            self.assertIn(word, self.said()[0])

    def test_others_can_read_it(self):
        os.chmod(self.dir, 0o755)
        self.expect("has mode 0755, so other users can read it; make it private: chmod 700 '%s'" % self.dir)
        os.chmod(self.dir, 0o700)
        self.assertRefused(say_hello(self.broker.socket, "svc", "1.0.0"), SERVICE_UNKNOWN,
                           "service definition was not found")

    def test_others_can_write_it(self):
        os.chmod(self.dir, 0o720)
        self.expect("other users can write it", "chmod 700")

    def test_a_link(self):
        os.rename(self.dir, self.away)
        os.symlink(self.away, self.dir)
        self.expect("is a symbolic link", "use the directory itself")

    def test_a_file(self):
        os.rename(self.dir, self.away)
        with open(self.dir, "w"):
            pass
        self.expect("is not a directory; remove it or use another directory")

    def test_somebody_elses(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give a directory away")
        os.chown(self.dir, 12345, -1)
        self.expect("belongs to uid 12345, not to you")

    def assertSilent(self):
        self.start()
        say_hello(self.broker.socket, "svc", "1.0.0")    # whatever the start has to say is said by then
        self.assertEqual([line for line in self.broker.log_lines() if line["level"] in ("warn", "error")], [])

    def test_none(self):
        os.rename(self.dir, self.away)
        self.assertSilent()

    def test_a_good_one(self):
        self.assertSilent()


if __name__ == "__main__":
    harness.main()
