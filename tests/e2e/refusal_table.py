# SPDX-License-Identifier: MIT
"""Every answer that a request alone decides, as data: what is sent, and the exact bytes that come back.

Shared by test_refusals.py (our daemon) and by the comparison with the reference implementation, which must give the
same bytes for every row whose `ours` is empty. `ours` names why the two differ knowingly. Rows need the definitions of
install_definitions() and a broker in launch mode; none of them may start a process.
"""
import os
import struct

from harness import (FD_PRESSURE, INTERNAL, LANE_ADMIN, LANE_HANDOFF, LANE_PROBE, PEER_REJECTED, RATE_LIMITED,  # noqa: F401
                     SERVICE_UNKNOWN, SPAWN_FAILED, VERSION_BLOCKED, VERSION_UNSUPPORTED, admin_frame, admin_reply, frame,
                     framed, hello, hello_frame, parse_hello_reply, pb, refusal)

NOTHING = b""
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STATE = "rp=1,other=x"
KIB64 = 65536
MIB16 = 16 * 1024 * 1024


class Prefix:
    """A refusal whose reason ends in a text of the implementation's own."""

    def __init__(self, code, reason, retry=0):
        self.code, self.reason, self.retry = code, reason, retry

    def __repr__(self):
        return "refusal %d %r… retry %d" % (self.code, self.reason, self.retry)

    def matches(self, data):
        try:
            got = parse_hello_reply(data)
        except Exception:
            return False
        return isinstance(got, pb.Refused) and (got.code, got.retry_after_ms) == (self.code, self.retry) and \
            got.reason.startswith(self.reason) and len(got.reason) > len(self.reason)


class Row:
    def __init__(self, group, name, send, want, finish=False, ours=""):
        self.group, self.name, self.send, self.want, self.finish, self.ours = group, name, send, want, finish, ours

    @property
    def title(self):
        return "%s: %s" % (self.group, self.name)

    def matches(self, got):
        return self.want.matches(got) if isinstance(self.want, Prefix) else got == self.want


# ------------------------------------------------------------------------------------------------ raw encoding
def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, wire, data=b""):
    return varint(number << 3 | wire) + data


def text(number, data):
    """A length-delimited field, whatever its bytes."""
    if isinstance(data, str):
        data = data.encode()
    return field(number, 2, varint(len(data)) + data)


def number(field_number, value):
    return field(field_number, 0, varint(value))


def raw_hello(*extra, service="zccache", version="1.11.20"):
    """An encoded Hello with raw fields behind it."""
    return number(1, 1) + number(2, 1) + text(3, service) + text(4, version) + b"".join(extra)


def raw_frame(payload, *extra):
    return framed(number(1, 1) + text(4, payload) + number(5, 1) + b"".join(extra))


def body_of(data):
    return data[5:]


def padded_hello(size, service="nosuch", **fields):
    """A Hello whose frame body has exactly `size` bytes, filled up by an unknown field behind the payload."""
    bare = body_of(hello_frame(service, "1.0.0", **fields))
    for width in (1, 2, 3, 4):
        fill = size - len(bare) - 1 - width
        if fill >= 0 and len(varint(fill)) == width:
            return framed(bare + field(15, 2, varint(fill) + b"\0" * fill))
    raise ValueError(size)


