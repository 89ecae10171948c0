# SPDX-License-Identifier: MIT
"""A client made from proto/*.proto by Python's protobuf: every message both ways through our encoder, then a daemon
that is used with nothing but these messages."""
import glob
import json
import os
import re
import subprocess

import messages
from messages import packed
import harness
from harness import LANE_HANDOFF, PEER_REJECTED, exchange, frame, parse_frame, parse_hello_reply, pb, say_hello
from google.protobuf.message import DecodeError

RECODE = os.path.join(harness.BUILD, "tests/interop/recode")
CLIENT_LANE = 0xF001


def ours(name, inputs):
    return messages.recode([RECODE], name, inputs)


def python_reads(name, data):
    """What Python makes of the bytes, packed again; None when they are no such message. (It complains on stderr.)"""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        return packed(getattr(pb, name).FromString(data))
    except DecodeError:
        return None
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


class EveryMessage(harness.Case):
    """Bytes that Python wrote, unpacked and packed by our code, are the same bytes. Entries of maps may differ: an
    empty key or value is written by Python and left out by us; both are right, so those are compared as messages."""

    @classmethod
    def setUpClass(cls):
        if not os.access(RECODE, os.X_OK):    # built by `make interop`; its absence must not look like success
            raise AssertionError("there is no %s" % RECODE)

    def test_no_message_is_left_out(self):
        """What does not travel by itself is part of something that does."""
        seen, todo = set(), [getattr(pb, name).DESCRIPTOR for name in messages.NAMES]
        while todo:
            kind = todo.pop()
            if kind.full_name not in seen:
                seen.add(kind.full_name)
                todo += [field.message_type for field in kind.fields if field.message_type is not None]
        every = set()
        for path in sorted(glob.glob(os.path.join(harness.TOP, "proto/*.proto"))):
            with open(path) as text:
                every |= {"running_process.broker.v1." + name for name in re.findall(r"^message (\w+)", text.read(), re.M)}
        self.assertGreater(len(every), 20)
        self.assertEqual(every - seen, set())

    def check(self, name):
        sent = [packed(message) for message in messages.samples(name)]
        for before, after in zip(sent, ours(name, sent)):
            self.same(name, before, after)

    def same(self, name, before, after):
        self.assertIsNotNone(after, before.hex())
        if name in messages.WITH_MAPS:
            after = packed(getattr(pb, name).FromString(after))
        self.assertEqual(before.hex(), after.hex())

    def check_unknown_fields(self, name):
        """Fields of a later schema are skipped, whatever their wire type."""
        sent = [packed(message) for message in messages.samples(name, 3)]
        later = bytes.fromhex("c0bb01" "80808080808080808001" "c1bb01" "0102030405060708" "c2bb01" "03" "616263"
                              "c5bb01" "01020304")
        for before, after in zip(sent, ours(name, [data + later for data in sent])):
            self.same(name, before, after)

    def check_cut(self, name):
        """A message that is cut short is a message to both, and then the same one, or to neither."""
        whole = packed(next(m for m in messages.samples(name, 0) if m.ByteSize()))
        if name == "CacheManifest":
            whole = whole[:400]
        sent = [whole[:size] for size in range(len(whole))]
        for data, after in zip(sent, ours(name, sent)):
            want = python_reads(name, data)
            if want is None:
                self.assertIsNone(after, data.hex())
            else:
                self.same(name, want, after)


for _name in messages.NAMES:
    for _what in ("check", "check_unknown_fields", "check_cut"):
        setattr(EveryMessage, "test_%s_%s" % (_what[6:] or "same_bytes", _name),
                lambda self, what=_what, name=_name: getattr(self, what)(name))


