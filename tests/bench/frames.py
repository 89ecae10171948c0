# SPDX-License-Identifier: MIT
"""M12: the dearest frames that a client may send. How far the broker's memory grows at its peak (the kernel's own high
water mark), and how long a neighbour's Hello waits meanwhile: the neighbour asks without a pause, and its slowest exchange
while a frame is taken is the loop's stall and the exchange itself. Both run before everybody else where that is allowed, and
the least of several runs counts: a stall that the frame causes is in each of them, a processor that somebody else has is
not."""
import os
import re
import time

from common import QUICK, SERVICE, VERSION, Box, harness, hello_frame, note, pin, row, save_csv, start_ours, warm

MIB16 = 16 * 1024 * 1024


def tag(number, kind):
    out, value = b"", number << 3 | kind
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def filled(piece, size, head=b""):
    return harness.framed(head + piece * ((size - len(head)) // len(piece)))


def frames():
    """{name: bytes on the wire}; each is legal in length, and the dearest of its kind."""
    admin = harness.pb.Frame(envelope_version=1, payload_protocol=harness.LANE_ADMIN).SerializeToString()
    hello = harness.hello(SERVICE, VERSION).SerializeToString()
    inner = tag(30, 0) + b"\x01"
    return {
        "64 KiB, all unknown fields": filled(tag(20, 0) + b"\x01", 65536, b"\x08\x01"),
        "64 KiB, 255 fields, the rest text": harness.frame(hello + inner * 240 + tag(31, 2) + b"\x80\xe0\x03" + b"x" * 61440),
        "64 KiB Hello of unknown fields": harness.frame(hello + inner * 21000),
        "64 KiB Hello of the same field": harness.frame(hello + (tag(3, 2) + b"\x05bench") * 9000),
        "16 MiB, one field": harness.framed(b"\x08\x01" + tag(5, 2) + b"\xf0\xff\xff\x07" + b"\0" * (MIB16 - 16)),
        "16 MiB, all unknown fields": filled(tag(20, 0) + b"\x01", MIB16, b"\x08\x01"),
        "16 MiB admin request of unknown fields": filled(tag(20, 0) + b"\x01", MIB16, admin),
        "16 MiB, deep in one field after the other": filled(tag(5, 2) + b"\x02\x08\x01", MIB16, b"\x08\x01"),
    }


def peak_kib(pid):
    with open("/proc/%d/status" % pid) as text:
        return int(re.search(r"VmHWM:\s+(\d+)", text.read()).group(1))


def hurry(pid):
    """Its threads go before all others, from now on."""
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass


class Neighbour:
    """Says Hello without a pause, in a process on the other processor, until told; then gives its slowest exchange."""

    def __init__(self, path):
        request = hello_frame(SERVICE, VERSION)
        self.reader, writer = os.pipe()
        told, self.stop = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.stop)
            hurry(os.getpid())
            os.set_blocking(told, False)
            slowest = 0
            done = 0
            while True:
                begun = time.monotonic_ns()
                harness.exchange(path, request)
                slowest = max(slowest, time.monotonic_ns() - begun) if done > 20 else 0
                done += 1
                if done == 50:
                    os.write(writer, b"r")
                try:
                    if done > 50 and os.read(told, 1) == b"":
                        break
                except BlockingIOError:
                    pass
            os.write(writer, b"%d" % slowest)
            os._exit(0)
        os.close(told)
        os.close(writer)
        os.read(self.reader, 1)

    def end(self):
        os.close(self.stop)
        got = b""
        while piece := os.read(self.reader, 64):
            got += piece
        os.close(self.reader)
        os.waitpid(self.pid, 0)
        return int(got) / 1e6


def slowest(broker, data=None):
    neighbour = Neighbour(broker.socket)
    if data:
        harness.exchange(broker.socket, data)
    else:
        time.sleep(0.03)
    return neighbour.end()


def worst_frames():
    box = Box()
    rows = []
    try:
        broker = start_ours(box)
        warm(broker.socket, box)
        if os.cpu_count() > 1:
            pin(broker.pid, 1)
            os.sched_setaffinity(0, {0})
        hurry(broker.pid)
        for name, data in frames().items():
            note("frame: " + name)
            base = broker.rss_kib()
            with open("/proc/%d/clear_refs" % broker.pid, "w") as out:
                out.write("5")
            repeat = 3 if QUICK else 9
            quiet = min(slowest(broker) for _ in range(repeat))
            loud = min(slowest(broker, data) for _ in range(repeat))
            grown = peak_kib(broker.pid) - base
            rows.append((name, len(data), grown, quiet, loud))
        broker.stop()
    finally:
        os.sched_setaffinity(0, range(os.cpu_count()))
        box.cleanup()
    save_csv("frames.csv", "frame,bytes,rss_growth_kib,quiet_ms,with_frame_ms", rows)
    fat = max(rows, key=lambda r: r[2] - r[1] / 1024)
    slow = max(rows, key=lambda r: r[4])
    row("M12", "RSS growth, worst legal frame", "<= frame + 1024 KiB", "%d KiB (%s)" % (fat[2], fat[0]),
        fat[2] <= fat[1] / 1024 + 1024)
    row("M12", "loop stall, worst legal frame", "<= 2 ms", "%.2f ms (%s; %.2f without)" % (slow[4], slow[0], slow[3]),
        slow[4] <= 2)