# ------------------------------------------------------------------------------------------------ definitions
def install_definitions(box):
    """What the rows below ask for."""
    box.definition("floor", min_version="1.10.0")
    box.definition("floor-rc", min_version="1.10.0-rc.1")
    box.definition("listed", version_allow_list=["1.11.20", "1.12.0-rc.1"])
    box.definition("both", min_version="1.10.0", version_allow_list=["1.9.0", "1.11.20"])
    box.definition("nobinary")
    box.definition("noroot", per_version_binary_dir="")
    box.definition("outside", program="/bin/true", per_version_binary_dir=box.bin)
    box.definition("relative", program="relative/path")
    box.definition("nopath", program="")
    box.definition("badroot", per_version_binary_dir="relative")
    box.definition("isolation7", isolation=7)
    box.definition("explicit-none", isolation=2)
    box.definition("private-explicit", isolation=0, explicit_instance="ci")
    box.definition("badfloor", min_version="1.0")
    box.definition("badentry", version_allow_list=["1.0.0", ""])
    box.definition("badinstance", isolation=2, explicit_instance="CI")
    box.definition_bytes("renamed", pb.ServiceDefinition(
        service_name="other", binary_path="/x", per_version_binary_dir="/").SerializeToString())
    box.definition_bytes("garbage", b"\x0a\xff\xff\xff\xff\x0fnot a message")
    box.definition_bytes("empty", b"")
    os.symlink("/nonexistent/definition", os.path.join(box.defs, "dangling.servicedef"))


# ------------------------------------------------------------------------------------------------ rows
def _framing(rows):
    def add(name, send, code, reason, **kw):
        rows.append(Row("01 §1.4", name, send, refusal(code, reason, request_id=0), **kw))

    for byte in (0, 2, 0x7F, 0xFF):
        add("first byte %d" % byte, bytes([byte]), VERSION_UNSUPPORTED, "unsupported framing version")
    add("first byte 2, more behind it", b"\x02" + b"x" * 300, VERSION_UNSUPPORTED, "unsupported framing version")
    for length in (MIB16 + 1, 0x7FFFFFFF, 0xFFFFFFFF):
        add("body of %d bytes announced" % length, struct.pack("<BI", 1, length), PEER_REJECTED,
            "initial Hello frame exceeds 64 KiB")
    whole = hello_frame()
    for size in (1, 2, 4, 5, 6, len(whole) - 1):
        add("end of file after %d bytes" % size, whole[:size], PEER_REJECTED, "incomplete Hello frame", finish=True)
    rows.append(Row("01 §1.4", "end of file before any byte", b"", NOTHING, finish=True,
                    ours="closed without a reply (decision 9f)"))
    bad = {
        "truncated varint": b"\x08\x80",
        "varint of 11 bytes": b"\x08" + b"\x80" * 10 + b"\x01",
        "varint of 10 bytes beyond 2^64": b"\x08" + b"\xff" * 9 + b"\x02",
        "field key beyond 2^32": b"\x08\x01\x80\x80\x80\x80\x10\x01",
        "field number 0": b"\x08\x01\x02\x01x",
        "wire type 6": b"\x08\x01\x0e",
        "wire type 7": b"\x08\x01\x0f",
        "length beyond the end": b"\x08\x01\x22\x05abc",
        "payload as a varint": b"\x08\x01\x20\x05",
        "envelope_version as bytes": b"\x0a\x01\x01",
        "traceparent is not UTF-8": b"\x08\x01" + text(8, b"\xff\xfe"),
        "tracestate is an overlong form": b"\x08\x01" + text(9, b"\xc0\xaf"),
        "traceparent is a surrogate": b"\x08\x01" + text(8, b"\xed\xa0\x80"),
        "tracestate is beyond U+10FFFF": b"\x08\x01" + text(9, b"\xf4\x90\x80\x80"),
        "short 64-bit field": b"\x08\x01" + field(20, 1, b"1234567"),
        "short 32-bit field": b"\x08\x01" + field(20, 5, b"123"),
        "end of a group that never began": b"\x08\x01" + field(20, 4),
        "bytes of an ASCII protocol": b"GET / HTTP/1.1\r\n\r\n",
    }
    for name, body in bad.items():
        add("not a Frame: " + name, framed(body), PEER_REJECTED, "malformed broker Frame")
    add("not a Frame: NUL in traceparent", framed(b"\x08\x01" + text(8, b"a\0b")), PEER_REJECTED,
        "malformed broker Frame", ours="NUL is a decode error (decision 9f)")
    add("not a Frame: 257 fields", framed(b"\x08\x01" + number(20, 1) * 256), PEER_REJECTED, "malformed broker Frame",
        ours="more than 256 fields (decision 9f)")
    add("not a Frame: a group", framed(b"\x08\x01" + field(20, 3) + field(20, 4)), PEER_REJECTED,
        "malformed broker Frame", ours="groups (decision 9f)")


