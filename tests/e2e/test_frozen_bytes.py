# SPDX-License-Identifier: MIT
"""The worked bytes of spec 01 §16, 03 §5.5 and 05 §1.6, literally: requests sent as they stand, answers compared.

Where an answer holds a value of the moment (a path, a pid), the frozen bytes are rebuilt with that value in place and
must still match bit for bit. The encodings of §16.1 are checked against proto/*.proto as Python's protobuf reads it, so
that a schema that drifted cannot hide behind a daemon that drifted with it.
"""
import os
import signal

import harness
from harness import exchange, pb


def hexed(text):
    return bytes.fromhex("".join(text.split()))


NONCE = bytes(range(32))
TOKEN = bytes(range(16))
MINIMAL_HELLO = hexed("01 1C 00 00 00 08 01 22 16 08 01 10 01 1A 07 7A 63 63 61 63 68 65 22 07 31 2E 31 31 2E 32 30 28 01")
REFUSED_UNKNOWN = hexed("""01 32 00 00 00 08 01 10 01 22 2A 12 28 0A 20 73 65 72 76 69 63 65 20 64 65 66 69 6E 69 74 69
    6F 6E 20 77 61 73 20 6E 6F 74 20 66 6F 75 6E 64 10 01 18 01 20 02 28 01""")
REFUSED_FLOOR = hexed("""01 39 00 00 00 08 01 10 01 22 31 12 2F 0A 23 77 61 6E 74 65 64 5F 76 65 72 73 69 6F 6E 20 69 73
    20 62 65 6C 6F 77 20 6D 69 6E 5F 76 65 72 73 69 6F 6E 10 01 18 01 20 08 30 B0 EA 01 28 01""")
REFUSED_FRAMING = hexed("""01 2B 00 00 00 08 01 10 01 22 25 12 23 0A 1B 75 6E 73 75 70 70 6F 72 74 65 64 20 66 72 61 6D
    69 6E 67 20 76 65 72 73 69 6F 6E 10 01 18 01 20 01""")
REFUSED_ENVELOPE = hexed("""01 30 00 00 00 08 01 10 01 22 2A 12 28 0A 20 66 72 61 6D 65 20 65 6E 76 65 6C 6F 70 65 5F 76
    65 72 73 69 6F 6E 20 69 73 20 6E 6F 74 20 76 31 10 01 18 01 20 01""")
REFUSED_MALFORMED = hexed("""01 26 00 00 00 08 01 10 01 22 20 12 1E 0A 16 6D 61 6C 66 6F 72 6D 65 64 20 62 72 6F 6B 65 72
    20 46 72 61 6D 65 10 01 18 01 20 06""")
REFUSED_RATE_HEAD = hexed("""08 01 10 01 22 26 12 24 0A 19 48 65 6C 6C 6F 20 72 61 74 65 20 6C 69 6D 69 74 20 65 78 63 65
    65 64 65 64 10 01 18 01 20 04 30 DB 05 28 01""")
PRESSURE = hexed("""01 45 00 00 00 08 01 10 01 22 3D 12 3B 0A 30 62 72 6F 6B 65 72 20 69 73 20 6C 6F 77 20 6F 6E 20 66 69
    6C 65 20 64 65 73 63 72 69 70 74 6F 72 73 3B 20 72 65 74 72 79 20 73 68 6F 72 74 6C 79 10 01 18 01 20 09 30 E8 07 28 29""")
PROGRESS = hexed("""01 36 00 00 00 08 01 10 01 22 2e 12 2c 0a 21 62 61 63 6b 65 6e 64 20 73 70 61 77 6e 20 61 6c 72 65 61
    64 79 20 69 6e 20 70 72 6f 67 72 65 73 73 10 01 18 01 20 04 30 e8 07 28 07""")
