# SPDX-License-Identifier: MIT
"""The reference implementation's published client, newest and oldest release, against our broker and our backends."""
import json
import os
import subprocess

import clients
import messages
import reference  # noqa: F401
import harness
from clients import LANE, OUR_BACKEND, frames
from harness import (ACT, RATE_LIMITED, SERVICE_UNKNOWN, SHUTTING_DOWN, SPAWN_FAILED, VERSION_BLOCKED,
                     VERSION_UNSUPPORTED, pb, wait_for)

HEALTHZ, READYZ, STATUS, METRICS, SHUTDOWN = 4, 5, 1, 9, 21
NOBODY = "/nonexistent/broker.sock"


class Connect:
    """Everything that every release can do. `ways` are the forms of connecting that this one has."""
    ways = ("connect",)
    release = None

    def setUp(self):
        super().setUp()
        self.backend = self.box.service("svc", source=OUR_BACKEND, min_version="1.0.0")

    def start(self, *args, **env):
        return self.box.launch_mode(*args, env=self.box.env(**env))

    def each_way(self, *args):
        for way in self.ways:
            with self.subTest(way=way):
                yield self.client(way, *args)

    def test_release(self):
        self.assertEqual(self.client("version")["version"], self.release)

    # ------------------------------------------------------------------ connecting
    def test_negotiated_and_frames(self):
        broker = self.start("--hello-rate-limit", "0")
        payloads = [b"one", b"", os.urandom(30000)]
        for number, said in enumerate(self.each_way(broker.socket, "svc", "1.2.3", *frames(*payloads)), 1):
            self.assertConnected(said)
            got = said.negotiated()
            self.assertEqual((got.negotiated_protocol, got.daemon_version, got.backend_pipe, got.connection_id),
                             (1, "1.2.3", said["endpoint"], number))
            self.assertEqual(got.handle_passed_token, b"")
            self.assertEqual(said.replies, [(i, LANE, payload) for i, payload in enumerate(payloads, 1)])
        self.assertEqual(len(self.box.backend_pids(self.backend)), 1)
        broker.stop()

    def test_many_at_a_cold_start(self):
        broker = self.start("--hello-rate-limit", "0")
        waiting = [self.client.begin(self.ways[i % len(self.ways)], broker.socket, "svc", "1.0.0", *frames(b"%d" % i))
                   for i in range(12)]
        for number, end in enumerate(waiting):
            self.assertEqual(self.assertConnected(end()).replies, [(1, LANE, b"%d" % number)])
        self.assertEqual(len(self.box.backend_pids(self.backend)), 1)
        broker.stop()

    def test_keepalive(self):
        broker = self.start()
        for said in self.each_way(broker.socket, "svc", "1.0.0", "keepalive=45"):
            self.assertEqual(self.assertConnected(said).negotiated().keepalive_interval_secs, 45)
        broker.stop()

    def test_willing_to_adopt(self):
        """It waits for a handoff only when one was promised."""
        broker = self.start()
        for said in self.each_way(broker.socket, "svc", "1.0.0", "adopt=1", *frames(b"x")):
            self.assertEqual(self.assertConnected(said).replies, [(1, LANE, b"x")])
        broker.stop()

    def test_where_brokers_are(self):
        """Both sides derive the same paths, so a broker that was started without any is found."""
        for instance in ("shared", "private:svc", "explicit:ci-1"):
            for env in ({}, {"XDG_RUNTIME_DIR": None}):    # empty: unset here, a relative path there (decision 9b)
                ours = self.box.run("endpoint", "--instance", instance, env=self.box.env(**env))
                self.assertEqual(self.client("endpoint", instance, **env)["endpoint"], ours.stdout.strip())
        path = self.client("endpoint", "shared")["endpoint"]
        broker = self.box.daemon("serve", socket=path).ready()
        for said in self.each_way(path, "svc", "1.0.0", *frames(b"found")):
            self.assertEqual(self.assertConnected(said).replies, [(1, LANE, b"found")])
        broker.stop()

    def test_nobody_there(self):
        for said in self.each_way(NOBODY, "svc", "1.0.0"):
            self.assertError(said, "BrokerConnect")

    # ------------------------------------------------------------------ the cached endpoint
    def test_cached_endpoint(self):
        broker = self.start()
        pipe = self.assertConnected(self.client("connect", broker.socket, "svc", "1.0.0"))["endpoint"]
        for said in self.each_way(NOBODY, "svc", "1.0.0", "self=1.0.0", "cached=" + pipe, *frames(b"hit")):
            self.assertConnected(said, "HelloSkip")    # no broker was asked: there is none
            self.assertEqual((said["endpoint"], said.replies), (pipe, [(1, LANE, b"hit")]))
        for said in self.each_way(NOBODY, "svc", "1.0.0", "self=1.0.1", "cached=" + pipe):
            self.assertError(said, "BrokerConnect")    # of another version: the broker decides
        for said in self.each_way(broker.socket, "svc", "1.0.0", "self=1.0.0", "cached=/nonexistent/pipe"):
            self.assertEqual(self.assertConnected(said)["endpoint"], pipe)
        self.box.kill_backends(self.backend)
        for said in self.each_way(broker.socket, "svc", "1.0.0", "self=1.0.0", "cached=" + pipe, *frames(b"miss")):
            self.assertNotEqual(self.assertConnected(said)["endpoint"], pipe)
            self.assertEqual(said.replies, [(1, LANE, b"miss")])
        broker.stop()

    def test_cached_endpoint_survives_the_broker(self):
        broker = self.start()
        pipe = self.client("connect", broker.socket, "svc", "1.0.0")["endpoint"]
        broker.stop()
        for said in self.each_way(broker.socket, "svc", "1.0.0", "self=1.0.0", "cached=" + pipe, *frames(b"x")):
            self.assertEqual(self.assertConnected(said, "HelloSkip").replies, [(1, LANE, b"x")])

    # ------------------------------------------------------------------ refusals
    def refused(self, broker, code, kind, *args, **want):
        for said in self.each_way(broker.socket, *args):
            self.assertRefusedWith(said, code, kind, **want)

    def test_version_unsupported(self):
        broker = self.start()
        for low, high in ((0, 0), (2, 2), (2, 9)):
            self.assertRefusedWith(self.client("range", broker.socket, "svc", "1.0.0", low, high), VERSION_UNSUPPORTED,
                                   "VersionUnsupported", "client protocol range does not include v1")
        broker.stop()

    def test_version_blocked(self):
        self.box.definition("listed", version_allow_list=["1.0.0"])
        broker = self.start()
        self.refused(broker, VERSION_BLOCKED, "VersionBlocked", "svc", "0.9.9",
                     reason="wanted_version is below min_version", retry=30000)
        self.refused(broker, VERSION_BLOCKED, "VersionBlocked", "listed", "1.0.1",
                     reason="wanted_version is not in version_allow_list", retry=30000)
        broker.stop()

    def test_service_unknown(self):
        broker = self.start()
        self.refused(broker, SERVICE_UNKNOWN, "ServiceUnknown", "nosuch", "1.0.0",
                     reason="service definition was not found")
        broker.stop()

    def test_peer_rejected(self):
        broker = self.start()
        self.refused(broker, harness.PEER_REJECTED, "Other(ErrorPeerRejected)", "No-Name", "1.0.0",
                     reason="invalid service_name")
        broker.stop()

    def test_rate_limited(self):
        broker = self.start("--hello-rate-limit", "2")
        for said in self.each_way(broker.socket, "svc", "1.0.0", "repeat=50"):
            self.assertRefusedWith(said, RATE_LIMITED, "RateLimited", "Hello rate limit exceeded", retry=None)
            self.assertTrue(1 <= int(said["retry_after_ms"]) <= 1000, said.text)
        broker.stop()

    def test_spawn_failed_then_out_of_attempts(self):
        broker = self.start()
        for way in self.ways:
            self.box.service("bad-" + way, source="/bin/false")
            for _ in range(3):
                said = self.client(way, broker.socket, "bad-" + way, "1.0.0")
                self.assertRefusedWith(said, SPAWN_FAILED, "Other(ErrorBackendSpawnFailed)",
                                       prefix="backend spawn failed: ", retry=1000)
            said = self.client(way, broker.socket, "bad-" + way, "1.0.0")
            self.assertRefusedWith(said, RATE_LIMITED, "RateLimited", "backend spawn budget exhausted", retry=None)
            self.assertTrue(1 <= int(said["retry_after_ms"]) <= 30000, said.text)
        broker.stop()

    def test_shutting_down(self):
        broker = self.start()
        waiting = []
        for way in self.ways:    # a child each: then its Hello has been read
            program = self.box.service("slow-" + way, ACT["never binds"])
            waiting.append(self.client.begin(way, broker.socket, "slow-" + way, "1.0.0"))
            wait_for(lambda: self.box.backend_pids(program), "the child")
        self.assertEqual(self.client("admin", broker.socket, SHUTDOWN)["exit_code"], "0")
        for end in waiting:
            self.assertRefusedWith(end(), SHUTTING_DOWN, "ShuttingDown", retry=1000)
        self.assertEqual(broker.wait(), 0)

    # ------------------------------------------------------------------ admin
    def test_admin(self):
        broker = self.start()
        for verb, body in ((HEALTHZ, "ok\n"), (READYZ, "ready\n"),
                           (STATUS, "broker_instance: launch\naccepting_hello: true\n")):
            said = self.client("admin", broker.socket, verb)
            self.assertEqual((said.status, said["kind"], said["exit_code"], said["content_type"], said.body()),
                             (0, "0", "0", "text/plain", body))
        said = self.client("admin", broker.socket, STATUS, "json")
        self.assertEqual((said["kind"], said["exit_code"]), ("1", "0"))
        self.assertEqual(json.loads(said.body())["broker_pid"], broker.pid)
        said = self.client("admin", broker.socket, 77)
        self.assertEqual((said["exit_code"], said.body()), ("2", "unsupported admin verb\n"))
        said = self.client("admin", broker.socket, SHUTDOWN)
        self.assertEqual((said["exit_code"], said.body()), ("0", "broker shutting down\n"))
        self.assertEqual(broker.wait(), 0)
        self.assertError(self.client("admin", broker.socket, HEALTHZ), "BrokerConnect")

    # ------------------------------------------------------------------ identity
    def manifest(self, pipe, **changes):
        """A cache manifest that names the backend as its probe does, the SHA-256 of old releases included."""
        daemon = harness.probe(pipe)
        for name, value in changes.items():
            setattr(daemon, name, value)
        message = pb.CacheManifest(service_name="svc", service_version="1.0.0", current_daemon=daemon)
        path = os.path.join(self.box.dir, "manifest.pb")
        with open(path, "wb") as out:
            out.write(message.SerializeToString())
        return path

    def probes(self, *args):
        for probe in ("probe", "probe-async") if "async" in self.ways else ("probe",):
            with self.subTest(probe=probe):
                yield self.client(probe, *args)

    def test_identity_probe(self):
        broker = self.start()
        pipe = self.client("connect", broker.socket, "svc", "1.0.0")["endpoint"]
        pid, = self.box.backend_pids(self.backend)
        for said in self.probes(self.manifest(pipe), *frames(b"proven")):
            self.assertEqual((said.status, said["service"], said["alive"]), (0, "svc 1.0.0", "true"), said.text)
            self.assertEqual((said["pid"], said["exe_path"]), (str(pid), self.backend))
            self.assertEqual(said.replies, [(1, LANE, b"proven")])
        for changes in ({"pid": os.getpid()}, {"exe_path": "/bin/false"}, {"boot_id": "another-boot"}):
            for said in self.probes(self.manifest(pipe, **changes)):
                self.assertEqual(said.status, 1, said.text)
        path = self.manifest(pipe)
        self.box.kill_backends(self.backend)
        for said in self.probes(path):
            self.assertEqual(said.status, 1, said.text)
        broker.stop()

    # ------------------------------------------------------------------ messages
    exchanged = ("Frame", "Hello", "HelloReply", "Negotiated", "Refused", "HandoffOffer", "HandoffAck", "AdminReply",
                 "Endpoint", "ServiceDefinition", "LifecycleEvent")
    only_ours = {"HandoffOffer": ("ctl_flags",), "HandoffAck": ("ctl_flags", "credits")}

    def test_messages(self):
        """What Python and we write is what the client reads, and writes again."""
        for name in self.exchanged:
            sent = [messages.packed(m) for m in messages.samples(name, without=self.only_ours.get(name, ()))]
            for before, after in zip(sent, messages.recode([self.program, "recode"], name, sent)):
                self.assertIsNotNone(after, name)
                self.assertEqual(before, messages.packed(getattr(pb, name).FromString(after)), name)


