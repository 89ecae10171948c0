# SPDX-License-Identifier: MIT
"""Our client library at the reference broker and its test backend, and our backend library launched by it. The same
program does the same at our own broker, so the two must say the same."""
import os

import clients
import reference
from reference import harness
from clients import LANE, OUR_BACKEND, frames
from harness import RATE_LIMITED, SERVICE_UNKNOWN, SPAWN_FAILED, VERSION_BLOCKED

PID_LANE = 0xF824    # the reference's test backend answers each frame on this lane with its pid, then closes
NOBODY = "/nonexistent/broker.sock"


def pid_of(said):
    (number, lane, payload), = said.replies
    return number, lane, int.from_bytes(payload, "big")


class OurClient:
    """Against a broker that `start` brings up; both backends are there, theirs and ours."""
    program = clients.OURS

    def setUp(self):
        super().setUp()
        reference.need()
        # the reference makes no directories before it launches
        os.makedirs(os.path.join(self.box.runtime, "running-process/broker"), mode=0o700, exist_ok=True)
        os.chmod(os.path.join(self.box.runtime, "running-process"), 0o700)
        self.theirs = self.box.service("theirs", source=reference.BACKEND, min_version="1.0.0")
        self.ours = self.box.service("ours", source=OUR_BACKEND)

    def connect(self, *args):
        return self.client("connect", *args)

    def test_negotiated_and_frames(self):
        broker = self.start()
        said = self.assertConnected(self.connect(broker.socket, "theirs", "1.2.3", *frames(b"?", lane=PID_LANE)))
        pid, = self.box.backend_pids(self.theirs)
        self.assertEqual(pid_of(said), (1, PID_LANE, pid))
        self.assertEqual((said["protocol"], said["daemon_version"], said["backend_pipe"]),
                         ("1", "1.2.3", said["endpoint"]))
        payloads = [b"one", b"", os.urandom(30000)]
        said = self.assertConnected(self.connect(broker.socket, "ours", "2.0.0", *frames(*payloads)))
        self.assertEqual(said.replies, [(i, LANE, payload) for i, payload in enumerate(payloads, 1)])
        again = self.assertConnected(self.connect(broker.socket, "ours", "2.0.0", *frames(b"warm")))
        self.assertEqual((again["endpoint"], len(self.box.backend_pids(self.ours))), (said["endpoint"], 1))
        self.stop(broker)

    def test_cached_endpoint(self):
        broker = self.start()
        for service, program, frame in (("theirs", self.theirs, frames(b"?", lane=PID_LANE)),
                                        ("ours", self.ours, frames(b"x"))):
            pipe = self.assertConnected(self.connect(broker.socket, service, "1.0.0"))["endpoint"]
            said = self.connect(NOBODY, service, "1.0.0", "self=1.0.0", "cached=" + pipe, *frame)
            self.assertConnected(said, "HelloSkip")
            self.assertEqual((said["endpoint"], len(said.replies)), (pipe, 1))
            self.assertError(self.connect(NOBODY, service, "1.0.0", "self=1.0.1", "cached=" + pipe), "E_BROKER_CONNECT")
            said = self.connect(broker.socket, service, "1.0.0", "self=1.0.0", "cached=/nonexistent/pipe", *frame)
            self.assertEqual(self.assertConnected(said)["endpoint"], pipe)
            self.box.kill_backends(program)
            self.assertFalse(harness.is_listening(pipe), "a listener without its backend")
            said = self.connect(broker.socket, service, "1.0.0", "self=1.0.0", "cached=" + pipe, *frame)
            self.assertConnected(said)
            self.assertEqual(len(said.replies), 1)
        self.stop(broker)

    def test_refusals(self):
        self.box.definition("listed", version_allow_list=["1.0.0"])
        broker = self.start()
        for args, code, kind, want in (
                (("theirs", "0.9.9"), VERSION_BLOCKED, "VersionBlocked",
                 dict(reason="wanted_version is below min_version", retry=30000)),
                (("listed", "1.0.1"), VERSION_BLOCKED, "VersionBlocked",
                 dict(reason="wanted_version is not in version_allow_list", retry=30000)),
                (("nosuch", "1.0.0"), SERVICE_UNKNOWN, "ServiceUnknown",
                 dict(reason="service definition was not found")),
                (("No-Name", "1.0.0"), harness.PEER_REJECTED, None, dict(reason="invalid service_name"))):
            said = self.assertError(self.connect(broker.socket, *args), "E_REFUSED")
            self.assertRefusedWith(said, code, kind, **want)
        self.stop(broker)

    def test_spawn_failed_then_out_of_attempts(self):
        self.box.definition("bad", self.box.bin + "/missing")
        broker = self.start()
        for _ in range(3):
            said = self.connect(broker.socket, "bad", "1.0.0")
            self.assertRefusedWith(said, SPAWN_FAILED, None, prefix="backend spawn failed: ", retry=1000)
        said = self.connect(broker.socket, "bad", "1.0.0")
        self.assertRefusedWith(said, RATE_LIMITED, "RateLimited", "backend spawn budget exhausted", retry=None)
        self.assertTrue(1 <= int(said["retry_after_ms"]) <= 30000)
        self.stop(broker)


class AtTheirBroker(OurClient, clients.Case):
    def start(self):
        return self.box.launch_mode(program=reference.BROKER)

    def stop(self, broker):
        """It has no handler for signals."""
        self.assertEqual(harness.ask_admin(broker.socket, harness.pb.ADMIN_VERB_SHUTDOWN).exit_code, 0)
        self.assertEqual(broker.wait(), 0)


class AtOurBroker(OurClient, clients.Case):
    def start(self):
        return self.box.launch_mode()

    def stop(self, broker):
        broker.stop()


class IdentityFiles(clients.Case):
    """What the reference's backend writes about itself, read by our backend library."""
    program = OUR_BACKEND

    def test_their_identity_file(self):
        reference.need()
        program = self.box.service("theirs", source=reference.BACKEND)
        broker = self.box.launch_mode()
        reply = self.assertNegotiated(harness.say_hello(broker.socket, "theirs", "1.0.0"))
        found = [os.path.join(where, name) for where, _, names in os.walk(self.box.dir) for name in names
                 if name == "daemon-theirs.json"]
        self.assertEqual(len(found), 1, found)
        said, daemon = self.client("identity", found[0]), harness.probe(reply.backend_pipe)
        self.assertEqual(said.status, 0, said.text)
        self.assertEqual((said["pid"], said["exe_path"], said["namespace"], said["path"]),
                         (str(daemon.pid), program, "shared", reply.backend_pipe))
        self.assertEqual((said["boot_id"], said["hash"]), (daemon.boot_id, daemon.exe_hash.hex()))
        broker.stop()


if __name__ == "__main__":
    harness.main()