HEALTHZ = hexed("01 0C 00 00 00 08 01 18 81 DA 02 22 02 08 04 28 01")
HEALTHZ_REPLY = hexed("01 1D 00 00 00 08 01 10 01 18 81 DA 02 22 11 12 03 6F 6B 0A 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01")
UNSUPPORTED_REPLY = hexed("""01 33 00 00 00 08 01 10 01 18 81 DA 02 22 27 12 17 75 6E 73 75 70 70 6F 72 74 65 64 20 61 64
    6D 69 6E 20 76 65 72 62 0A 18 02 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01""")
NOT_READY_REPLY = hexed("""01 26 00 00 00 08 01 10 01 18 81 DA 02 22 1A 12 0A 6E 6F 74 20 72 65 61 64 79 0A 18 01 22 0A 74
    65 78 74 2F 70 6C 61 69 6E 28 01""")
STATUS = hexed("01 0E 00 00 00 08 01 18 81 DA 02 22 04 08 01 10 01 28 01")
SHUTDOWN = hexed("01 0F 00 00 00 08 01 18 81 DA 02 22 05 08 15 28 88 27 28 01")
SHUTDOWN_REPLY = hexed("""01 2F 00 00 00 08 01 10 01 18 81 DA 02 22 23 12 15 62 72 6F 6B 65 72 20 73 68 75 74 74 69 6E 67
    20 64 6F 77 6E 0A 22 0A 74 65 78 74 2F 70 6C 61 69 6E 28 01""")
PROBE = hexed("01 32 00 00 00 08 01 18 B2 E4 02 22 20") + NONCE + hexed("28 80 82 88 98 C0 A0 81 83 07")
STOCK_HELLO = hexed("""01 41 00 00 00 08 01 22 3B 08 01 10 01 1A 07 7A 63 63 61 63 68 65 22 07 31 2E 31 31 2E 32 30 30 01
    42 05 68 65 6C 6C 6F 50 92 21 5A 0F 72 75 6E 6E 69 6E 67 2D 70 72 6F 63 65 73 73 62 06 34 2E 31 30 2E 36 28 01""")


class Requests(harness.Case):
    def setUp(self):
        super().setUp()
        self.broker = self.box.launch_mode()

    def tearDown(self):
        self.broker.stop()

    def ask(self, data):
        return exchange(self.broker.socket, data)

    def test_hello_for_an_unknown_service(self):
        self.assertEqual(self.ask(MINIMAL_HELLO), REFUSED_UNKNOWN)

    def test_hello_below_the_floor(self):
        self.box.definition("zccache", min_version="2.0.0")
        self.assertEqual(self.ask(MINIMAL_HELLO), REFUSED_FLOOR)

    def test_one_byte_of_another_framing(self):
        self.assertEqual(self.ask(b"\x02"), REFUSED_FRAMING)

    def test_empty_frame(self):
        self.assertEqual(self.ask(hexed("01 00 00 00 00")), REFUSED_ENVELOPE)

    def test_empty_hello(self):
        got = harness.parse_hello_reply(self.ask(hexed("01 02 00 00 00 08 01")))
        self.assertRefused(got, 1, "client protocol range does not include v1", 0)

    def test_malformed_frame(self):
        self.assertEqual(self.ask(hexed("01 01 00 00 00 FF")), REFUSED_MALFORMED)

    def test_stock_hello_lies_about_its_pid_here(self):
        got = harness.parse_hello_reply(self.ask(STOCK_HELLO))
        self.assertRefused(got, 6, "peer_pid does not match verified peer", 0)

    def test_stock_hello_with_our_pid(self):
        message = pb.Hello(client_min_protocol=1, client_max_protocol=1, service_name="zccache",
                           wanted_version="1.11.20", client_capabilities=1, request_id="hello", peer_pid=4242,
                           client_lib_name="running-process", client_lib_version="4.10.6")
        self.assertEqual(harness.frame(message), STOCK_HELLO)
        message.peer_pid = os.getpid()
        self.assertEqual(self.ask(harness.frame(message)), REFUSED_UNKNOWN)

    def test_healthz(self):
        self.assertEqual(self.ask(HEALTHZ), HEALTHZ_REPLY)

    def test_unknown_verb(self):
        for verb in (0, 10, 99):
            self.assertEqual(self.ask(harness.admin_frame(verb)), UNSUPPORTED_REPLY)

    def test_status(self):
        reply = harness.parse_admin_reply(self.ask(STATUS))
        self.assertEqual((reply.kind, reply.content_type, reply.exit_code), (1, "application/json", 0))

    def test_shutdown(self):
        self.assertEqual(self.ask(SHUTDOWN), SHUTDOWN_REPLY)
        self.assertEqual(self.broker.wait(), 0)
        self.assertFalse(os.path.lexists(self.broker.socket))

    def test_rate_limit(self):
        broker = self.box.daemon("--serve-launch", self.box.sockets + "/r.sock", "--service-def-dir", self.box.defs,
                                 "--hello-rate-limit", "1").ready()
        for _ in range(50):
            got = exchange(broker.socket, MINIMAL_HELLO)
            if got != REFUSED_UNKNOWN:
                break
        retry = harness.parse_hello_reply(got).retry_after_ms
        self.assertTrue(1 <= retry <= 1000)
        want = REFUSED_RATE_HEAD
        if retry >= 128:
            want = want.replace(b"\x30\xdb\x05", bytes((0x30, retry & 0x7F | 0x80, retry >> 7)))
            self.assertEqual(got, harness.framed(want))
        broker.stop()

    def test_fd_pressure_bytes_are_what_the_schema_says(self):
        # the situation itself is test_hostile's business; the bytes are compared there with this constant
        self.assertEqual(PRESSURE, harness.refusal(9, "broker is low on file descriptors; retry shortly", 1000,
                                                   request_id=41))
        self.assertEqual(PROGRESS, harness.refusal(4, "backend spawn already in progress", 1000, request_id=7))


