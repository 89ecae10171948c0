# SPDX-License-Identifier: MIT
"""The backend of 30 lines in the hands of a real broker, and `conform`: what it says of good and of broken peers.

The broken ones are written here, each good but for one thing, so that a rule must fail on the right line and only there.
"""
import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading

import harness
from google.protobuf.message import DecodeError
from harness import BUILD, LANE_PROBE, Conn, frame, pb, say_hello, wait_for

BACKEND = os.path.join(BUILD, "tests/examples/backend-30-lines")
CLIENT = os.path.join(BUILD, "tests/examples/client-10-lines")
LANE, LANE_HANDOFF = 0xF001, 0xD0FF
BACKEND_RULES, BROKER_RULES = 28, 24
PATIENCE = 0.3    # how long a backend here waits for a first frame


def conform(case, *args, fails=None, quick=True, **env):
    """(exit status, {rule: (holds, notice, detail)}) of `conform --json`. It judges how quickly a peer answers, which on a
    busy machine even a good one does not always do: where other rules fail than should (`fails`), it is asked again."""
    if quick and "--broker" not in args:
        args += ("--quick",)
    for _ in range(5):
        status, rules = conform_once(case, *args, **env)
        if fails is None or (failed(rules) == sorted(fails) and "probe-in-time" not in noticed(rules)):
            break
    return status, rules


def conform_once(case, *args, **env):
    done = case.box.run("conform", "--json", *args, env=case.box.env(**env))
    if not done.stdout:
        raise AssertionError("conform said nothing: exit %d, %s" % (done.returncode, done.stderr))
    document = json.loads(done.stdout)
    rules = {rule["rule"]: (rule["holds"], rule["notice"], rule["detail"]) for rule in document["rules"]}
    held = sum(1 for rule in document["rules"] if rule["holds"])
    case.assertEqual(document["rules_held"], held)
    case.assertEqual(document["rules_failed"] + document["rules_not_tried"], len(document["rules"]) - held)
    untried = [rule["rule"] for rule in document["rules"] if not rule["tried"]]
    case.assertEqual(untried, [rule["rule"] for rule in document["rules"] if rule["detail"].startswith("not tried")])
    case.assertEqual([rule["rule"] for rule in document["rules"] if not rule["tried"] and rule["holds"]], [])
    case.assertEqual(document["rules_not_tried"], len(untried))
    case.assertEqual(document["conforms"], document["rules_failed"] == 0)
    case.assertEqual(done.returncode, 0 if document["conforms"] else 1)
    case.assertEqual(done.stderr, "")
    return done.returncode, rules


def failed(rules):
    return sorted(name for name, (holds, _, detail) in rules.items() if not holds and not detail.startswith("not tried"))


def untried(rules):
    """Those that could not be tried; what merely was not asked for (--lane, --service, not --quick) is not among them."""
    return sorted(name for name, (_, _, detail) in rules.items()
                  if detail.startswith("not tried") and "--" not in detail)


def noticed(rules):
    return sorted(name for name, (_, notice, _) in rules.items() if notice)


def echo(path, payloads):
    """Sends payloads on one connection, one after the other; each must come back."""
    with Conn(path) as conn:
        for number, payload in enumerate(payloads, 1):
            conn.send(frame(payload, payload_protocol=LANE, request_id=number, traceparent="parent", tracestate="state"))
            got = b""
            while len(got) < 5 or len(got) < 5 + struct.unpack("<I", got[1:5])[0]:
                piece = conn.sock.recv(65536)
                if not piece:
                    raise AssertionError("closed without an answer")
                got += piece
            answer = harness.parse_frame(got)
            want = pb.Frame(envelope_version=1, kind=1, payload_protocol=LANE, payload=payload, request_id=number,
                            traceparent="parent", tracestate="state")
            if answer != want:
                raise AssertionError("other answer: %r" % answer)