def _decode(rows):
    def add(name, send, code, reason, **kw):
        rows.append(Row("01 §6.2", name, send, refusal(code, reason), **kw))

    h = hello()
    rows.append(Row("01 §6.2", "empty frame", framed(b""), refusal(
        VERSION_UNSUPPORTED, "frame envelope_version is not v1", request_id=0)))
    for version in (0, 2, 0xFFFFFFFF):
        add("envelope_version %d" % version, frame(h, envelope_version=version), VERSION_UNSUPPORTED,
            "frame envelope_version is not v1")
    for kind in (1, 2, 3, 99):
        add("kind %d" % kind, frame(h, kind=kind), PEER_REJECTED, "Hello frame kind must be REQUEST")
    for lane in (1, LANE_PROBE, LANE_HANDOFF, 0x5350, 0x7A63, 0x7C4C, 0xF000, 0x10000, 0xFFFFFFFF):
        add("lane 0x%X" % lane, frame(h, payload_protocol=lane), PEER_REJECTED,
            "Hello frame payload_protocol must be control-plane")
    for encoding in (1, 2, 3, 77):
        add("encoding %d" % encoding, frame(h, payload_encoding=encoding), PEER_REJECTED,
            "Hello payload must not be compressed")
    add("version before kind, lane, encoding", frame(h, envelope_version=2, kind=1, payload_protocol=1,
        payload_encoding=1), VERSION_UNSUPPORTED, "frame envelope_version is not v1")
    add("kind before lane, encoding", frame(h, kind=1, payload_protocol=1, payload_encoding=1), PEER_REJECTED,
        "Hello frame kind must be REQUEST")
    add("lane before encoding", frame(h, payload_protocol=1, payload_encoding=1), PEER_REJECTED,
        "Hello frame payload_protocol must be control-plane")
    add("encoding before payload", frame(b"\xff", payload_encoding=1), PEER_REJECTED,
        "Hello payload must not be compressed")
    bad = {
        "one stray byte": b"\xff",
        "length beyond the end": b"\x1a\x20abc",
        "service_name as a varint": b"\x18\x01",
        "protocol as bytes": b"\x0a\x01\x01",
        "field number 0": b"\x02\x00",
        "wire type 6": b"\x0e",
        "wire type 7": b"\x0f",
    }
    for name, payload in bad.items():
        add("not a Hello: " + name, frame(payload), PEER_REJECTED, "malformed Hello payload")
    for name, fnum in (("service_name", 3), ("wanted_version", 4), ("client_version", 5), ("request_id", 8),
                       ("client_lib_name", 11), ("client_lib_version", 12)):
        add("not a Hello: %s is not UTF-8" % name, raw_frame(raw_hello(text(fnum, b"a\x80"))), PEER_REJECTED,
            "malformed Hello payload")
        add("not a Hello: NUL in %s" % name, raw_frame(raw_hello(text(fnum, b"zccache\0x"))), PEER_REJECTED,
            "malformed Hello payload", ours="NUL is a decode error (decision 9f)")
    add("not a Hello: 257 fields", raw_frame(raw_hello(number(21, 1) * 253)), PEER_REJECTED, "malformed Hello payload",
        ours="more than 256 fields (decision 9f)")
    add("not a Hello: a group", raw_frame(raw_hello(field(21, 3), field(21, 4))), PEER_REJECTED,
        "malformed Hello payload", ours="groups (decision 9f)")
    unknown = refusal(SERVICE_UNKNOWN, "service definition was not found")
    ok = {
        "unknown fields of every kind": raw_frame(raw_hello(number(21, 1), field(22, 1, b"12345678"), text(23, b"\xff"),
                                                            field(24, 5, b"1234")),
                                                  number(10, 5), text(15, b"\xff")),
        "the last of two service names counts": raw_frame(raw_hello(text(3, "zccache-2"), service="Bad")),
        "fields out of order": framed(number(5, 1) + text(4, text(4, "1.0.0") + text(3, "x") + number(2, 1) +
                                                          number(1, 1)) + number(1, 1)),
        "a wide varint is cut to 32 bits": framed(number(1, 1 << 32 | 1) + text(4, raw_hello()) + number(5, 1)),
        "bytes fields may hold anything": raw_frame(raw_hello(text(7, b"\0\xff"), text(13, b"\xff"), text(14, b"\0"))),
        "256 fields": raw_frame(raw_hello(number(21, 1) * 252)),
        "a deadline in the past is ignored": frame(hello(), deadline_unix_ms=1),
        "all capability bits": frame(hello(client_capabilities=0xFFFFFFFFFFFFFFFF)),
        "a connection id of the client's own": frame(hello(connection_id=77)),
        "a session token that nobody asked for": frame(hello(auth_token=b"x" * 31)),
    }
    for name, data in ok.items():
        rows.append(Row("01 §1.6", name, data, unknown))
    rows.append(Row("01 §2.3", "request_id and trace are echoed", hello_frame(
        request_id=0xFFFFFFFFFFFFFFFF, traceparent=TRACE, tracestate=STATE), refusal(
        SERVICE_UNKNOWN, "service definition was not found", request_id=0xFFFFFFFFFFFFFFFF, traceparent=TRACE,
        tracestate=STATE)))
    rows.append(Row("01 §2.3", "request_id 0", hello_frame(request_id=0), refusal(
        SERVICE_UNKNOWN, "service definition was not found", request_id=0)))
    rows.append(Row("01 §10", "a trace of any shape is echoed", hello_frame(traceparent="Ünfug\n\x01 %s", tracestate="=="),
                    refusal(SERVICE_UNKNOWN, "service definition was not found", traceparent="Ünfug\n\x01 %s",
                            tracestate="==")))
    rows.append(Row("01 §10", "a refused lane echoes too", frame(hello(), payload_protocol=5, request_id=9,
                                                                traceparent=TRACE, tracestate=STATE),
                    refusal(PEER_REJECTED, "Hello frame payload_protocol must be control-plane", request_id=9,
                            traceparent=TRACE, tracestate=STATE)))


