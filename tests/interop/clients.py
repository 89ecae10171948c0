# SPDX-License-Identifier: MIT
"""Client libraries as commands: the published one (rust-client/), newest and oldest, and ours (our-client.c)."""
import os
import subprocess
import unittest

import reference  # noqa: F401  (puts the harness on the module path)
import harness
from harness import pb

LANE = 0xF001
THEIRS = os.environ.get("RPB_THEIR_CLIENT", "")
OLDEST = os.environ.get("RPB_THEIR_OLDEST_CLIENT", "")
OURS = os.path.join(harness.BUILD, "tests/interop/our-client")
OUR_BACKEND = os.path.join(harness.BUILD, "tests/interop/our-backend")
# the words of our library for what the other one calls
REFUSALS = {"1": "VersionUnsupported", "2": "VersionBlocked", "3": "ServiceUnknown", "4": "RateLimited",
            "5": "ShuttingDown"}


def need(program):
    """Skips where the published client was not built; scripts/interop says why, and CI takes it for a failure."""
    if not program:
        raise unittest.SkipTest("the published client was not built here")
    if not os.access(program, os.X_OK):
        raise AssertionError("there is no %s" % program)


class Said:
    """What a command printed."""

    def __init__(self, got):
        self.status, self.text = got.returncode, got.stdout + got.stderr
        self.replies, self.values = [], {}
        for line in got.stdout.splitlines():
            name, _, value = line.partition("=")
            if name == "reply":
                number, lane, payload = value.split(" ")
                self.replies.append((int(number), int(lane), bytes.fromhex(payload)))
            else:
                self.values[name] = value

    def __getitem__(self, name):
        if name not in self.values:
            raise AssertionError("no %s in: %s" % (name, self.text))
        return self.values[name]

    def negotiated(self):
        return pb.Negotiated.FromString(bytes.fromhex(self["negotiated"]))

    def body(self):
        return bytes.fromhex(self["body"]).decode()


def frames(*payloads, lane=LANE):
    return [word for payload in payloads for word in (str(lane), payload.hex())]


class Client:
    def __init__(self, box, program):
        self.box, self.program = box, program

    def __call__(self, *args, **env):
        got = subprocess.run([self.program, *map(str, args)], env=self.box.env(**env), stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=harness.WAIT * 3, cwd=self.box.home)
        if got.returncode not in (0, 1):
            raise AssertionError("%r ended with %d: %s" % (args, got.returncode, got.stdout + got.stderr))
        return Said(got)

    def begin(self, *args):
        """The same without waiting: call it for what was said."""
        process = subprocess.Popen([self.program, *map(str, args)], env=self.box.env(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.box.home)

        def end():
            out, err = process.communicate(timeout=harness.WAIT * 3)
            return Said(subprocess.CompletedProcess(args, process.returncode, out, err))
        return end


class Case(harness.Case):
    """A box with one client in it: self.client(...)."""
    program = None

    def setUp(self):
        need(self.program)
        super().setUp()
        self.client = Client(self.box, self.program)

    def assertConnected(self, said, route="BrokerNegotiated"):
        self.assertEqual((said.status, said.values.get("route")), (0, route), said.text)
        return said

    def assertError(self, said, kind):
        self.assertEqual((said.status, said.values.get("error")), (1, kind), said.text)
        return said

    def assertRefusedWith(self, said, code, kind, reason=None, prefix=None, retry=0):
        """`kind` is how the library classifies it; None where it does not."""
        self.assertEqual((said.status, said["code"]), (1, str(code)), said.text)
        if kind is not None and "refusal" in said.values:
            shown = said["refusal"]
            self.assertEqual(REFUSALS.get(shown, shown), "Some(%s)" % kind if shown.startswith("Some") else kind)
        if reason is not None:
            self.assertEqual(said["reason"], reason)
        if prefix is not None:
            self.assertTrue(said["reason"].startswith(prefix), said["reason"])
        if retry is not None:
            self.assertEqual(said["retry_after_ms"], str(retry))
        return said