class ThirtyLines(harness.Case):
    def setUp(self):
        super().setUp()
        harness.need(BACKEND, "the example of the backend library")
        self.program = self.box.service("toy", source=BACKEND, min_version="1.2.0")
        self.broker = self.box.launch_mode()

    def tearDown(self):
        self.broker.stop()

    def negotiate(self):
        return self.assertNegotiated(say_hello(self.broker.socket, "toy", "1.2.0"), "1.2.0").backend_pipe

    def test_is_launched_and_answers(self):
        path = self.negotiate()
        pids = self.box.backend_pids(self.program)
        self.assertEqual(self.negotiate(), path)
        self.assertEqual(self.box.backend_pids(self.program), pids)
        identity = harness.probe(path)
        self.assertEqual((identity.pid, identity.exe_path), (pids[0], self.program))
        self.assertEqual((identity.ipc_endpoint.path, identity.ipc_endpoint.namespace_id), (path, "shared"))
        self.assertFalse(identity.HasField("idle_timeout_secs"))
        echo(path, [b"", b"hello", b"x" * 200000, b"again"])

    def test_the_client_of_ten_lines(self):
        harness.need(CLIENT, "the example of the client library")
        env = self.box.env(RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS="20000")
        os.makedirs(self.box.broker_dir, mode=0o700, exist_ok=True)
        os.symlink(self.broker.socket, self.shared_socket())
        for _ in range(3):
            done = subprocess.run([CLIENT, "toy", "1.2.0"], env=env, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertEqual(len(self.box.backend_pids(self.program)), 1)
        done = subprocess.run([CLIENT, "toy", "1.0.0"], env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("below min_version", done.stdout)

    def shared_socket(self):
        return self.box.run("endpoint").stdout.strip()

    def test_adopts_the_listener(self):
        self.negotiate()
        pid = self.box.backend_pids(self.program)[0]
        listeners = [fd for fd, target in harness.proc_fds(pid).items() if target.startswith("socket:")]
        self.assertIn(3, listeners)

    def test_large_payload(self):
        path = self.negotiate()
        echo(path, [os.urandom(15 * 1024 * 1024)])

    def test_ends_in_order_and_comes_again(self):
        path = self.negotiate()
        pid = self.box.backend_pids(self.program)[0]
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not harness.pid_alive(pid), "its end")
        wait_for(lambda: not os.path.exists(path), "its socket removed")
        again = self.negotiate()
        self.assertNotEqual(self.box.backend_pids(self.program), [pid])
        echo(again, [b"back"])

    def test_conforms(self):
        status, rules = conform(self, "toy", fails=[], RUNNING_PROCESS_BROKER_V1_SOCKET=self.broker.socket)
        self.assertEqual((status, failed(rules), noticed(rules)), (0, [], []))
        self.assertEqual(len(rules), BACKEND_RULES + 1)    # and that the broker leads to it
        self.assertEqual(rules["first-frame"][2], "not tried: takes seconds, and --quick was given")
        status, rules = conform(self, self.negotiate(), "--lane", hex(LANE), fails=[], quick=False)
        self.assertEqual((status, failed(rules), noticed(rules), untried(rules)), (0, [], [], []))
        self.assertTrue(rules["lane-answer"][0])
        self.assertEqual(len(rules), BACKEND_RULES)

    def test_its_broker_conforms(self):
        """With a service that it serves, and with one that is not to be had."""
        for version in (["--version", "1.3.0"], []):
            status, rules = conform(self, "--broker", self.broker.socket, "--service", "toy", *version, fails=[])
            self.assertEqual((status, failed(rules), noticed(rules), untried(rules)), (0, [], [], []))
            self.assertTrue(rules["negotiated"][0])
        pids = self.box.backend_pids(self.program)
        self.assertEqual(len(pids), 2)
        for service, version, text in (("toy", "1.0.0", "version 1.0.0 refused with code 8"),
                                       ("nosuch", "1.0.0", "version 1.0.0 refused with code 2")):
            rules = conform(self, "--broker", self.broker.socket, "--service", service, "--version", version,
                            fails=["negotiated"])[1]
            self.assertEqual(failed(rules), ["negotiated"])
            self.assertIn(text, rules["negotiated"][2])

    @harness.bare_only
    def test_a_crowd_does_it_no_harm(self):
        """Silent, half, greedy and deaf clients: it proves itself all the while, and has forgotten them afterwards."""
        path = self.negotiate()
        pid = self.box.backend_pids(self.program)[0]
        echo(path, [b"warm"])
        fds, rss = len(harness.proc_fds(pid)), harness.proc_rss_kib(pid)
        greedy = struct.pack("<BI", 1, 1 << 24) + b"\x08\x01" + b"\0" * 60000
        crowd = []
        for number in range(400):
            conn = Conn(path)
            conn.sock.setblocking(False)
            try:
                conn.send((b"", b"\x01\x32", greedy, frame(b"x" * 100000, payload_protocol=LANE))[number % 4])
            except BlockingIOError:
                pass
            crowd.append(conn)
        status, rules = conform(self, path, fails=[])
        self.assertEqual((status, failed(rules)), (0, []), rules)
        self.assertLess(harness.proc_rss_kib(pid), rss + 100 * 1024)
        for conn in crowd:
            conn.close()
        wait_for(lambda: len(harness.proc_fds(pid)) <= fds, "its descriptors back")
        echo(path, [b"still here"])
        self.assertEqual(self.box.backend_pids(self.program), [pid])

    def test_a_service_that_is_refused(self):
        for args, detail in ((("nosuch",), "version 1.0.0 refused with code 2"),
                             (("toy", "--version", "1.0.0"), "version 1.0.0 refused with code 8")):
            status, rules = conform(self, *args, "--socket", self.broker.socket)
            self.assertEqual((status, list(rules)), (1, ["negotiated"]))
            self.assertIn(detail, rules["negotiated"][2])

    def test_its_own_listener(self):
        """Without a broker it binds the path that it is told, and two never share it."""
        path = os.path.join(self.box.sockets, "own.sock")
        env = {"RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE": path}
        first = subprocess.Popen([BACKEND], env=self.box.env(**env))
        wait_for(lambda: harness.is_listening(path), "a listener")
        second = subprocess.run([BACKEND], env=self.box.env(**env), capture_output=True, text=True)
        self.assertEqual(second.returncode, 1)
        self.assertIn("cannot listen at " + path, second.stderr)
        echo(path, [b"first"])
        first.kill()
        first.wait()
        self.assertTrue(os.path.exists(path))
        third = subprocess.Popen([BACKEND], env=self.box.env(**env))    # what a dead one left is replaced
        wait_for(lambda: harness.is_listening(path), "a listener")
        echo(path, [b"third"])
        third.terminate()
        self.assertEqual(third.wait(), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_listener_that_is_none(self):
        path = os.path.join(self.box.sockets, "own.sock")
        for number in ("77", "x", ""):
            done = subprocess.run([BACKEND], capture_output=True, text=True, env=self.box.env(
                RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE=path, RUNNING_PROCESS_BROKER_LISTENER_FD=number))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertFalse(os.path.exists(path))


class TestBackend(harness.Case):
    """The backend that the other tests launch: good by default, and broken as it is told."""

    def start(self, **config):
        program = self.box.install_program("t", config={"patience_ms": int(PATIENCE * 1000), **config})
        path = os.path.join(self.box.sockets, "t.sock")
        process = subprocess.Popen([program, path, "ns"], env=self.box.env())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for(lambda: harness.is_listening(path), "a listener")
        return path

    def test_good(self):
        status, rules = conform(self, self.start(), fails=[])
        self.assertEqual((status, failed(rules)), (0, []))

    def test_wrong_identity(self):
        for wrong, rule in (("boot_id", "identity-boot"), ("exe_hash", "identity-executable"),
                            ("exe_path", "identity-executable"), ("path", "identity-endpoint")):
            with self.subTest(wrong=wrong):
                path = self.start(wrong=wrong)
                self.assertEqual(failed(conform(self, path, fails=[rule])[1]), [rule])
                self.remove()

    def remove(self):
        self.box.kill_backends()
        try:
            os.unlink(os.path.join(self.box.sockets, "t.sock"))
        except FileNotFoundError:
            pass

    def test_silent_and_closing(self):
        for mode, detail in (("closes", "closed without an answer"), ("garbage", "what came is no frame")):
            with self.subTest(mode=mode):
                path = self.start(mode=mode)
                status, rules = conform(self, path)
                self.assertEqual(status, 1)
                self.assertIn(detail, rules["probe-in-time"][2])
                self.assertTrue(rules["accepts"][0])
                self.assertFalse(rules["idle-crowd"][0])
                self.remove()


class Model:
    """A backend in Python with one thing wrong. Its hash is made up: Python's library has no BLAKE3."""

    def __init__(self, path, defect=None):
        self.path, self.defect = path, defect
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        with open("/proc/sys/kernel/random/boot_id") as text:
            boot_id = text.read().strip()
        self.identity = pb.DaemonProcess(
            pid=os.getpid(), exe_path=os.readlink("/proc/self/exe"), boot_id=boot_id, started_at_unix_ms=1,
            ipc_endpoint=pb.Endpoint(namespace_id="ns", path=path), exe_hash_algorithm="blake3", exe_hash=b"\x11" * 32)
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.kept:
            conn.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            if self.defect == "one at a time":
                self._serve(conn)
            else:
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        data = b""
        conn.settimeout(None if self.defect == "waits for ever" else PATIENCE)
        try:
            while True:
                piece = conn.recv(65536)
                if not piece:
                    break
                conn.settimeout(None)
                data += piece
                used = self._judge(conn, data)
                if used is None:
                    break
                data = data[used:]
        except OSError:
            pass
        if self.defect != "keeps what it cannot serve" or not data:
            conn.close()
        else:
            self.kept.append(conn)

    def _judge(self, conn, data):
        """How many bytes are done with; None: drop the connection."""
        used = 0
        while len(data) > used:
            rest = data[used:]
            if rest[0] != 1:
                if self.defect == "a second protocol":
                    conn.sendall(b"400 not for me\n")
                return None
            if len(rest) < 5:
                return None if self.defect == "whole frames only" else used
            size = struct.unpack("<I", rest[1:5])[0]
            if size > 1 << 24 and self.defect != "believes every length":
                return None
            if len(rest) < 5 + size:
                return None if self.defect == "whole frames only" else used
            try:
                answer = self._answer(pb.Frame.FromString(rest[5:5 + size]))
            except DecodeError:
                answer = None
            if answer is None:
                return None
            conn.sendall(answer)
            used += 5 + size
            if self.defect == "one probe a connection":
                return None
        return used

    def _answer(self, request):
        if self.defect == "takes handoffs" and request.payload_protocol == LANE_HANDOFF:
            return frame(b"", kind=1, payload_protocol=LANE_HANDOFF, request_id=request.request_id)
        if request.payload_protocol == LANE:
            right = {"kind": 1, "payload_protocol": LANE, "request_id": request.request_id,
                     "traceparent": request.traceparent, "tracestate": request.tracestate}
            return frame(request.payload, **{**right, **(self.defect if isinstance(self.defect, dict) else {})})
        size_ok = len(request.payload) == 32 or self.defect == "any nonce"
        plain = request.payload_encoding == 0 or self.defect == "any encoding"
        if request.payload_protocol != LANE_PROBE or request.kind != 0 or request.envelope_version != 1 or \
                not size_ok or not plain or len(request.tracestate) > 4096:
            return None
        payload = request.payload + self.identity.SerializeToString(deterministic=True)
        if self.defect != "no tail":
            payload += b"\x1a\x20" + b"\0" * 32
        if self.defect == "late once":
            self.defect = None
            select.select([], [], [], 0.6)
        trace = {} if self.defect == "no trace" else {"traceparent": request.traceparent, "tracestate": request.tracestate}
        return frame(payload, kind=1, payload_protocol=LANE_PROBE, request_id=request.request_id, **trace)


class BrokenBackends(harness.Case):
    ALWAYS = ["identity-executable"]    # see Model

    def judge(self, defect, fails=None):
        path = os.path.join(self.box.sockets, "m.sock")
        model = Model(path, defect)
        self.addCleanup(model.close)
        return conform(self, path, fails=fails, quick=False)[1]

    def test_the_model_itself(self):
        rules = self.judge(None, self.ALWAYS)
        self.assertEqual((failed(rules), noticed(rules)), (self.ALWAYS, []))

    def expect(self, defect, *names):
        rules = self.judge(defect, self.ALWAYS + list(names))
        self.assertEqual(failed(rules), sorted(self.ALWAYS + list(names)), rules)

    def test_no_trace(self):
        self.expect("no trace", "probe-trace")

    def test_one_probe_a_connection(self):
        self.expect("one probe a connection", "probe-twice", "probe-pipelined")

    def test_whole_frames_only(self):
        self.expect("whole frames only", "probe-bytewise")

    def test_takes_handoffs(self):
        self.expect("takes handoffs", "broker-lane")

    def test_its_lane(self):
        """One frame on a lane of its own, whose answer must repeat what was asked."""
        path = os.path.join(self.box.sockets, "m.sock")
        model = Model(path)
        self.addCleanup(model.close)
        for number in ("0xF001", "61441"):
            status, rules = conform(self, path, "--lane", number, fails=self.ALWAYS)
            self.assertEqual(failed(rules), self.ALWAYS)
            self.assertTrue(rules["lane-answer"][0], rules)
        for wrong, text in (({"request_id": 5}, "request id 5"), ({"payload_protocol": 0xF002}, "lane 0xf002"),
                            ({"kind": 0}, "kind 0"), ({"envelope_version": 2}, "envelope version 2"),
                            ({"payload_encoding": 1}, "encoding 1"), ({"traceparent": "x"}, "trace context"),
                            ({"tracestate": ""}, "trace context"), ({"deadline_unix_ms": 1}, "deadline")):
            model.defect = wrong
            rules = conform(self, path, "--lane", "0xf001", fails=self.ALWAYS + ["lane-answer"])[1]
            self.assertEqual(failed(rules), self.ALWAYS + ["lane-answer"], wrong)
            self.assertIn(text, rules["lane-answer"][2])

    def test_a_lane_that_it_does_not_serve(self):
        path = os.path.join(self.box.sockets, "m.sock")
        model = Model(path)
        self.addCleanup(model.close)
        rules = conform(self, path, "--lane", "0xF123", fails=self.ALWAYS + ["lane-answer"])[1]
        self.assertEqual(failed(rules), self.ALWAYS + ["lane-answer"])
        self.assertIn("closed without an answer", rules["lane-answer"][2])
        self.assertEqual(conform(self, path, fails=self.ALWAYS)[1]["lane-answer"], (False, False, "not tried: needs --lane"))

    def test_believes_every_length(self):
        self.expect("believes every length", "bad-length")

    def test_any_encoding(self):
        self.expect("any encoding", "bad-encoding")

    def test_any_nonce(self):
        self.expect("any nonce", "bad-nonce")

    def test_one_at_a_time(self):
        self.expect("one at a time", "idle-crowd", "half-crowd")

    def test_no_tail(self):
        rules = self.judge("no tail", self.ALWAYS)
        self.assertEqual((failed(rules), noticed(rules)), (self.ALWAYS, ["identity-tail"]))

    def test_a_second_protocol(self):
        """What does not begin like a frame may be somebody else's, who answers as he likes."""
        rules = self.judge("a second protocol", self.ALWAYS)
        self.assertEqual((failed(rules), noticed(rules)), (self.ALWAYS, ["bad-framing-byte"]))
        self.assertIn("15 bytes were answered", rules["bad-framing-byte"][2])

    def test_waits_for_ever(self):
        rules = self.judge("waits for ever")
        self.assertEqual((failed(rules), noticed(rules)), (self.ALWAYS, ["first-frame"]))
        self.assertIn("stays open", rules["first-frame"][2])

    def test_late(self):
        rules = self.judge("late once")
        self.assertEqual(failed(rules), sorted(self.ALWAYS + ["probe-in-time"]))
        self.assertEqual(rules["probe-in-time"][2], "no answer within 500 ms")

    def test_kept_open(self):
        rules = self.judge("keeps what it cannot serve")
        self.assertEqual(failed(rules), sorted(self.ALWAYS + [
            "bad-length", "bad-frame", "bad-lane", "broker-lane", "bad-encoding", "bad-nonce", "bad-envelope"]))
        self.assertEqual(noticed(rules), ["bad-framing-byte", "probe-cap"])
        self.assertIn("stayed open", rules["bad-lane"][2])

    def test_nobody_there(self):
        path = os.path.join(self.box.sockets, "nobody.sock")
        status, rules = conform(self, path)
        self.assertEqual((status, failed(rules), len(untried(rules))), (1, ["accepts"], BACKEND_RULES - 1))
        self.assertIn("failed to connect: No such file", rules["accepts"][2])
        self.assertEqual(rules["probe-twice"][2], "not tried")
        lines = self.box.run("conform", self.box.home + "/nobody").stdout.splitlines()
        self.assertTrue(lines[0].startswith("FAILS  accepts"), lines[0])
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[-1].endswith("0 rules hold, 1 do not, %d were not tried" % (BACKEND_RULES - 1)), lines[-1])


class NoBackends(harness.Case):
    """Sockets of somebody else: what their silence or their answers say nothing about neither holds nor fails."""
    IDENTITY = ["identity-boot", "identity-complete", "identity-endpoint", "identity-executable", "identity-pid",
                "identity-tail"]

    def listen(self, serve, backlog=64):
        path = os.path.join(self.box.sockets, "other.sock")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(backlog)

        def accept():
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(conn,), daemon=True).start()
        if serve:
            self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=accept, daemon=True).start()
        return path

    def test_echo(self):
        def serve(conn):
            with conn:
                try:
                    while piece := conn.recv(65536):
                        conn.sendall(piece)
                except OSError:
                    pass
        rules = conform(self, self.listen(serve))[1]
        self.assertEqual(untried(rules), sorted(self.IDENTITY + ["probe-in-time", "probe-trace"]), rules)
        self.assertIn("not tried: what came is no answer to a probe", rules["probe-in-time"][2])
        self.assertIn("probe-answer", failed(rules))
        self.assertTrue(rules["accepts"][0])

    def test_closes(self):
        rules = conform(self, self.listen(lambda conn: conn.close()))[1]
        self.assertEqual(untried(rules), sorted(self.IDENTITY + ["probe-trace"]), rules)
        self.assertIn("probe-in-time", failed(rules))

    def test_nobody_accepts(self):
        path = self.listen(None)
        for args, count in (((), BACKEND_RULES), (("--broker",), BROKER_RULES)):
            rules = conform(self, *args, path)[1]
            self.assertEqual((failed(rules), len(untried(rules))), (["accepts"], count - 1))
            self.assertIn("nothing came back", rules["accepts"][2])

    def test_a_full_backlog(self):
        path = self.listen(None, backlog=0)
        with Conn(path):    # a backlog of 0 holds one
            rules = conform(self, path)[1]
        self.assertEqual((failed(rules), len(untried(rules))), (["accepts"], BACKEND_RULES - 1))
        self.assertIn("its backlog is full", rules["accepts"][2])

    def test_negotiated_with_nobody(self):
        """A broker that leads nowhere, and one that speaks another protocol."""
        reply = pb.Negotiated(negotiated_protocol=1, daemon_version="1.0.0", backend_pipe="/nowhere/gone.sock")

        def serve(conn):
            with conn:
                try:
                    conn.recv(65536)
                    conn.sendall(frame(pb.HelloReply(negotiated=reply).SerializeToString(), kind=1, payload_protocol=0))
                except OSError:
                    pass
        path = self.listen(serve)
        rules = conform(self, "--broker", path, "--service", "toy", "--version", "1.0.0")[1]
        self.assertEqual(rules["negotiated"][2],
                         'the backend is at "/nowhere/gone.sock", where nobody can be reached: No such file or directory')
        reply.negotiated_protocol = 2
        rules = conform(self, "--broker", path, "--service", "toy", "--version", "1.0.0")[1]
        self.assertEqual(rules["negotiated"][2], "protocol 2 was negotiated")
        rules = conform(self, "--broker", path)[1]
        self.assertEqual(rules["negotiated"], (False, False, "not tried: needs --service"))

    def test_no_complete_identity(self):
        """The probe is answered well, but for what it says of the backend."""
        path = os.path.join(self.box.sockets, "m.sock")
        model = Model(path)
        model.identity.ClearField("ipc_endpoint")
        self.addCleanup(model.close)
        rules = conform(self, path)[1]
        self.assertTrue(rules["probe-in-time"][0] and rules["probe-answer"][0] and rules["identity-tail"][0], rules)
        self.assertIn("identity-complete", failed(rules))
        self.assertEqual(untried(rules),
                         ["identity-boot", "identity-endpoint", "identity-executable", "identity-pid"])


