# SPDX-License-Identifier: MIT
"""Message buses as arms: dbus-daemon from a configuration of its own, and dbus-broker without its launcher, which wants
systemd's journal: we are its controller, over the socket pair that it is made for, and hand it one listener with a policy
that allows everything. What is not installed, or does not start, is said loudly and left out."""
import array
import os
import socket
import struct
import subprocess

from common import harness, missing, note, wait_for

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
# a batch: may connect, its priority; rules about names, about sending, about receiving
RULE = "btssssuutt"
BATCH = "bta(btbs)a(%s)a(%s)" % (RULE, RULE)
POLICY = "(a(u(%s))a(buu(%s))a(ss)bs)" % (BATCH, BATCH)


class Wire:
    """The marshalling of D-Bus, little endian, as far as one call of ours needs it."""

    ALIGN = {"y": 1, "g": 1, "v": 1, "b": 4, "u": 4, "h": 4, "s": 4, "o": 4, "a": 4, "t": 8, "(": 8}

    def __init__(self):
        self.bytes = bytearray()

    def align(self, n):
        self.bytes += b"\0" * (-len(self.bytes) % n)

    @staticmethod
    def first(signature, at=0):
        """Where the complete type at `at` ends."""
        while signature[at] == "a":
            at += 1
        if signature[at] != "(":
            return at + 1
        at += 1
        while signature[at] != ")":
            at = Wire.first(signature, at)
        return at + 1

    def put(self, signature, *values):
        at = 0
        for value in values:
            end = self.first(signature, at)
            self.one(signature[at:end], value)
            at = end
        return self

    def one(self, kind, value):
        self.align(self.ALIGN[kind[0]])
        if kind in ("b", "u", "h"):
            self.bytes += struct.pack("<I", int(value))
        elif kind == "y":
            self.bytes.append(value)
        elif kind == "t":
            self.bytes += struct.pack("<Q", value)
        elif kind in ("s", "o"):
            self.bytes += struct.pack("<I", len(value)) + value.encode() + b"\0"
        elif kind == "g":
            self.bytes += bytes([len(value)]) + value.encode() + b"\0"
        elif kind == "v":
            self.one("g", value[0])
            self.one(*value)
        elif kind[0] == "a":
            at = len(self.bytes)
            self.bytes += b"\0" * 4
            self.align(self.ALIGN[kind[1]])
            begin = len(self.bytes)
            for item in value:
                self.one(kind[1:], item)
            self.bytes[at:at + 4] = struct.pack("<I", len(self.bytes) - begin)
        else:
            self.put(kind[1:-1], *value)


def add_listener():
    """The call that gives dbus-broker its listener, which travels beside it."""
    rule = (True, 1, "", "", "", "", 0, 0, 0, 2 ** 64 - 1)
    batch = (True, 1, [(True, 1, True, "")], [rule], [rule])
    policy = ([(0xffffffff, batch)], [], [], False, "session")
    body = Wire().put("ohv", "/org/bus1/DBus/Listener/0", 0, (POLICY, policy)).bytes
    head = Wire().put("yyyyuu", ord("l"), 1, 0, 1, len(body), 1)
    head.one("a(yv)", [(1, ("o", "/org/bus1/DBus/Broker")), (2, ("s", "org.bus1.DBus.Broker")),
                       (3, ("s", "AddListener")), (8, ("g", "ohv")), (9, ("u", 1))])
    head.align(8)
    return bytes(head.bytes + body)


class Bus:
    """A running bus: name, socket, pid; kill() ends it."""

    def __init__(self, name, process, path, keep=()):
        self.name, self.process, self.socket, self.pid, self.keep = name, process, path, process.pid, keep

    def kill(self):
        self.process.kill()
        self.process.wait()
        for thing in self.keep:
            thing.close()


def start_daemon(box):
    path, config = os.path.join(box.sockets, "daemon.sock"), os.path.join(box.dir, "bus.conf")
    with open(config, "w") as out:
        out.write(CONFIG % path)
    process = subprocess.Popen(["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--config-file=" + config],
                               stderr=subprocess.DEVNULL)
    bus = Bus("dbus-daemon", process, path)
    try:
        wait_for(lambda: process.poll() is not None or harness.is_listening(path), "dbus-daemon", 5)
        if process.poll() is not None:
            raise RuntimeError("it ended with %d" % process.returncode)
    except BaseException:
        bus.kill()
        raise
    return bus


def start_broker(box):
    path = os.path.join(box.sockets, "broker.sock")
    ours, theirs = socket.socketpair()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, theirs:
        listener.bind(path)
        listener.listen(128)
        listener.setblocking(False)
        process = subprocess.Popen(["dbus-broker", "--controller", str(theirs.fileno()), "--machine-id", "0" * 31 + "1",
                                    "--max-bytes", "100000000", "--max-objects", "100000", "--max-fds", "10000",
                                    "--max-matches", "10000"], pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        bus = Bus("dbus-broker", process, path, [ours])
        try:
            ours.settimeout(5)
            uid = str(os.getuid()).encode().hex().encode()
            ours.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
            got = b""
            while b"AGREE_UNIX_FD\r\n" not in got:
                got += ours.recv(4096) or b"AGREE_UNIX_FD\r\n"
            right = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))
            ours.sendmsg([add_listener()], [right])
            answer = ours.recv(4096)
            if answer[1:2] != b"\x02":
                raise RuntimeError("it did not take the listener: %r" % answer)
        except BaseException:
            bus.kill()
            raise
    return bus


def start(box):
    """All buses that this machine has."""
    found = []
    for name, begin in (("dbus-broker", start_broker), ("dbus-daemon", start_daemon)):
        if missing(name):
            note("THIS MACHINE LACKS %s: its arm is left out" % name)
            continue
        try:
            found.append(begin(box))
        except (RuntimeError, AssertionError, OSError) as error:
            note("%s DOES NOT START, its arm is left out: %s" % (name, error))
    return found