class Conversation(harness.Case):
    def setUp(self):
        super().setUp()
        self.box.service("py", {}, min_version="2.0.0", version_allow_list=["2.0.0", "2.1.0"],
                         labels={"a": "1", "b": ""})
        self.broker = self.box.launch_mode()

    def tearDown(self):
        self.broker.stop()

    def test_hello_with_every_field(self):
        fields = dict(client_version="9.9.9", client_capabilities=(1 << 64) - 1, auth_token=b"t" * 32, request_id="rid",
                      connection_id=7, peer_pid=os.getpid(), client_lib_name="python", client_lib_version="4",
                      peer_attestation_nonce=b"n" * 74, capability_token=b"c" * 16, client_keepalive_secs=45)
        self.assertEqual({f.name for f in pb.Hello.DESCRIPTOR.fields} - set(fields),
                         {"client_min_protocol", "client_max_protocol", "service_name", "wanted_version"})
        sent = frame(harness.hello("py", "2.1.0", **fields), request_id=1 << 63)
        self.assertEqual(parse_frame(exchange(self.broker.socket, sent)).request_id, 1 << 63)
        reply = self.assertNegotiated(parse_hello_reply(exchange(self.broker.socket, sent)), "2.1.0")
        self.assertEqual((reply.keepalive_interval_secs, reply.connection_id), (45, 2))
        self.assertEqual((reply.server_capabilities & 1, reply.handle_passed_token), (0, b""), "no handoff was offered")
        for number in (1, 2):    # the backend: a probe, then a frame of its own
            self.assertEqual(harness.probe(reply.backend_pipe).ipc_endpoint.path, reply.backend_pipe)
            with harness.Conn(reply.backend_pipe) as conn:
                conn.send(frame(b"ping", payload_protocol=CLIENT_LANE, request_id=number)).finish()
                got = parse_frame(conn.read_all())
            self.assertEqual((got.envelope_version, got.kind, got.payload_protocol, got.request_id, got.payload),
                             (1, 1, CLIENT_LANE, number, b"ping"))

    def test_refusal_with_every_field(self):
        self.assertRefused(say_hello(self.broker.socket, "py", "1.0.0"), harness.VERSION_BLOCKED,
                           "wanted_version is below min_version", 30000)
        self.assertRefused(say_hello(self.broker.socket, "py", "3.0.0"), harness.VERSION_BLOCKED,
                           "wanted_version is not in version_allow_list", 30000)

    def test_handoff_messages_are_not_for_the_broker(self):
        """The lane on which brokers talk to backends is refused on the control socket, payload unseen."""
        offer = pb.HandoffOffer(token=b"t" * 16, service_name="py", correlation_id=1, ctl_flags=3)
        got = parse_hello_reply(exchange(self.broker.socket, frame(offer, payload_protocol=LANE_HANDOFF)))
        self.assertRefused(got, PEER_REJECTED, "Hello frame payload_protocol must be control-plane")

    def test_every_verb(self):
        for verb in pb.AdminVerb.values() + [77]:
            if verb == pb.ADMIN_VERB_SHUTDOWN:
                continue
            got = harness.ask_admin(self.broker.socket, verb, json=True, service_name="py",
                                    output_path="/nonexistent/x")
            self.assertTrue(got.body, verb)
            self.assertIn(got.kind, (0, 1, 2))
            self.assertTrue(got.content_type, verb)
            if got.kind == pb.ADMIN_REPLY_KIND_JSON:
                json.loads(got.body)

    def test_shutdown(self):
        got = harness.ask_admin(self.broker.socket, pb.ADMIN_VERB_SHUTDOWN, drain_deadline_ms=1000)
        self.assertEqual((got.exit_code, got.kind), (0, pb.ADMIN_REPLY_KIND_TEXT))
        self.assertEqual(self.broker.wait(), 0)


class Definitions(harness.Case):
    FIELDS = dict(service_name="svc", binary_path="/opt/svc/1/svc", isolation=2, explicit_instance="ci",
                  per_version_binary_dir="/opt/svc", min_version="1.2.3", version_allow_list=["1.2.3", "2.0.0-rc.1"],
                  labels={"team": "tools", "é": "\"quoted\"\n"})

    def run_it(self, *args):
        got = self.box.run("servicedef", *args)
        self.assertEqual(got.returncode, 0, got.stderr)
        return got.stdout

    def test_from_python(self):
        self.assertEqual(set(self.FIELDS), {field.name for field in pb.ServiceDefinition.DESCRIPTOR.fields})
        data = packed(pb.ServiceDefinition(**self.FIELDS))
        for form in ("servicedef", "servicedef.v2"):
            path = self.box.definition_bytes("svc", data + (b"\x52\x01x" if form.endswith("v2") else b""), form)
            self.run_it("check", path)
            shown = json.loads(self.run_it("show", path, "--json"))
            text = json.dumps(shown)
            for value in ("/opt/svc/1/svc", "ci", "1.2.3", "2.0.0-rc.1", "tools"):
                self.assertIn(value, text)
            os.unlink(path)

    def test_to_python(self):
        source, target = self.box.home + "/svc.txtpb", self.box.home + "/svc.servicedef"
        encoded = subprocess.run(["protoc", "--proto_path=" + os.path.join(harness.TOP, "proto"),
                                  "broker_v1_service_def.proto",
                                  "--decode=running_process.broker.v1.ServiceDefinition"],
                                 input=packed(pb.ServiceDefinition(**self.FIELDS)), stdout=subprocess.PIPE, check=True)
        with open(source, "wb") as out:
            out.write(encoded.stdout)
        self.run_it("compile", source, "--output", target)
        with open(target, "rb") as data:
            self.assertEqual(pb.ServiceDefinition.FromString(data.read()), pb.ServiceDefinition(**self.FIELDS))


if __name__ == "__main__":
    harness.main()
