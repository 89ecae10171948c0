# SPDX-License-Identifier: MIT
"""What a daemon finds around it and cannot choose: the limits that it is put under, files that turn into others, /proc, the
log, signals, peers that do what sockets allow and nobody expects. As in test_faults.py, which lists these cases: it lives,
the canary is answered, descriptors and memory come back, the log says what happened."""
import ctypes
import fcntl
import os
import resource
import shutil
import signal
import socket
import time

import harness
from harness import (ACT, RATE_LIMITED, SERVICE_UNKNOWN, SPAWN_FAILED, VERSION_UNSUPPORTED, Conn, exchange,
                     hello_frame, is_listening, parse_hello_reply, say_hello, wait_for)
from refusal_table import MIB16
from test_hostile import Fault, setUpModule  # noqa: F401


class Surroundings(Fault):
    def test_a_log_that_nobody_reads(self):
        """Its pipe is full, then its reader is gone: lines are lost, nothing else."""
        reader, writer = os.pipe()
        self.addCleanup(lambda: reader is None or os.close(reader))
        broker = self.start(prefix=["sh", "-c", 'exec "$@" 2>&%d' % writer, "sh"], pass_fds=(writer,))
        os.close(writer)
        with self.canary(broker) as canary:
            os.set_blocking(reader, False)
            begun = self.lines_of(reader)
            self.assertIn(b'"code":"broker-ready"', begun)
            wait_for(lambda: self.is_small(reader), "a small pipe")
            for _ in range(500 // harness.SLOW):
                self.assertRefused(say_hello(broker.socket, "nosuch", "1.0.0"), harness.SERVICE_UNKNOWN)
            os.close(reader)
            reader = None
            for _ in range(500 // harness.SLOW):
                self.assertRefused(say_hello(broker.socket, "nosuch", "1.0.0"), harness.SERVICE_UNKNOWN)
        self.judge(broker, canary)

    def is_small(self, pipe):
        """It can only be made smaller than what is in it is large."""
        try:
            os.read(pipe, 65536)
        except BlockingIOError:
            pass
        try:
            return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        except OSError:
            return False

    def lines_of(self, reader):
        wait_for(lambda: harness.select.select([reader], [], [], 0)[0], "the first lines")
        return os.read(reader, 65536)

    @harness.bare_only
    def test_started_without_standard_descriptors(self):
        """Whatever is opened next would get their numbers, and the log would go to a client or into a file."""
        broker = self.start(prefix=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
        program = self.box.service("svc")
        with self.canary(broker) as canary:
            self.assertEqual({fd: path for fd, path in harness.proc_fds(broker.pid).items() if fd < 3},
                             dict.fromkeys(range(3), "/dev/null"))
            self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0"))
            got = exchange(broker.socket, b"\x02")
            self.assertRefused(parse_hello_reply(got), VERSION_UNSUPPORTED)
            self.box.kill_backends(program)
        self.judge(broker, canary)

    def send_with_descriptors(self, conn, data, fds):
        """Kernels that can keep descriptors out at the door do; there the bytes come without them."""
        try:
            socket.send_fds(conn.sock, [data], fds)
            self.assertFalse(self.door, "the kernel let them in")
        except PermissionError:
            conn.send(data)

    def test_descriptors_that_a_client_sends(self):
        """None gets in: not with a good Hello, not with half of one, not with one after the other."""
        data = hello_frame("canary", "1.0.0")
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                self.door = sock.getsockopt(socket.SOL_SOCKET, 83) == 1    # SO_PASSRIGHTS
            except OSError:
                self.door = False
        with self.attacked() as broker, open("/dev/null", "rb") as null:
            own = list(harness.proc_fds(broker.pid).values()).count("/dev/null")
            for _ in range(20):
                with Conn(broker.socket) as conn:
                    conn.send(data[:-1])
                    wait_for(lambda: not conn.unread(), "half a Hello read")
                    before = broker.fd_count()
                    self.send_with_descriptors(conn, data[-1:], [null.fileno()] * 253)
                    self.assertNegotiated(parse_hello_reply(conn.read_all()))
                    self.assertLessEqual(broker.fd_count(), before + 4)
            with Conn(broker.socket) as conn:
                for byte in data[:20]:
                    self.send_with_descriptors(conn, bytes([byte]), [null.fileno()] * 10)
                wait_for(lambda: not conn.unread(), "all of it read")
                self.assertEqual(list(harness.proc_fds(broker.pid).values()).count("/dev/null"), own)

    def test_frozen_and_thawed(self):
        """Stopped for longer than any deadline (a suspended machine, a frozen group of processes): those who had said
        everything are answered, those who had not are closed, the next is served."""
        self.timeout_ms = 300 * harness.SLOW
        broker = self.start()
        with Conn(broker.socket) as half:
            half.send(hello_frame()[:9])
            wait_for(lambda: not half.unread(), "half a frame read")
            os.kill(broker.pid, signal.SIGSTOP)
            conns = [Conn(broker.socket).send(hello_frame("canary", "1.0.0")) for _ in range(50)]
            half.wait_readable(2 * self.timeout_ms / 1000)
            os.kill(broker.pid, signal.SIGCONT)
            for conn in conns:
                self.assertNegotiated(parse_hello_reply(conn.read_all()))
                conn.close()
            self.assertEqual(half.read_all(), b"")
        with self.canary(broker) as canary:
            self.assertNegotiated(say_hello(broker.socket, "canary", "1.0.0"))
        self.judge(broker, canary, code="connection-timed-out")

    def test_a_log_that_is_full(self):
        """A full disk: lines are lost, nothing else."""
        broker = self.start(prefix=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
        with self.canary(broker) as canary:
            for _ in range(50):
                self.assertRefused(say_hello(broker.socket, "nosuch", "1.0.0"), SERVICE_UNKNOWN)
        self.judge(broker, canary)

    def test_half_a_conversation(self):
        """Somebody says all that he has to say, shuts his side, and waits for a launch: he is answered. Who shuts the
        other side is not, and costs nothing."""
        gate = os.path.join(self.box.dir, "gate")
        program = self.box.service("svc", {"wait_file": gate})
        with self.attacked() as broker:
            talker = Conn(broker.socket).send(hello_frame("svc", "1.0.0")).finish()
            deaf = Conn(broker.socket)
            deaf.sock.shutdown(socket.SHUT_RD)
            deaf.send(hello_frame("svc", "1.0.0"))
            wait_for(lambda: self.box.backend_pids(program), "the launch")
            self.idles(broker, 0.3, 0.3)
            with open(gate, "w"):
                pass
            self.assertNegotiated(parse_hello_reply(talker.read_all()))
            self.assertEqual(deaf.read_all(), b"")
            talker.close()
            deaf.close()
            self.box.kill_backends(program)

    def test_urgent_bytes(self):
        """MSG_OOB on a Unix socket: what is urgent to others is a byte, or none, to us; it never keeps the loop awake."""
        self.timeout_ms = 500 * harness.SLOW
        data = hello_frame("canary", "1.0.0")
        with self.attacked() as broker:
            conns = [Conn(broker.socket) for _ in range(20)]
            for number, conn in enumerate(conns):
                conn.send(data[:number])
                try:
                    conn.sock.send(data[number:number + 1], socket.MSG_OOB)
                except (BrokenPipeError, ConnectionResetError):
                    pass    # its time was over
                except OSError as error:
                    self.skipTest("no urgent bytes here: %s" % error)
            before, begun = broker.cpu_seconds(), time.monotonic()
            for conn in conns:
                conn.read_all()
                conn.close()
            self.assertLess(broker.cpu_seconds() - before, 0.3 * harness.SLOW * (time.monotonic() - begun) + 0.03)

    def test_who_connected_is_gone(self):
        """The credentials of a connection are those of a process that has ended, and its number may be another's."""
        with self.attacked() as broker:
            for _ in range(20):
                ours, theirs = socket.socketpair()
                pid = os.fork()
                if pid == 0:
                    with Conn(broker.socket) as conn:
                        socket.send_fds(theirs, [b"x"], [conn.fileno()])
                    os._exit(0)
                _, fds, _, _ = socket.recv_fds(ours, 1, 1)
                self.assertEqual(os.waitpid(pid, 0)[1], 0)
                with socket.socket(fileno=fds[0]) as inherited:
                    inherited.settimeout(harness.WAIT)
                    inherited.sendall(hello_frame("canary", "1.0.0"))
                    with inherited.makefile("rb") as stream:
                        self.assertNegotiated(parse_hello_reply(stream.read()))
                ours.close()
                theirs.close()

    def test_hangups_without_end(self):
        with self.attacked() as broker:
            for number in range(100):
                self.box.definition("svc-%d" % number, version_allow_list=["9.9.9"])
                self.assertRefused(say_hello(broker.socket, "svc-%d" % number, "1.0.0"), harness.VERSION_BLOCKED)
            for _ in range(300):
                os.kill(broker.pid, signal.SIGHUP)
            self.said(broker, "definitions-rechecked")
            self.said(broker, "service-def-loaded")


@harness.bare_only
class Limits(Fault):
    """A limit of the process is lowered under its feet (prlimit, a policy of the machine) and put back."""

    def lowered(self, broker, which, soft):
        old = resource.prlimit(broker.pid, which)
        resource.prlimit(broker.pid, which, (soft, old[1]))
        return lambda: resource.prlimit(broker.pid, which, old)

    def test_size_of_files(self):
        """The log has grown to what a file may be: SIGXFSZ ends nobody."""
        program = self.box.service("svc")
        with self.attacked() as broker:
            self.lowered(broker, resource.RLIMIT_FSIZE, os.path.getsize(broker.stderr_path) + 300)
            for _ in range(30):
                self.assertRefused(say_hello(broker.socket, "nosuch", "1.0.0"), SERVICE_UNKNOWN)
            self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0"))
            self.box.kill_backends(program)

    @harness.plain_only
    def test_memory(self):
        """No address space, then no data: what has its memory goes on, the rest is refused or closed."""
        program = self.box.service("svc")
        for number, which in enumerate((resource.RLIMIT_AS, resource.RLIMIT_DATA)):
            with self.attacked(kib=1024) as broker:
                restore = self.lowered(broker, which, 4096)
                conns = [Conn(broker.socket).send(b"\x01" + (65000).to_bytes(4, "little") + b"\x22" * 30000)
                         for _ in range(100)]
                say_hello_or_nothing(broker.socket, "svc", "1.0.%d" % number)
                for conn in conns:
                    conn.send(b"\x22" * 30000)    # some are closed by now
                exchange(broker.socket, harness.admin_frame(1, json=True))
                exchange(broker.socket, b"\x01" + MIB16.to_bytes(4, "little") + b"\x22" * 100000, finish=True)
                restore()
                for conn in conns:
                    conn.close()
                wait_for(lambda: harness.is_negotiated(say_hello_or_nothing(broker.socket, "svc", "2.0.%d" % number)), "a launch")
                self.said(broker, "out-of-memory")
                self.box.kill_backends(program)

    def test_descriptors(self):
        """Fewer than are open already, so not even the one in reserve helps, and poll() itself refuses: nobody can be
        served, nothing spins, and all is well when they are back."""
        broker = self.start()
        with self.canary(broker) as canary:
            pass
        for soft in (self.base_fds - 2, 4, 0):
            held = [Conn(broker.socket) for _ in range(20)]
            wait_for(lambda: broker.fd_count() >= self.base_fds + 20, "they are in")
            restore = self.lowered(broker, resource.RLIMIT_NOFILE, soft)
            waiting = [Conn(broker.socket).send(hello_frame("canary", "1.0.0")) for _ in range(5)]
            self.idles(broker, 0.3, 0.3)
            self.assertTrue(broker.alive(), broker.stderr())
            restore()
            for conn in waiting:
                answer = conn.read_all()
                self.assertTrue(not answer or harness.is_negotiated(parse_hello_reply(answer)) or
                                parse_hello_reply(answer).code == harness.FD_PRESSURE)
                conn.close()
            for conn in held:
                conn.close()
            wait_for(lambda: self.is_served(broker), "recovery")
        self.judge(broker, canary, code="connection-evicted")

    def test_processes(self):
        """No more of them for this user: neither a thread nor a child. Launches fail in words, until there are."""
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        self.box.cleanup()
        self.box = harness.Box(65534)
        self.addCleanup(self.box.cleanup)
        own_copy = os.path.join(self.box.dir, "broker")
        shutil.copyfile(harness.DAEMON, own_copy)
        os.chmod(own_copy, 0o755)
        as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        self.box.service("svc")
        broker = self.box.daemon("--serve-launch", self.box.socket, "--service-def-dir", self.box.defs, program=own_copy,
                                 prefix=as_user).ready()

        def run(*words, program=own_copy):
            got = self.box.run(*words, program=program, prefix=as_user)
            return got.returncode, got.stdout + got.stderr

        def limit(nproc):
            self.assertEqual(run("--pid", str(broker.pid), "--nproc=%s" % nproc, program="prlimit"), (0, ""))

        def asks(version):
            return run("--socket", self.box.socket, "hello", "svc", version)
        for number in range(2):    # before the worker exists, and when it does
            limit("0:")
            status, words = asks("1.%d.0" % number)
            self.assertEqual(status, 1, words)
            self.assertIn("Resource temporarily unavailable", words)
            limit("%d:" % resource.getrlimit(resource.RLIMIT_NPROC)[1])
            self.assertEqual(asks("1.%d.1" % number)[0], 0)
        self.said(broker, "launch-failed")
        broker.stop()


def say_hello_or_nothing(path, *words):
    answer = exchange(path, hello_frame(*words))
    return parse_hello_reply(answer) if answer else None


class Places(Fault):
    """Something else stands where a file of ours was."""

    def exchange_names(self, one, other):
        """So that the broker finds the place taken whenever it looks."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(-1, one.encode(), -1, other.encode(), 2) != 0:    # RENAME_EXCHANGE
            self.fail(os.strerror(ctypes.get_errno()))

    def test_the_socket_is_something_else(self):
        """It is not touched, the open connections are served on, and the socket is back when the place is free."""
        self.box.service("svc")
        broker = self.start()
        path = broker.socket

        old = os.path.join(self.box.sockets, "old")    # what is made here takes the place of the socket, in one step

        def directory():
            os.mkdir(old)
            return lambda: os.rmdir(path)

        def file():
            with open(old, "w") as out:
                out.write("precious")
            return lambda: os.unlink(path)

        def link():
            os.symlink("/nonexistent", old)
            return lambda: os.unlink(path)

        def another():
            other = socket.socket(socket.AF_UNIX)
            other.bind(old)
            other.listen()
            return lambda: (other.close(), os.unlink(path))
        for number, occupy in enumerate((directory, file, link, another), 1):
            with Conn(path) as conn:
                conn.send(hello_frame("svc", "1.0.0")[:9])
                wait_for(lambda: not conn.unread(), "half a Hello read")
                release = occupy()
                self.exchange_names(path, old)
                before = os.lstat(path).st_ino
                wait_for(lambda: len(broker.log_lines("socket-lost")) == number, "the line that says so")
                self.assertEqual(os.lstat(path).st_ino, before)
                conn.send(hello_frame("svc", "1.0.0")[9:])
                self.assertNegotiated(parse_hello_reply(conn.read_all()))
            os.unlink(old)
            release()
            wait_for(lambda: is_listening(path), "the socket again")
            wait_for(lambda: len(broker.log_lines("socket-recreated")) == number, "the line that says so")
        self.box.kill_backends(os.path.join(self.box.bin, "svc"))
        with self.canary(broker) as canary:
            pass
        self.judge(broker, canary)

    def test_somebody_holds_the_lock(self):
        """Without a socket that could be asked: the lock alone decides who may bind."""
        with open(self.box.socket + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            daemon = self.box.daemon("--serve-launch", self.box.socket, "--service-def-dir", self.box.defs)
            self.assertEqual(daemon.wait(), 1)
            self.assertIn("already running", daemon.stderr())
            self.assertFalse(os.path.lexists(self.box.socket))
        self.start().stop()

    def test_the_socket_is_removed_again_and_again(self):
        broker = self.start()
        for number in range(30):
            os.unlink(broker.socket)
            wait_for(lambda: is_listening(broker.socket), "the socket again")
        self.said(broker, "socket-recreated")
        with self.canary(broker) as canary:
            pass
        self.judge(broker, canary)

    def test_the_definitions_are_something_else(self):
        """A symbolic link, a file, somebody else's directory: no service is known, and all are again afterwards."""
        broker = self.start()
        away = os.path.join(self.box.dir, "away")
        os.rename(self.box.defs, away)

        def refused():
            self.assertRefused(say_hello(broker.socket, "canary", "1.0.0"), SERVICE_UNKNOWN)
        os.symlink(away, self.box.defs)
        refused()
        os.unlink(self.box.defs)
        with open(self.box.defs, "w"):
            pass
        refused()
        os.unlink(self.box.defs)
        if os.geteuid() == 0:
            os.mkdir(self.box.defs, 0o700)
            shutil.copy2(os.path.join(away, "canary.servicedef"), self.box.defs)
            os.chown(self.box.defs, 65534, 65534)
            refused()
            shutil.rmtree(self.box.defs)
        self.said(broker, "security-violation")
        os.rename(away, self.box.defs)
        with self.canary(broker) as canary:
            pass
        self.judge(broker, canary)

    @harness.plain_only
    def test_no_proc(self):
        """Not mounted: a broker cannot prove what it launched. It says so, to everyone who asks, and serves on."""
        hide = 'mount -t tmpfs none /proc && exec "$@"'
        if self.box.run("-m", "sh", "-c", hide, "sh", "true", program="/usr/bin/unshare").returncode != 0:
            self.skipTest("no mounts here")
        broker = self.box.launch_mode(*self.options, prefix=["unshare", "-m", "sh", "-c", hide, "sh"])
        self.base_fds = None
        for number in range(3):
            self.assertRefused(say_hello(broker.socket, "canary", "1.0.0"), SPAWN_FAILED)
            self.base_fds = self.base_fds or broker.fd_count()
        self.assertRefused(say_hello(broker.socket, "canary", "1.0.0"), RATE_LIMITED)
        self.assertEqual(harness.ask_admin(broker.socket, 4).body, "ok\n")
        self.said(broker, "launch-failed")
        wait_for(lambda: not harness.proc_children(broker.pid), "nobody left")
        harness.wait_fds_back(broker, self.base_fds)
        broker.stop()

    @harness.bare_only
    def test_no_inotify(self):
        """All instances of the user are taken: the log says so, and SIGHUP brings a lost socket back."""
        none = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
        if self.box.run("-U", "--map-root-user", "sh", "-c", none, "sh", "true", program="/usr/bin/unshare").returncode:
            self.skipTest("no user namespaces here")
        broker = self.start(prefix=["unshare", "-U", "--map-root-user", "sh", "-c", none, "sh"])
        self.said(broker, "broker-setting", "is not watched")
        os.unlink(broker.socket)
        os.kill(broker.pid, signal.SIGHUP)
        wait_for(lambda: is_listening(broker.socket), "the socket again")
        with self.canary(broker) as canary:
            pass
        self.judge(broker, canary, code="socket-recreated")


class Stubborn(Fault):
    """Backends that are no help."""

    def test_one_that_is_stopped(self):
        """SIGSTOP in the middle of its launch, and then while it serves."""
        gate = os.path.join(self.box.dir, "gate")
        program = self.box.service("svc", {"wait_file": gate})
        with self.attacked() as broker:
            conn = Conn(broker.socket).send(hello_frame("svc", "1.0.0"))
            pid, = wait_for(lambda: self.box.backend_pids(program), "the launch")
            os.kill(pid, signal.SIGSTOP)
            with open(gate, "w"):
                pass
            self.assertFalse(conn.wait_readable(0.2), "negotiated with one that is stopped")
            os.kill(pid, signal.SIGCONT)
            pipe = self.assertNegotiated(parse_hello_reply(conn.read_all())).backend_pipe
            conn.close()
            os.kill(pid, signal.SIGSTOP)
            self.assertEqual(say_hello(broker.socket, "svc", "1.0.0").backend_pipe, pipe)
            os.kill(pid, signal.SIGKILL)
            self.said(broker, "backend-crashed", "signal 9")
            wait_for(lambda: not os.path.lexists(pipe), "its socket gone")

    def test_one_that_is_stopped_for_good(self):
        """A launch whose backend stays stopped is given up with its clients, and goes when it is killed."""
        self.timeout_ms = 1000 * harness.SLOW
        program = self.box.service("svc", ACT["never binds"])
        with self.attacked() as broker:
            conn = Conn(broker.socket).send(hello_frame("svc", "1.0.0"))
            pid, = wait_for(lambda: self.box.backend_pids(program), "the launch")
            os.kill(pid, signal.SIGSTOP)
            self.assertRefused(parse_hello_reply(conn.read_all()), RATE_LIMITED, "backend spawn already in progress")
            conn.close()
            self.box.kill_backends(program)
            self.said(broker, "launch-failed", "signal 9")


if __name__ == "__main__":
    harness.main()
