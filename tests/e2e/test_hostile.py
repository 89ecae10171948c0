# SPDX-License-Identifier: MIT
"""Peers that mean harm, and resources that run out. In every case the daemon lives, an innocent client keeps being
answered, descriptors and memory come back, and what was half done by the hostile does not stay."""
import contextlib
import ctypes
import datetime
import os
import resource
import socket
import subprocess
import sys
import time

import harness
from canary import Canary
from harness import Conn, exchange, hello_frame, parse_hello_reply, say_hello, wait_for
from refusal_table import MIB16, field, text, varint


def setUpModule():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))


def close_quietly(fd):
    try:
        os.close(fd)
    except OSError:
        pass    # the one that the list of them was read from


class Hostile(harness.Case):
    options = ("--hello-rate-limit", "0")
    is_filtered = True    # no socket but AF_UNIX
    timeout_ms = 600000    # no deadline comes before a slow machine is done; None: the default
    log_level = None

    def setUp(self):
        super().setUp()
        harness.need(harness.TEST_BACKEND, "the test backend")
        self.box.service("canary", version_allow_list=["1.0.0"])

    def start(self, *args, nofile=None, prefix=(), pass_fds=(), **env):
        if self.timeout_ms:
            env["RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS"] = str(self.timeout_ms)
        if self.log_level:
            env["RP_BROKER_LOG_LEVEL"] = self.log_level
        # whatever is done to it: the first socket of another family would be its end (decision 4)
        only_unix = [] if harness.VALGRIND or not self.is_filtered else [os.path.join(harness.BUILD, "tests/helpers/only-unix")]
        broker = self.box.launch_mode(*self.options, *args, env=self.box.env(**env), nofile=nofile,
                                      prefix=[*prefix, *only_unix], pass_fds=pass_fds)
        # a launch may take longer than the deadline of a test, the more so on a slow machine
        wait_for(lambda: self.is_served(broker), "the canary's backend")
        for _ in range(20):
            self.is_served(broker)
        self.base_fds = broker.fd_count()
        self.base_memory = broker.memory_kib()
        return broker

    def is_served(self, broker):
        answer = exchange(broker.socket, hello_frame("canary", "1.0.0"))
        return answer and harness.is_negotiated(parse_hello_reply(answer))

    def canary(self, broker):
        return Canary(broker.socket, "canary", "1.0.0", pid=broker.pid)

    def pace(self, path, number):
        """A Hello after every 50 connections, so that they are in: how long the canary stands behind a thousand that have come
        before it, and that nobody can overtake, says nothing about what they do."""
        if number % 50 == 49:
            say_hello(path, "canary", "1.0.0")

    def idles(self, broker, share, seconds):
        """It needs at most this share of a processor; its ticks are coarse, so a few do not count."""
        before, begun = broker.cpu_seconds(), time.monotonic()
        wait_for(lambda: time.monotonic() > begun + seconds, "the time to be over")
        self.assertLess(broker.cpu_seconds() - before, share * harness.SLOW * (time.monotonic() - begun) + 0.03)

    def holder(self, path, n):
        """Another process that holds `n` idle connections until it is told to let go."""
        told, tell = os.pipe()
        ready, is_ready = os.pipe()
        pid = os.fork()
        if pid == 0:
            for fd in harness.proc_fds(os.getpid()):    # the canary's pipe above all: it would never hear that it is over
                if fd > 2 and fd not in (told, is_ready):
                    close_quietly(fd)
            conns = []
            for number in range(n):
                conns.append(Conn(path))
                self.pace(path, number)
            os.write(is_ready, b"x")
            os.read(told, 1)
            os._exit(len(conns) and 0)
        os.close(told)
        os.close(is_ready)
        self.assertEqual(os.read(ready, 1), b"x")
        os.close(ready)
        return pid, tell

    def judge(self, broker, canary, kib=256, code=None):
        """What must hold after every attack. The canary has stopped; only the broker's own time is left to pass."""
        canary.check(self)
        self.no_flood_in_the_log(broker)
        if code:
            self.assertTrue(broker.log_lines(code), "no line says " + code)
        self.assertNegotiated(say_hello(broker.socket, "canary", "1.0.0"))
        harness.wait_fds_back(broker, self.base_fds)
        if not harness.VALGRIND and not harness.SANITIZED:
            try:
                wait_for(lambda: broker.memory_kib() <= self.base_memory + kib, "memory back")
            except AssertionError:
                self.fail("memory was %d KiB, may be %d more, is %d" % (self.base_memory, kib, broker.memory_kib()))
        self.assertEqual(broker.zombies(), [])
        broker.stop()


    def no_flood_in_the_log(self, broker):
        """At most 20 lines a second and code: a window may begin anywhere in a second."""
        times = {}
        for record in broker.log_lines():
            moment = datetime.datetime.fromisoformat(record["ts"].replace("Z", "+00:00")).timestamp()
            times.setdefault(record["code"], []).append(moment)
        for code, moments in times.items():
            for first, last in zip(moments, moments[41:]):
                self.assertGreaterEqual(last - first, 0.99, "more than 40 lines in a second: " + code)