class Newest(Connect, clients.Case):
    program = clients.THEIRS
    release = "4.10.21"
    ways = ("connect", "session", "async")
    exchanged = Connect.exchanged + ("AdminRequest", "DaemonProcess", "CacheManifest")

    def test_bare_socket(self):
        """The connected socket taken out of a session is the backend's."""
        broker = self.start()
        said = self.client("session", broker.socket, "svc", "1.0.0", *frames(b"first"))
        self.assertEqual(self.assertConnected(said)["bare"], said["endpoint"])
        broker.stop()

    def test_frame_client(self):
        broker = self.start()
        pipe = self.client("connect", broker.socket, "svc", "1.0.0")["endpoint"]
        payloads = [b"a", b"", os.urandom(40000), b"b"]
        for command in ("frames", "frames-async"):
            said = self.client(command, pipe, *frames(*payloads))
            self.assertEqual((said.status, said["next"]), (0, "5"), said.text)
            self.assertEqual(said.replies, [(i, LANE, payload) for i, payload in enumerate(payloads, 1)])
        self.assertEqual(self.client("frames", pipe, *frames(b"x", lane=0xF002)).status, 1, "a lane that is not served")
        self.assertEqual(self.client("frames", pipe, *frames(b"x"))["buffered"], "0")
        broker.stop()

    def test_disabled(self):
        """The variable keeps its sessions away from us; a plain connect does not look at it."""
        broker = self.start()
        for value, session in (("1", "BrokerDisabled"),
                               ("0", "DisableEnv: RUNNING_PROCESS_DISABLE must be unset or 1, got \"0\"")):
            for way in ("session", "async"):
                said = self.client(way, broker.socket, "svc", "1.0.0", RUNNING_PROCESS_DISABLE=value)
                self.assertError(said, session)
            self.assertConnected(self.client("connect", broker.socket, "svc", "1.0.0", RUNNING_PROCESS_DISABLE=value))
        broker.stop()

    def test_definition_of_its_builder(self):
        program = self.box.install_program("built", OUR_BACKEND)
        said = self.client("define", self.box.defs, "built", program, self.box.bin, "1.5.0")
        self.assertEqual(said.status, 0, said.text)
        self.assertEqual(os.path.dirname(said["path"]), self.box.defs)
        broker = self.start()
        self.refused(broker, VERSION_BLOCKED, "VersionBlocked", "built", "1.4.9", retry=30000)
        for said in self.each_way(broker.socket, "built", "1.5.0", *frames(b"x")):
            self.assertEqual(self.assertConnected(said).replies, [(1, LANE, b"x")])
        broker.stop()

    def test_identity_file(self):
        """The identity file of our backend library, read and proven."""
        broker = self.start()
        pipe = self.client("connect", broker.socket, "svc", "1.0.0")["endpoint"]
        said = self.client("sidecar", self.backend + ".identity.json")
        self.assertEqual((said["namespace"], said["path"]), ("shared", pipe), said.text)
        self.assertEqual(said["idle_timeout_secs"], "None")
        self.assertEqual((said["pid"], said["alive"]), (str(self.box.backend_pids(self.backend)[0]), "true"))
        self.assertEqual(said["hash"], harness.probe(pipe).exe_hash.hex())
        broker.stop()


    def test_direct_service_of_ours(self):
        """Their client for services without a broker: requests in flight together, health probes meanwhile."""
        state = os.path.join(self.box.home, "state")
        os.mkdir(state, 0o700)
        place = self.client("direct-place", state, "direct")
        os.makedirs(os.path.dirname(place["endpoint"]), mode=0o700, exist_ok=True)
        backend = subprocess.Popen([self.backend], stdin=subprocess.DEVNULL, env=self.box.env(
            RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE=place["endpoint"], OUR_BACKEND_IDENTITY=place["identity"],
            RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE="direct"))
        try:
            wait_for(lambda: os.path.exists(place["identity"]), "its identity file")
            payloads = [b"%d" % i for i in range(30)] + [os.urandom(20000)]
            said = self.client("direct", state, "direct", *frames(*payloads))
            self.assertEqual((said.status, said.values.get("state")), (0, "Up"), said.text)
            self.assertEqual(said.replies, [(i, LANE, payload) for i, payload in enumerate(payloads, 1)])
            backend.terminate()
            self.assertEqual(backend.wait(harness.WAIT), 0)
            self.assertFalse(os.path.exists(place["identity"]) or os.path.lexists(place["endpoint"]))
        finally:
            backend.kill()
            backend.wait()

    def test_our_client_at_their_direct_service(self):
        clients.need(clients.OURS)
        state = os.path.join(self.box.home, "state")
        os.mkdir(state, 0o700)
        pipe = self.client("direct-place", state, "direct")["endpoint"]
        server = subprocess.Popen([self.program, "direct-serve", state, "direct", str(LANE)], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, env=self.box.env())
        try:
            wait_for(lambda: harness.is_listening(pipe), "their service")
            payloads = [b"a", b"", os.urandom(30000)]
            said = clients.Client(self.box, clients.OURS)("connect", NOBODY, "direct", "1.0.0", "self=1.0.0",
                                                          "cached=" + pipe, *frames(*payloads))
            self.assertConnected(said, "HelloSkip")
            self.assertEqual(said.replies, [(i, LANE, payload) for i, payload in enumerate(payloads, 1)])
        finally:
            server.stdin.close()
            self.assertEqual(server.wait(harness.WAIT), 0)


class Oldest(Connect, clients.Case):
    """The first release that has a client for brokers."""
    program = clients.OLDEST
    release = "4.1.0"


if __name__ == "__main__":
    harness.main()