BAD_NAMES = ["", "a" * 65, "Zccache", "zccachE", "../zccache", "..\\zccache", "/tmp/zccache", "zccache/service",
             "zccache;rm", "zccache&&calc", "zccache|whoami", "zccache service", "zccache.service", "zccache_service",
             "🦀", "é", "zc\tcache", ".", "..", "%s", "a" * 63 + "/"]
GOOD_NAMES = ["a", "-", "--", "-a-", "0", "a" * 64]
BAD_VERSIONS = ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.0-", "1.0.0-ALPHA", "1.0.0..evil", "1.0.0/evil",
                "1.0.0-../../evil", "1.0.0-alpha+build", "1.0.0 alpha", "1.0.0-rc-1", "1.0.0+b", "1..0", ".1.0", "1.0.",
                "1.0.0;", "1.0.`id`", "1.0.$x", "١.0.0", "1.0.0-é", " 1.0.0", "1.0.0\n", "-1.0.0", "1.0.0-_",
                "1.0." + "0" * 61, "1.0.0-" + "a" * 59]
GOOD_VERSIONS = ["1.0.0", "1.11.20", "0.0.1-alpha.1", "2.3.4-rc.1.beta", "007.1.2", "1.0.0-.", "1.0.0-..",
                 "1.0." + "0" * 60, "1.0.0-" + "a" * 58]