class Negotiated(harness.Case):
    def test_negotiated_and_probe(self):
        harness.need(harness.TEST_BACKEND, "the test backend")
        program = self.box.service("zccache")
        broker = self.box.launch_mode()
        got = exchange(broker.socket, MINIMAL_HELLO)
        pipe = harness.parse_hello_reply(got).backend_pipe
        path = pipe.encode()
        self.assertRegex(pipe, r"/rpb-v1-[0-9a-f]{16}-be-[0-9a-f]{32}\.sock$")
        inner = hexed("08 01 12 07 31 2E 31 31 2E 32 30 1A") + bytes([len(path)]) + path + hexed("30 88 0E 40 01")
        reply = b"\x0a" + varint(len(inner)) + inner
        body = hexed("08 01 10 01 22") + varint(len(reply)) + reply + hexed("28 01")
        self.assertEqual(got, harness.framed(body))
        # the second negotiated Hello gets the next id and nothing else changes
        self.assertEqual(exchange(broker.socket, MINIMAL_HELLO), harness.framed(body.replace(b"\x40\x01\x28\x01",
                                                                                           b"\x40\x02\x28\x01")))
        # 03 §5.5: the same nonce, the same layout, the values of this process
        pid = self.box.backend_pids()[0]
        with harness.Conn(pipe) as conn:
            conn.send(PROBE).finish()
            answer = conn.read_all()
        named = harness.probe(pipe)
        self.assertEqual((named.pid, named.exe_path), (pid, program))
        record = named.SerializeToString()
        self.assertTrue(answer[5:].startswith(hexed("08 01 10 01 18 B2 E4 02 22")), answer.hex(" "))
        self.assertIn(NONCE + record[:20], answer)
        self.assertTrue(answer.endswith(hexed("28 80 82 88 98 C0 A0 81 83 07")))
        broker.stop()

    def test_keepalive_is_echoed(self):
        harness.need(harness.TEST_BACKEND, "the test backend")
        self.box.service("zccache")
        broker = self.box.launch_mode()
        for proposed, answered in ((0, 1800), (1, 1), (60, 60), (1 << 63, 1 << 63)):
            reply = self.assertNegotiated(harness.say_hello(broker.socket, client_keepalive_secs=proposed))
            self.assertEqual(reply.keepalive_interval_secs, answered)
            self.assertEqual((reply.server_capabilities, reply.handle_passed_token), (0, b""))
        # capability bit 0 asks for a handoff; none is configured, so neither bit nor token comes back (01 §7.3)
        reply = harness.say_hello(broker.socket, client_capabilities=1)
        self.assertEqual((reply.server_capabilities, reply.handle_passed_token), (0, b""))
        broker.stop(signal.SIGINT)


