# SPDX-License-Identifier: MIT
"""The refusal table against both brokers: the same bytes for every row that is not a known difference (decision 9f)."""
import unittest

import reference
from reference import harness
from harness import exchange
from refusal_table import Prefix, all_rows, install_definitions


class BothBrokers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reference.need()
        cls.boxes = []
        cls.ours = cls.start(harness.DAEMON, "--hello-rate-limit", "0")
        cls.theirs = cls.start(reference.BROKER)

    @classmethod
    def start(cls, program, *args):
        box = harness.Box()
        cls.boxes.append(box)
        install_definitions(box)
        return box.launch_mode(*args, program=program)

    @classmethod
    def tearDownClass(cls):
        for box in cls.boxes:
            box.cleanup()


def _test(row):
    def test(self):
        theirs = exchange(self.theirs.socket, row.send, row.finish)
        ours = exchange(self.ours.socket, row.send, row.finish)
        self.assertTrue(row.matches(ours), "ours: %r" % ours[:300])
        if isinstance(row.want, Prefix):
            self.assertTrue(row.matches(theirs), "theirs: %r" % theirs[:300])
        else:
            self.assertEqual(ours, theirs)
    test.__doc__ = row.title
    return test


for _number, _row in enumerate(all_rows()):
    if not _row.ours:
        setattr(BothBrokers, "test_%03d" % _number, _test(_row))


if __name__ == "__main__":
    harness.main()