def _shape(rows):
    def add(name, send, code, reason, **kw):
        rows.append(Row("01 §6.3", name, send, refusal(code, reason), **kw))

    unknown = refusal(SERVICE_UNKNOWN, "service definition was not found")
    no_v1 = (VERSION_UNSUPPORTED, "client protocol range does not include v1")
    rows.append(Row("01 §6.3", "empty payload", framed(b"\x08\x01"), refusal(*no_v1, request_id=0)))
    for low, high in ((0, 0), (2, 2), (2, 1), (1, 0), (2, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)):
        add("protocols %d to %d" % (low, high), hello_frame(client_min_protocol=low, client_max_protocol=high), *no_v1)
    for low, high in ((0, 1), (1, 1), (1, 7), (0, 0xFFFFFFFF)):
        rows.append(Row("01 §6.3", "protocols %d to %d" % (low, high), hello_frame(
            "nosuch", "1.0.0", client_min_protocol=low, client_max_protocol=high), unknown))
    for name in BAD_NAMES:
        add("service_name %r" % name[:20] + (" (%d)" % len(name) if len(name) > 20 else ""), hello_frame(name),
            PEER_REJECTED, "invalid service_name")
    for name in GOOD_NAMES:
        rows.append(Row("01 §5.1", "service_name %r" % name[:20], hello_frame(name, "1.0.0"), unknown))
    for version in BAD_VERSIONS:
        add("wanted_version %r" % version[:20] + (" (%d)" % len(version) if len(version) > 20 else ""),
            hello_frame("nosuch", version), PEER_REJECTED, "invalid wanted_version")
    for version in GOOD_VERSIONS:
        rows.append(Row("01 §5.2", "wanted_version %r" % version[:20], hello_frame("nosuch", version), unknown))
    for name, size, code, reason in (("client_version", 128, PEER_REJECTED, "client_version exceeds 128 bytes"),
                                     ("client_lib_name", 64, PEER_REJECTED, "client_lib fields exceed 64 bytes"),
                                     ("client_lib_version", 64, PEER_REJECTED, "client_lib fields exceed 64 bytes")):
        add("%s of %d bytes" % (name, size + 1), hello_frame(**{name: "x" * (size + 1)}), code, reason)
        add("%s of %d characters, more bytes" % (name, size), hello_frame(**{name: "é" * size}), code, reason)
        rows.append(Row("01 §6.3", "%s of %d bytes" % (name, size), hello_frame("nosuch", "1.0.0", **{name: "x" * size}),
                        unknown))
    add("peer_pid of another process", hello_frame(peer_pid=1), PEER_REJECTED, "peer_pid does not match verified peer")
    rows.append(Row("01 §6.3", "peer_pid is ours", hello_frame("nosuch", "1.0.0", peer_pid=os.getpid()), unknown))
    everything = dict(client_version="x" * 129, client_lib_name="x" * 65, peer_pid=1)
    add("protocol before all", hello_frame("Bad", "bad", client_max_protocol=0, **everything), *no_v1)
    add("name before version", hello_frame("Bad", "bad", **everything), PEER_REJECTED, "invalid service_name")
    add("version before lengths", hello_frame("nosuch", "bad", **everything), PEER_REJECTED, "invalid wanted_version")
    add("client_version before lib", hello_frame("nosuch", "1.0.0", **everything), PEER_REJECTED,
        "client_version exceeds 128 bytes")
    add("lib before pid", hello_frame("nosuch", "1.0.0", client_lib_version="x" * 65, peer_pid=1), PEER_REJECTED,
        "client_lib fields exceed 64 bytes")


