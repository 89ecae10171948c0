# SPDX-License-Identifier: MIT
"""Random frames to both brokers: the same bytes come back. No definition here allows a launch, so every answer is a
refusal or an admin text and depends on nothing but the frame. Left out is what decision 9f names (NUL in a string,
version cores of 2^64 and more) and keys of more than five bytes, which no encoder writes.

SEED=N runs other frames; FRAMES=N more of them.
"""
import os
import random
import re
import unittest

import reference
from reference import harness
from harness import exchange, framed, pb

SEED = int(os.environ.get("SEED", "1"))
FRAMES = int(os.environ.get("FRAMES", "3000"))

NAMES = [b"floor", b"listed", b"nosuch", b"-", b"Floor", b"flo_or", b"../floor", b"a" * 64, b"a" * 65, b"",
         b"fl\xc3\xb6r"]
VERSIONS = [b"1.9.9", b"1.9.9-rc.1", b"01.9.0", b"1.0", b"1.0.0.0", b"1.0.0-", b"1.0.0-..", b"1.0.0-A", b"1.0.0-rc-1",
            b"v1.0.0", b"1.0.0+b", b"", b"0.0.1-" + b"9" * 58, b"0.0.1-" + b"9" * 59, b"0.0.18446744073709551615"]
NUMBERS = [0, 1, 1, 1, 2, 2**31, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def varint(n, padding=0):
    """Minimal, or with as many bytes more that say nothing."""
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    for _ in range(padding):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


class Frames:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def often(self, share):
        return self.random.random() < share

    def field(self, number, wire, value):
        key = varint(number << 3 | wire, self.random.choice([1, 2]) if number < 2**14 and self.often(0.05) else 0)
        if wire == VARINT:
            return key + varint(value, self.random.choice([0] * 9 + [1, 3]) if value < 2**49 else 0)
        if wire == BYTES:
            return key + varint(len(value), 1 if self.often(0.05) else 0) + value
        return key + value.to_bytes(8 if wire == FIXED64 else 4, "little")

    def text(self, pool):
        text = bytearray(self.random.choice(pool))
        if text and self.often(0.2):
            text[self.random.randrange(len(text))] = self.random.choice(b"abz09-._AZ/ \x01\x7f\x80\xff\xc3")
        return bytes(text)

    def unknown(self):
        wire = self.random.choice([VARINT, FIXED64, BYTES, FIXED32])
        value = self.random.randrange(2**32) if wire != BYTES else self.random.randbytes(self.random.randrange(9))
        return self.field(self.random.choice([16, 21, 100, 2**29 - 1]), wire, value)

    def message(self, fields):
        """@fields: (how often, number, wire type, value)."""
        parts = [self.field(*rest) for share, *rest in fields if self.often(share)]
        parts += [self.unknown() for _ in range(self.random.choice([0, 0, 1, 2]))]
        if parts and self.often(0.1):
            parts.append(self.random.choice(parts))
        if self.often(0.3):
            self.random.shuffle(parts)
        return b"".join(parts)

    def damaged(self, data, share):
        data = bytearray(data)
        while data and self.often(share):
            at = self.random.randrange(len(data))
            data[at:at + self.random.randrange(2)] = self.random.randbytes(self.random.randrange(2))
        return bytes(data)

    def hello(self):
        pick, pid = self.random.choice, os.getpid()
        return self.message([
            (.95, 1, VARINT, pick(NUMBERS)), (.95, 2, VARINT, pick(NUMBERS)), (.95, 3, BYTES, self.text(NAMES)),
            (.95, 4, BYTES, self.text(VERSIONS)), (.3, 5, BYTES, b"v" * pick([0, 127, 128, 129])),
            (.3, 6, VARINT, pick(NUMBERS)), (.2, 7, BYTES, b"token"),
            (.3, 8, BYTES, self.text([b"req", b"\xe2\x82\xac"])),
            (.2, 9, VARINT, pick(NUMBERS)), (.3, 10, VARINT, pick([0, pid, pid, pid + 2**32, 1])),
            (.3, 11, BYTES, b"l" * pick([0, 64, 65])), (.3, 12, BYTES, b"\xc3\xa9" * pick([31, 32, 33])),
            (.2, 15, VARINT, pick(NUMBERS))])

    def admin(self):
        pick = self.random.choice
        return self.message([
            (.9, 1, VARINT, pick([0, 1, 4, 5, 10, 22, 99, 2**32 + 4, 2**31, 2**64 - 1])), (.2, 2, VARINT, 0),
            (.3, 3, BYTES, self.text([b"zccache", b"\xc3\xa9", b""])), (.3, 4, BYTES, self.text([b"b.tar.gz"])),
            (.3, 5, VARINT, pick(NUMBERS))])

    def frame(self):
        pick = self.random.choice
        is_admin = self.often(0.3)
        payload = self.damaged(self.admin() if is_admin else self.hello(), 0.1)
        lane = 0xAD01 if is_admin else pick([0] * 6 + [0xB232, 0xD0FF, 0x7A63, 1, 0x10000, 2**32])
        body = self.message([
            (.95, 1, VARINT, pick([1] * 12 + [0, 2, 2**32 + 1])), (.3, 2, VARINT, pick([0] * 6 + [1, 99, 2**32])),
            (1 if is_admin else .3, 3, VARINT, lane), (.97, 4, BYTES, payload), (.9, 5, VARINT, pick(NUMBERS)),
            (.2, 6, VARINT, pick([0] * 5 + [1, 77, 2**32])), (.2, 7, VARINT, pick(NUMBERS)),
            (.3, 8, BYTES, self.text([b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", b"p", b""])),
            (.3, 9, BYTES, self.text([b"rp=1", b"\xf0\x9f\x98\x80"]))])
        data = framed(self.damaged(body, 0.05))
        return data[:self.random.randrange(1, len(data))] if self.often(0.04) else data


def may_be_shutdown(data):
    return b"\x81\xda\x02" in data and (b"\x15" in data or b"\x95" in data)


def is_known_difference(data):
    try:
        frame = pb.Frame.FromString(data[5:])
        kind = pb.AdminRequest if frame.payload_protocol == harness.LANE_ADMIN else pb.Hello
        payload = kind.FromString(frame.payload)
    except Exception:
        return b"\0" in data[5:]  # in which string it was, if in one, cannot be told any more
    texts = [value for message in (frame, payload) for field, value in message.ListFields()
             if field.type == field.TYPE_STRING]
    return any("\0" in text or re.search("[0-9]{20}", text) for text in texts)


class BothBrokers(unittest.TestCase):
    def start(self, program, *args):
        box = harness.Box()
        self.addCleanup(box.cleanup)
        box.definition("floor", min_version="99.0.0")
        box.definition("listed", version_allow_list=["99.0.0"])
        return box.launch_mode(*args, program=program)

    def test_frames(self):
        reference.need()
        ours, theirs = self.start(harness.DAEMON, "--hello-rate-limit", "0"), self.start(reference.BROKER)
        frames = Frames(SEED)
        for number in range(FRAMES):
            data = frames.frame()
            if may_be_shutdown(data):
                continue
            ours_said, theirs_said = [exchange(b.socket, data, finish=True) for b in (ours, theirs)]
            if ours_said != theirs_said and not is_known_difference(data):
                self.assertEqual(ours_said, theirs_said, "SEED=%d, frame %d: %s" % (SEED, number, data.hex()))


if __name__ == "__main__":
    harness.main()