class Proxy:
    """Stands before a real broker and changes one thing in what it says."""

    def __init__(self, path, broker, old=b"", new=b"", closes=False):
        self.broker, self.old, self.new, self.closes = broker, old, new, closes
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn:
            if self.closes:
                return
            with Conn(self.broker) as broker:
                threading.Thread(target=self._forward, args=(conn, broker.sock), daemon=True).start()
                try:
                    answer = broker.read_all()
                    conn.sendall(answer.replace(self.old, self.new) if self.old else answer)
                    conn.shutdown(socket.SHUT_RDWR)    # close() alone does not end a stream that a thread reads
                except OSError:
                    pass

    @staticmethod
    def _forward(source, target):
        try:
            while True:
                piece = source.recv(65536)
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)
        except OSError:
            pass


class Brokers(harness.Case):
    def setUp(self):
        super().setUp()
        self.broker = self.box.launch_mode()

    def tearDown(self):
        self.broker.stop()

    def test_ours(self):
        status, rules = conform(self, "--broker", self.broker.socket, fails=[])
        self.assertEqual((status, failed(rules), noticed(rules)), (0, [], []))
        self.assertEqual(len(rules), BROKER_RULES)
        status, rules = conform(self, "--broker", "--socket", self.broker.socket, fails=[])
        self.assertEqual((status, failed(rules)), (0, []))

    def test_as_a_backend(self):
        """Somebody forgot --broker: most rules fail, what no answer to a probe shows is not tried, and the end says why."""
        rules = conform(self, self.broker.socket)[1]
        self.assertEqual(untried(rules), sorted(NoBackends.IDENTITY + ["probe-in-time", "probe-trace"]), rules)
        done = self.box.run("conform", self.broker.socket)
        self.assertEqual(done.stdout.splitlines()[-1], "hint: a broker answers there: conform --broker " + self.broker.socket)
        document = json.loads(self.box.run("conform", "--json", self.broker.socket).stdout)
        self.assertEqual(document["hint"], "a broker answers there: conform --broker " + self.broker.socket)

    def test_a_backend_as_a_broker(self):
        path = os.path.join(self.box.sockets, "m.sock")
        model = Model(path)
        self.addCleanup(model.close)
        done = self.box.run("conform", "--broker", path)
        self.assertEqual(done.stdout.splitlines()[-1], "hint: a backend answers there: conform " + path)
        self.assertNotIn("hint", self.box.run("conform", path).stdout)

    def expect(self, *names, **changes):
        path = os.path.join(self.box.sockets, "proxy.sock")
        proxy = Proxy(path, self.broker.socket, **changes)
        try:
            rules = conform(self, "--broker", path, fails=names)[1]
        finally:
            proxy.close()
            os.unlink(path)
        self.assertEqual(failed(rules), sorted(names))
        return rules

    def test_the_proxy_itself(self):
        self.expect()

    def test_another_text(self):
        self.expect("bad-framing-byte", old=b"unsupported framing", new=b"Unsupported framing")
        self.expect("healthz", old=b"ok\n", new=b"OK\n")
        self.expect("unknown-verb", old=b"unsupported admin verb", new=b"nonsupported admin verb"[:22])
        rules = self.expect("bad-length", "long-hello", old=b"exceeds 64 KiB", new=b"exceeds 65 KiB")
        self.assertIn("exceeds 65 KiB", rules["long-hello"][2])

    def test_no_echo(self):
        rules = self.expect("unknown-service", "hello-bytewise", "idle-crowd", "bad-version", "bad-kind", "bad-lane",
                            "bad-encoding", "bad-payload", "bad-range", "bad-name", "bad-wanted", "long-hello", "healthz",
                            "readyz", "unknown-verb", old=b"conform=1", new=b"conform=2")
        self.assertIn("repeats not", rules["unknown-service"][2])

    def test_one_that_closes(self):
        path = os.path.join(self.box.sockets, "proxy.sock")
        proxy = Proxy(path, self.broker.socket, closes=True)
        self.addCleanup(proxy.close)
        rules = conform(self, "--broker", path)[1]
        self.assertEqual(sorted(name for name, (holds, _, _) in rules.items() if holds),
                         ["accepts", "bad-admin", "end-without-bytes"])