def _route(rows):
    def add(name, service, version, want, **kw):
        rows.append(Row("01 §6.5", name, hello_frame(service, version), want, **kw))

    below = refusal(VERSION_BLOCKED, "wanted_version is below min_version", 30000)
    outside = refusal(VERSION_BLOCKED, "wanted_version is not in version_allow_list", 30000)
    add("no definition", "nosuch", "1.0.0", refusal(SERVICE_UNKNOWN, "service definition was not found"))
    add("below the floor", "floor", "1.9.9", below)
    add("far below the floor", "floor", "0.99.99", below)
    add("leading zeros do not lift a version", "floor", "001.009.009", below)
    add("a tail does not lift a version", "floor", "1.9.9-zzz", below)
    add("a floor with a tail", "floor-rc", "1.9.99", below)
    add("outside the list", "listed", "1.11.21", outside)
    add("the list compares bytes: zeros", "listed", "01.11.20", outside)
    add("the list compares bytes: tail", "listed", "1.12.0", outside)
    add("floor before list", "both", "1.9.0", below)
    add("above the floor, outside the list", "both", "1.12.0", outside)
    failed = Prefix(SPAWN_FAILED, "backend spawn failed: ", 1000)
    add("at the floor, binary missing", "floor", "1.10.0", failed)
    add("a tail does not lower a version", "floor", "1.10.0-alpha", failed)
    add("on the list, binary missing", "listed", "1.12.0-rc.1", failed)
    add("floor with a tail is its core", "floor-rc", "1.10.0-alpha", failed)
    add("binary missing", "nobinary", "1.0.0", failed)
    add("no per_version_binary_dir", "noroot", "1.0.0", failed)
    add("binary outside its root", "outside", "1.0.0", failed)
    add("beyond 2^64 is above the floor", "floor", "18446744073709551616.0.0", failed)
    rows.append(Row("01 §6.5", "beyond 2^64 does not slip under the floor", hello_frame(
        "floor", "0.0.18446744073709551616"), below, ours="versions of 2^64 and more (decision 9f)"))
    broken = Prefix(SERVICE_UNKNOWN, "service definition could not be loaded: ")
    for name in ("renamed", "relative", "nopath", "badroot", "isolation7", "explicit-none", "private-explicit",
                 "garbage"):
        # read by the reference's second loader only when the file has the other extension: same verdict
        add("broken definition: " + name, name, "1.0.0", broken)
    for name in ("badfloor", "badentry", "badinstance", "empty"):
        add("broken definition: " + name, name, "1.0.0", broken, ours="the operator's fault (decision 8)")
    add("the definition is a dangling link", "dangling", "1.0.0", broken, ours="links are not followed (decision 8)")


def _size(rows):
    unknown = refusal(SERVICE_UNKNOWN, "service definition was not found")
    too_long = "initial Hello frame exceeds 64 KiB"
    rows.append(Row("00 9d", "a body of exactly 64 KiB is a Hello", padded_hello(KIB64), unknown))
    rows.append(Row("00 9d", "one byte more", padded_hello(KIB64 + 1), refusal(PEER_REJECTED, too_long)))
    # the long part comes first in the encoding, what is echoed behind it
    long_payload = frame(hello("nosuch", "1.0.0", auth_token=b"x" * 70000), request_id=7, traceparent=TRACE,
                         tracestate=STATE)
    echoed = refusal(PEER_REJECTED, too_long, request_id=7, traceparent=TRACE, tracestate=STATE)
    rows.append(Row("00 9d", "70 000 bytes, echoed fields at the end", long_payload, echoed))
    rows.append(Row("00 9d", "70 000 bytes, echoed fields in front", framed(
        number(1, 1) + number(5, 7) + text(8, TRACE) + text(9, STATE) + text(4, b"x" * 70000)), echoed))
    rows.append(Row("00 9d", "a trace of 4 KiB behind 70 000 bytes", frame(
        hello(auth_token=b"x" * 70000), request_id=7, traceparent="t" * 4096, tracestate="s" * 4096), refusal(
        PEER_REJECTED, too_long, request_id=7, traceparent="t" * 4096, tracestate="s" * 4096)))
    rows.append(Row("00 9d", "size before envelope", frame(hello(auth_token=b"x" * 70000), envelope_version=9, kind=3,
                                                          payload_protocol=77), refusal(PEER_REJECTED, too_long)))
    rows.append(Row("00 9d", "1 MiB", frame(hello(auth_token=b"x" * 1048576)), refusal(PEER_REJECTED, too_long)))
    rows.append(Row("00 9d", "16 MiB exactly", padded_hello(MIB16), refusal(PEER_REJECTED, too_long)))
    rows.append(Row("00 9d", "a long body that ends early", framed(body_of(long_payload)[:-1], len(long_payload) - 5),
                    refusal(PEER_REJECTED, "incomplete Hello frame", request_id=0), finish=True))
    rows.append(Row("00 9d", "an admin frame over 64 KiB", frame(
        pb.AdminRequest(verb=4, service_name="x" * 70000), payload_protocol=LANE_ADMIN), NOTHING,
        ours="closed without a reply (decision 9d)"))