class Fault(Hostile):
    log_level = "debug"    # what a client can repeat at will is said at this level only

    @contextlib.contextmanager
    def attacked(self, *args, kib=256, **env):
        """A broker with its canary; everything is judged behind the block."""
        broker = self.start(*args, **env)
        with self.canary(broker) as canary:
            yield broker
        self.judge(broker, canary, kib)

    def refused(self, broker, data, code, words="", finish=False):
        """The refusal of these bytes, and that the log tells it (lines of one code are limited, so maybe later)."""
        def told():
            got = parse_hello_reply(exchange(broker.socket, data, finish=finish))
            self.assertRefused(got, code)
            self.assertIn(words, got.reason)
            return any(got.reason in record["msg"] and "error_code" in record
                       for record in broker.log_lines("hello-outcome"))
        wait_for(told, "a line that tells the refusal")

    def said(self, broker, code, words=""):
        wait_for(lambda: any(words in record["msg"] for record in broker.log_lines(code)), "a line that says " + code)


class Noise(Hostile):
    log_level = "debug"    # a client can repeat at will what is said of it

    def test_connect_and_close(self):
        broker = self.start()
        with self.canary(broker) as canary:
            for _ in range(10000 // harness.SLOW):
                Conn(broker.socket).close()
            # the sum is written with the first line behind its second
            wait_for(lambda: any("'connection-closed' were suppressed" in record["msg"]
                                 for record in broker.log_lines("log-suppressed")), "a line about those left out")
        self.judge(broker, canary, 1024, code="connection-closed")

    def test_write_and_close(self):
        broker = self.start()
        pieces = (hello_frame("canary", "1.0.0"), hello_frame("nosuch"), b"\x02", hello_frame()[:9], b"\x01\xff\xff\xff\xff",
                  harness.admin_frame(1, json=True), harness.frame(b"\xff", payload_protocol=0xAD01))
        with self.canary(broker) as canary:
            for number in range(3000 // harness.SLOW):
                with Conn(broker.socket) as conn:
                    conn.send(pieces[number % len(pieces)])
        self.judge(broker, canary, 1024, code="admin-refused")

    def test_replies_that_nobody_reads(self):
        broker = self.start()
        with self.canary(broker) as canary:
            held = []
            for _ in range(200):
                conn = Conn(broker.socket)
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                conn.send(harness.admin_frame(1, json=True))
                held.append(conn)
            wait_for(lambda: broker.fd_count() <= self.base_fds + 4, "answered and closed, read or not")
            for conn in held:
                self.assertTrue(conn.read_all())
                conn.close()
        self.judge(broker, canary, code="connection-closed")

    def test_random_bytes(self):
        import random
        source = random.Random(20)
        broker = self.start()
        whole = hello_frame("canary", "1.0.0", client_version="1", request_id=7, traceparent="00-1", tracestate="a=b")
        with self.canary(broker) as canary:
            for number in range(2000 // harness.SLOW):
                data = bytearray(whole)
                for _ in range(source.randrange(1, 4)):
                    data[source.randrange(5 if number % 3 else 0, len(data))] = source.randrange(256)
                exchange(broker.socket, bytes(data), finish=True)
        self.judge(broker, canary, code="hello-outcome")


class Deadlines(Hostile):
    timeout_ms = 400 * harness.SLOW
    log_level = "debug"    # a client can come too late as often as it likes

    def closes_in_time(self, conn, begun):
        got = conn.read_all()
        took = time.monotonic() - begun
        self.assertEqual(got, b"", "a reply after the deadline")
        self.assertGreaterEqual(took, self.timeout_ms / 1000 - 0.02)
        self.assertLess(took, 20, "that was the default")

    def test_silent(self):
        broker = self.start()
        with self.canary(broker) as canary:
            begun = time.monotonic()
            with Conn(broker.socket) as conn:
                self.closes_in_time(conn, begun)
        self.judge(broker, canary, code="connection-timed-out")

    def test_half_a_frame(self):
        broker = self.start()
        with self.canary(broker) as canary:
            for size in (1, 5, 20):
                begun = time.monotonic()
                with Conn(broker.socket) as conn:
                    conn.send(hello_frame()[:size])
                    self.closes_in_time(conn, begun)
        self.judge(broker, canary, code="connection-timed-out")

    def test_a_byte_now_and_then_does_not_move_the_deadline(self):
        broker = self.start()
        with self.canary(broker) as canary:
            begun = time.monotonic()
            conns = [Conn(broker.socket) for _ in range(64)]
            data = hello_frame(request_id=1, client_version="x" * 100)
            sent = 0
            while sent < len(data) - 1 and not conns[0].is_closed_now():
                for conn in conns:
                    conn.send(data[sent:sent + 1])
                sent += 1
                conns[0].wait_readable(self.timeout_ms / 1000 / 20)
            for conn in conns:
                self.closes_in_time(conn, begun)
                conn.close()
            self.assertLess(sent, len(data) - 1)
        self.judge(broker, canary, code="connection-timed-out")

    def test_no_deadline_that_makes_sense_means_the_default(self):
        self.timeout_ms = None
        for value in ("0", "-5", "soon", "", "1e3"):
            broker = self.start(RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS=value)
            with Conn(broker.socket) as conn:
                conn.send(hello_frame()[:5])
                self.assertNegotiated(say_hello(broker.socket, "canary", "1.0.0"))
                self.assertFalse(conn.is_closed_now())
            broker.stop()


class Size(Hostile):
    log_level = "debug"

    def test_announced_and_not_sent(self):
        broker = self.start()
        with self.canary(broker) as canary:
            # 512 of 64 KiB are all that the buffers may hold, if what is announced were what is held
            conns = []
            for number, size in enumerate([MIB16] * 200 + [65536] * 520):
                conns.append(Conn(broker.socket).send(b"\x01" + size.to_bytes(4, "little") + b"\x22"))
                self.pace(broker.socket, number)
            self.assertNegotiated(say_hello(broker.socket, "canary", "1.0.0"))
            self.assertFalse(any(conn.is_closed_now() for conn in conns), "room made for announcements")
            if not harness.VALGRIND and not harness.SANITIZED:
                self.assertLess(broker.memory_kib(), self.base_memory + 6144, "memory for an announcement")
            for conn in conns:
                conn.close()
        self.judge(broker, canary, code="hello-outcome")

    def test_16_mib_are_read_and_not_kept(self):
        broker = self.start()
        body = text(4, b"\0" * (MIB16 - 6))
        peak = self.base_memory
        with self.canary(broker) as canary:
            for _ in range(4):
                with Conn(broker.socket) as conn:
                    conn.send(b"\x01" + len(body).to_bytes(4, "little") + body[:MIB16 // 2])
                    peak = max(peak, broker.memory_kib())
                    conn.send(body[MIB16 // 2:])
                    self.assertRefused(parse_hello_reply(conn.read_all()), harness.PEER_REJECTED,
                                       "initial Hello frame exceeds 64 KiB", 0)
        if not harness.VALGRIND and not harness.SANITIZED:
            self.assertLess(peak, self.base_memory + 1024)
        self.judge(broker, canary, code="hello-outcome")

    def test_64_kib_from_each_of_many(self):
        broker = self.start()
        body = text(4, b"\0" * 65000)
        with self.canary(broker) as canary:
            conns = []
            for number in range(300):
                conns.append(Conn(broker.socket).send(b"\x01" + len(body).to_bytes(4, "little") + body[:-1]))
                self.pace(broker.socket, number)
            wait_for(lambda: not any(conn.unread() for conn in conns), "all of it read")
            if not harness.VALGRIND and not harness.SANITIZED:
                self.assertLess(broker.memory_kib(), self.base_memory + 34 * 1024)
            for conn in conns:
                conn.close()
        self.judge(broker, canary, code="hello-outcome")

    def test_buffers_together_are_bounded(self):
        broker = self.start()
        body = text(4, b"\0" * 65000)
        with self.canary(broker) as canary:
            conns = []
            for number in range(900):
                self.pace(broker.socket, number)
                conns.append(Conn(broker.socket).send(b"\x01" + len(body).to_bytes(4, "little") + body[:-1]))
            wait_for(lambda: sum(conn.is_closed_now() for conn in conns) > 200, "the biggest to be closed")
            if not harness.VALGRIND and not harness.SANITIZED:
                self.assertLess(broker.memory_kib(), self.base_memory + 36 * 1024)
            for conn in conns:
                conn.close()
        self.judge(broker, canary, 1024, code="connection-evicted")

    def test_a_bomb_of_unknown_fields(self):
        broker = self.start()
        with self.canary(broker) as canary:
            for size in (65000, 1 << 20, MIB16 - 2):
                body = varint(20 << 3) + b"\x01"
                body = b"\x08\x01" + body * ((size - 2) // len(body))
                got = exchange(broker.socket, harness.framed(body))
                self.assertRefused(parse_hello_reply(got), harness.PEER_REJECTED)
        self.judge(broker, canary, code="hello-outcome")

    def test_a_bomb_inside_the_hello(self):
        broker = self.start()
        with self.canary(broker) as canary:
            for _ in range(20):
                payload = harness.hello().SerializeToString() + field(30, 0, b"\x01") * 20000
                self.assertRefused(parse_hello_reply(exchange(broker.socket, harness.frame(payload))),
                                   harness.PEER_REJECTED, "malformed Hello payload")
        self.judge(broker, canary, code="hello-outcome")


class Caps(Hostile):
    def test_more_than_one_process_may_hold(self):
        broker = self.start()
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if soft < 1200:
            self.skipTest("this shell may not open 1 200 descriptors")
        with self.canary(broker) as canary:
            conns = []
            for number in range(1024):
                conns.append(Conn(broker.socket))
                self.pace(broker.socket, number)
            wait_for(lambda: broker.fd_count() >= self.base_fds + 1024, "all of them in")
            self.assertFalse(any(conn.is_closed_now() for conn in conns))
            self.assertNegotiated(say_hello(broker.socket, "canary", "1.0.0"))
            wait_for(lambda: conns[0].is_closed_now(), "the oldest to make room")
            self.assertFalse(any(conn.is_closed_now() for conn in conns[1:]))
            self.assertNegotiated(parse_hello_reply(conns[-1].send(hello_frame("canary", "1.0.0")).read_all()))
            for conn in conns:
                conn.close()
        self.judge(broker, canary, 1024, code="connection-evicted")

    def total(self, nofile):
        """As many as the descriptors leave beside 64 and two a backend, and 32 at least. Nobody else connects meanwhile."""
        limit = max(32, nofile - 64 - 2)
        broker = self.start(nofile=(nofile, nofile))
        conns = [Conn(broker.socket) for _ in range(limit)]
        wait_for(lambda: broker.fd_count() >= self.base_fds + limit, "all of them in")
        self.assertFalse(any(conn.is_closed_now() for conn in conns))
        conns += [Conn(broker.socket) for _ in range(5)]
        wait_for(lambda: conns[4].is_closed_now(), "the oldest to make room")
        wait_for(lambda: broker.fd_count() == self.base_fds + limit, "as many as before")
        self.assertEqual([conn.is_closed_now() for conn in conns], [True] * 5 + [False] * limit)
        with self.canary(broker) as canary:
            conns += [Conn(broker.socket) for _ in range(300)]
            wait_for(lambda: sum(conn.is_closed_now() for conn in conns) >= 300, "evictions")
            self.assertFalse(conns[-1].is_closed_now())
            closed = [conn.is_closed_now() for conn in reversed(conns)]    # the canary has more closed meanwhile
            self.assertEqual(closed, sorted(closed), "the oldest go first")
            self.assertLessEqual(broker.fd_count(), nofile)
            for conn in conns:
                conn.close()
        self.judge(broker, canary, code="connection-evicted")

    @harness.bare_only
    def test_total(self):
        self.total(200)

    @harness.bare_only
    def test_total_is_32_at_least(self):
        self.total(80)

    def test_those_who_wait_for_a_launch_are_never_chosen(self):
        program = self.box.service("slow", harness.ACT["never binds"])
        broker = self.start(nofile=(200, 200))
        waiting = [Conn(broker.socket).send(hello_frame("slow", "1.0.0")) for _ in range(50)]
        wait_for(lambda: self.box.backend_pids(program), "the launch")
        wait_for(lambda: not any(conn.unread() for conn in waiting), "all of them wait")
        conns = [Conn(broker.socket) for _ in range(300)]
        wait_for(lambda: sum(conn.is_closed_now() for conn in conns) >= 150, "evictions")
        self.assertEqual([conn.is_closed_now() for conn in waiting], [False] * 50)
        self.box.kill_backends(program)
        for conn in waiting:
            self.assertRefused(parse_hello_reply(conn.read_all()), harness.SPAWN_FAILED, prefix="backend spawn failed: ",
                               retry=1000)
            conn.close()
        for conn in conns:
            conn.close()
        harness.wait_fds_back(broker, self.base_fds)
        broker.stop()

    @harness.bare_only
    def test_descriptors_run_out(self):
        """With a limit of 32 nobody can be evicted once everyone waits: the guard speaks, admin works, it recovers."""
        from test_frozen_bytes import PRESSURE
        program = self.box.service("slow", harness.ACT["never binds"])
        broker = self.start(nofile=(32, 32))
        waiting = [Conn(broker.socket).send(hello_frame("slow", "1.0.0", request_id=41))]
        wait_for(lambda: self.box.backend_pids(program), "the launch")
        while not waiting[-1].has_bytes_now():
            self.assertLess(len(waiting), 40, "no refusal although the descriptors must be gone")
            waiting.append(Conn(broker.socket).send(hello_frame("slow", "1.0.0", request_id=41)))
            wait_for(lambda: waiting[-1].unread() == 0, "it is read, so it waits or is refused")
            waiting[-1].wait_readable(0.01)
        refused = [conn for conn in waiting if conn.has_bytes_now()]
        self.assertEqual(refused[0].read_all(), PRESSURE)
        reply = harness.ask_admin(broker.socket, 5)
        self.assertEqual((reply.body, reply.exit_code), ("not ready\n", 1))
        self.assertIn('"fd_pressure":{"demoted":true}', harness.ask_admin(broker.socket, 1, json=True).body)
        self.assertIn("demoted under fd pressure", broker.stderr())
        with Conn(broker.socket):
            self.idles(broker, 0.05, 1)    # a second in which nothing happens
        self.box.kill_backends(program)
        for conn in waiting:
            conn.close()
        wait_for(lambda: harness.ask_admin(broker.socket, 5).body == "ready\n", "recovery")
        self.assertNegotiated(say_hello(broker.socket, "canary", "1.0.0"))
        harness.wait_fds_back(broker, self.base_fds)
        broker.stop()


class DeadMount(Hostile):
    """A file system whose server is gone: every call on a path below it hangs, for as long as nobody unmounts it."""

    def setUp(self):
        super().setUp()
        self.fuse = -1
        libc = ctypes.CDLL(None, use_errno=True)
        path = os.path.join(self.box.dir, "dead")
        os.mkdir(path)
        try:
            self.fuse = os.open("/dev/fuse", os.O_RDWR)
        except OSError as error:
            self.skipTest("no FUSE here: %s" % error)
        self.addCleanup(os.close, self.fuse)
        options = b"fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other" % self.fuse
        if libc.mount(b"dead", path.encode(), b"fuse.dead", 0, options) != 0:
            self.skipTest("no mounts here: %s" % os.strerror(ctypes.get_errno()))
        self.addCleanup(libc.umount2, path.encode(), 2)
        self.path = path

    def test_binary_on_it(self):
        self.box.definition("dead", self.path + "/backend")
        broker = self.start()
        with self.canary(broker) as canary:
            waiting = [Conn(broker.socket).send(hello_frame("dead", "1.0.%d" % n)) for n in range(8)]
            for conn in waiting:
                self.assertRefused(parse_hello_reply(conn.read_all()), harness.SPAWN_FAILED,
                                   "backend spawn failed: reading the backend binary took longer than 10 s", 1000)
            for _ in range(20):
                self.assertRefused(say_hello(broker.socket, "dead", "1.0.0"), harness.SPAWN_FAILED)
            self.box.service("another")    # whose program nobody has looked at yet
            self.assertNegotiated(say_hello(broker.socket, "another", "1.0.0"))
            for conn in waiting:
                conn.close()
        canary.check(self)
        broker.kill()


class Strangers(harness.Case):
    """Only the user of the broker is heard (spec 01 §9). The broker runs as another user, we come as root."""
    uid = 65534

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        super().setUp()
        self.own_copy = os.path.join(self.box.dir, "broker")
        subprocess.run(["cp", harness.DAEMON, self.own_copy], check=True)
        os.chmod(self.own_copy, 0o755)
        self.as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        harness.need(harness.TEST_BACKEND, "the test backend")
        self.box.service("canary")
        self.broker = self.box.daemon("--serve-launch", self.box.socket, "--service-def-dir", self.box.defs,
                                      program=self.own_copy, prefix=self.as_user).ready()

    def test_dropped_without_a_word(self):
        with Canary(self.box.socket, "canary", "1.0.0", uid=self.uid, pid=self.broker.pid) as canary:
            wait_for(lambda: self.box.backend_pids(), "the canary's backend")
            fds = self.broker.fd_count()
            for _ in range(20):
                for data in (b"", hello_frame(), harness.admin_frame(4), harness.admin_frame(21), b"\x02"):
                    self.assertEqual(exchange(self.box.socket, data), b"")
        canary.check(self)
        harness.wait_fds_back(self.broker, fds)
        got = self.box.run("--socket", self.box.socket, "healthz", program=self.own_copy, prefix=self.as_user)
        self.assertEqual((got.returncode, got.stdout), (0, "ok\n"), got.stderr)
        self.assertTrue(self.broker.log_lines("security-violation"))
        log = self.broker.stderr()
        self.assertRegex(log, r'dropped connection.*from peer pid=%d uid_or_sid=\\?"0\\?"' % os.getpid())
        self.broker.stop()
        self.assertFalse(os.path.lexists(self.box.socket))

    def test_served_to_its_own(self):
        got = self.box.run("--socket", self.box.socket, "hello", "nosuch", "1.0.0", "--json", program=self.own_copy,
                           prefix=self.as_user)
        self.assertEqual(got.returncode, 1)
        self.assertIn("service definition was not found", got.stdout)
        self.broker.stop()


if __name__ == "__main__":
    sys.exit(harness.main())