class CommandLine(harness.Case):
    def test_lines(self):
        path = os.path.join(self.box.sockets, "m.sock")
        model = Model(path)
        self.addCleanup(model.close)
        done = self.box.run("conform", path)
        lines = done.stdout.splitlines()
        self.assertEqual((done.returncode, done.stderr, len(lines)), (1, "", BACKEND_RULES + 1))
        self.assertEqual(lines[0], "holds  accepts              connections of its user are accepted (03 §15.1)")
        self.assertRegex(lines[7], r"^FAILS  identity-executable  .* \(03 §4\.3\): the hash is not BLAKE3")
        self.assertRegex(lines[13], r"^-----  lane-answer  .* \(03 §15\.3\): not tried: needs --lane$")
        self.assertEqual(lines[-1], "backend %s: %d rules hold, 1 do not, 1 were not tried" % (path, BACKEND_RULES - 2))

    def test_lines_come_as_they_are_found(self):
        path = os.path.join(self.box.sockets, "m.sock")
        model = Model(path, "waits for ever")
        self.addCleanup(model.close)
        process = subprocess.Popen([harness.DAEMON, "conform", path], stdout=subprocess.PIPE, env=self.box.env())
        with process.stdout:
            lines = [process.stdout.readline()]
            process.kill()
            lines += process.stdout.readlines()
        process.wait()
        self.assertTrue(lines[0].startswith(b"holds  accepts "), lines)
        self.assertLess(len(lines), BACKEND_RULES)    # the last rule takes seconds

    def test_usage(self):
        for args, text in (((), "requires"), (("a", "b"), "unexpected"), (("--nonsense",), "unknown option"),
                           (("x", "--min-version", "1"), "unknown option"),
                           (("--broker", "tool"), "--broker takes the path of a socket"),
                           (("/x/y", "--version", "1.0.0"), "--version goes with the name of a service"),
                           (("/x/y", "--service-def-dir", "/"), "--service-def-dir goes with the name of a service"),
                           (("--broker", "--version", "1.0.0"), "--version goes with the name of a service"),
                           (("/x/y", "--lane", "1"), "--lane takes"), (("/x/y", "--lane", "0xF001x"), "--lane takes"),
                           (("/x/y", "--lane", "0xB232"), "--lane takes"), (("/x/y", "--lane", "-1"), "--lane takes"),
                           (("--broker", "--lane", "0xF001"), "--lane goes with a backend"),
                           (("/x/y", "--service", "z"), "--service goes with --broker"),
                           (("x", "--service", "z"), "--service goes with --broker"),
                           (("/x/y", "--socket", "/z"), "--socket names the broker"),
                           (("--broker", "/x/y", "--socket", "/z"), "--socket names the broker")):
            done = self.box.run("conform", *args)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    harness.main()