def _admin(rows):
    def add(name, send, want, **kw):
        rows.append(Row("01 §11.3", name, send, want, **kw))

    ok = admin_reply("ok\n")
    unsupported = admin_reply("unsupported admin verb\n", 2)
    add("healthz", admin_frame(4), ok)
    add("readyz", admin_frame(5), admin_reply("ready\n"))
    add("healthz echoes", admin_frame(4, request_id=1 << 63, traceparent=TRACE, tracestate=STATE),
        admin_reply("ok\n", request_id=1 << 63, traceparent=TRACE, tracestate=STATE))
    add("healthz, json asked", admin_frame(4, json=True), ok)
    for verb in (0, 10, 15, 20, 22, 99, 0x7FFFFFFF):
        add("verb %d" % verb, admin_frame(verb), unsupported)
    add("an empty admin payload", frame(b"", payload_protocol=LANE_ADMIN), unsupported)
    add("unknown fields in an admin request", framed(number(1, 1) + number(3, LANE_ADMIN) + text(4, number(1, 4) + text(
        25, b"\xff")) + number(5, 1)), ok)
    add("status as text", admin_frame(1), admin_reply("broker_instance: launch\naccepting_hello: true\n"))
    silent = {
        "admin envelope_version 0": frame(pb.AdminRequest(verb=4), payload_protocol=LANE_ADMIN, envelope_version=0),
        "admin envelope_version 2": frame(pb.AdminRequest(verb=4), payload_protocol=LANE_ADMIN, envelope_version=2),
        "admin kind 1": frame(pb.AdminRequest(verb=4), payload_protocol=LANE_ADMIN, kind=1),
        "admin kind 3": frame(pb.AdminRequest(verb=4), payload_protocol=LANE_ADMIN, kind=3),
        "admin encoding 1": frame(pb.AdminRequest(verb=4), payload_protocol=LANE_ADMIN, payload_encoding=1),
        "admin payload is not a message": frame(b"\xff", payload_protocol=LANE_ADMIN),
        "admin payload: service_name is not UTF-8": frame(number(1, 4) + text(3, b"\xff"), payload_protocol=LANE_ADMIN),
        "admin payload: verb as bytes": frame(text(1, b"x"), payload_protocol=LANE_ADMIN),
    }
    for name, data in silent.items():
        add(name, data, NOTHING)
    add("admin payload: NUL in a string", frame(number(1, 4) + text(3, b"a\0b"), payload_protocol=LANE_ADMIN), NOTHING,
        ours="NUL is a decode error (decision 9f)")
    add("admin service_name of 4 097 bytes", admin_frame(4, service_name="x" * 4097), NOTHING,
        ours="bounded strings (05 §2)")


def all_rows():
    rows = []
    for build in (_framing, _decode, _shape, _route, _size, _admin):
        build(rows)
    titles = [row.title for row in rows]
    assert len(titles) == len(set(titles)), [t for t in titles if titles.count(t) > 1]
    return rows