def varint(value):
    return bytes([value]) if value < 128 else bytes([value & 0x7F | 0x80, value >> 7])


class Encodings(harness.unittest.TestCase):
    """01 §16.1 and 03 §5.5, both directions."""

    def check(self, message, text):
        want = hexed(text)
        self.assertEqual(message.SerializeToString(), want)
        self.assertEqual(type(message).FromString(want), message)

    def test_frame(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        self.check(pb.Frame(envelope_version=1, kind=1, payload_protocol=0xAD01, payload=b"\xde\xad\xbe\xef",
                            request_id=42, payload_encoding=1, deadline_unix_ms=1700000000000, traceparent=trace,
                            tracestate="rp=1"),
                   "08 01 10 01 18 81 DA 02 22 04 DE AD BE EF 28 2A 30 01 38 80 D0 95 FF BC 31 42 37" +
                   trace.encode().hex() + "4A 04 72 70 3D 31")

    def test_hello(self):
        message = pb.Hello(client_min_protocol=1, client_max_protocol=3, service_name="build-cache",
                           wanted_version="1.2.3-rc.1", client_version="3.0.15",
                           client_capabilities=0x8000000000000001, auth_token=b"\1\2\3", request_id="req-0001",
                           peer_pid=4242, client_lib_name="running-process", client_lib_version="3.0.15",
                           peer_attestation_nonce=b"\xaa\xbb", capability_token=b"\xcc", client_keepalive_secs=30)
        text = """08 01 10 03 1A 0B 62 75 69 6C 64 2D 63 61 63 68 65 22 0A 31 2E 32 2E 33 2D 72 63 2E 31 2A 06 33 2E 30 2E
            31 35 30 81 80 80 80 80 80 80 80 80 01 3A 03 01 02 03 42 08 72 65 71 2D 30 30 30 31 50 92 21 5A 0F 72 75 6E 6E
            69 6E 67 2D 70 72 6F 63 65 73 73 62 06 33 2E 30 2E 31 35 6A 02 AA BB 72 01 CC 78 1E"""
        self.check(message, text)
        later = pb.Hello.FromString(hexed(text) + hexed("A8 01 01"))
        later.DiscardUnknownFields()
        self.assertEqual(later, message)

    def test_replies(self):
        inner = """08 02 12 06 33 2E 30 2E 31 35 1A 0C 72 70 2D 62 61 63 6B 65 6E 64 2D 37 22 02 77 31 22 02 77 32 28 81 80
            80 80 80 80 80 80 80 01 30 3C 3A 03 10 20 30 40 63"""
        message = pb.Negotiated(negotiated_protocol=2, daemon_version="3.0.15", backend_pipe="rp-backend-7",
                                warnings=["w1", "w2"], server_capabilities=0x8000000000000001,
                                keepalive_interval_secs=60, handle_passed_token=b"\x10\x20\x30", connection_id=99)
        self.check(message, inner)
        self.check(pb.HelloReply(negotiated=message), "0A 34" + inner)
        self.check(pb.Refused(reason="version below floor", daemon_min_protocol=2, daemon_max_protocol=3, code=8,
                              details={"floor": "2"}, retry_after_ms=1500),
                   """0A 13 76 65 72 73 69 6F 6E 20 62 65 6C 6F 77 20 66 6C 6F 6F 72 10 02 18 03 20 08 2A 0A 0A 05 66 6C 6F
                   6F 72 12 01 32 30 DC 0B""")

    def test_handoff(self):
        self.check(pb.HandoffOffer(handle_value=0xBEC, token=TOKEN, service_name="build-cache", correlation_id=7),
                   "08 EC 17 12 10" + TOKEN.hex() + "1A 0B 62 75 69 6C 64 2D 63 61 63 68 65 20 07")
        self.check(pb.HandoffAck(token=TOKEN, accepted=True, error_detail="ok", correlation_id=7),
                   "0A 10" + TOKEN.hex() + "10 01 1A 02 6F 6B 20 07")
        explicit = hexed("08 00 12 10" + TOKEN.hex() + "1A 07 7A 63 63 61 63 68 65 20 01")
        self.assertEqual(pb.HandoffOffer.FromString(explicit),
                         pb.HandoffOffer(token=TOKEN, service_name="zccache", correlation_id=1))

    def test_probe(self):
        request = harness.frame(NONCE, payload_protocol=harness.LANE_PROBE,
                                request_id=int.from_bytes(NONCE[:8], "little"))
        self.assertEqual(request, PROBE)
        record = pb.DaemonProcess(pid=4242, exe_path="/opt/toy/1.0.0/toyd", started_at_unix_ms=1700000000000,
                                  ipc_endpoint=pb.Endpoint(namespace_id="shared", path="/tmp/t.sock"),
                                  boot_id="3f1c2a4e-7b5d-4c8e-9a1b-0d2e4f6a8c10", idle_timeout_secs=30,
                                  exe_hash_algorithm="blake3", exe_hash=b"\x11" * 32)
        self.check(record, """08 92 21 12 13 2f 6f 70 74 2f 74 6f 79 2f 31 2e 30 2e 30 2f 74 6f 79 64 22 15 0a 06 73 68 61 72
            65 64 12 0b 2f 74 6d 70 2f 74 2e 73 6f 63 6b 28 80 d0 95 ff bc 31 32 24 33 66 31 63 32 61 34 65 2d 37 62 35 64
            2d 34 63 38 65 2d 39 61 31 62 2d 30 64 32 65 34 66 36 61 38 63 31 30 38 1e 42 06 62 6c 61 6b 65 33 4a 20"""
                   + "11" * 32)
        self.assertEqual(len(record.SerializeToString()), 136)

    def test_definition(self):
        self.check(pb.ServiceDefinition(service_name="zccache", binary_path="/usr/local/bin/zccache", isolation=1,
                                        per_version_binary_dir="/usr/local", min_version="1.10.0",
                                        version_allow_list=["1.11.20"], labels={"family": "first-party"}),
                   """0a 07 7a636361636865 12 16 2f7573722f6c6f63616c2f62696e2f7a636361636865 18 01 2a 0a 2f7573722f6c6f63616c
                   32 06 312e31302e30 3a 07 312e31312e3230 42 15 0a06 66616d696c79 120b 66697273742d7061727479""")

    def test_admin(self):
        for message, text in (
                (pb.AdminRequest(verb=1, json=True), "08 01 10 01"),
                (pb.AdminRequest(verb=6, json=True, service_name="zccache"), "08 06 10 01 1A 07 7A 63 63 61 63 68 65"),
                (pb.AdminRequest(verb=21, drain_deadline_ms=5000), "08 15 28 88 27"),
                (pb.AdminRequest(verb=8, json=True, output_path="bundle.tar.gz"),
                 "08 08 10 01 22 0D 62 75 6E 64 6C 65 2E 74 61 72 2E 67 7A")):
            self.check(message, text)
        self.assertEqual(harness.admin_reply("not ready\n", 1), NOT_READY_REPLY)


if __name__ == "__main__":
    harness.main()
