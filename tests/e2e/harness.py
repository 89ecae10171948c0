# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: a private world on disk, the daemon in it, and raw connections to it.

A test knows the broker only from outside: its command line, its socket, its files and /proc. Messages are encoded by
Python's protobuf from proto/*.proto, an implementation that shares no line with the daemon's. Nothing here waits for a
fixed time: wait_for() watches a condition and fails at its deadline. Every test program stands alone and may run beside
any other: all that it creates lies under one fresh directory in /tmp (short, since socket paths are bounded).

Environment: BUILD names the build directory, RPB_TEST_VALGRIND=1 runs the daemon under valgrind, SAN=1 says that it is
a sanitizer build; both only stretch deadlines and add checks at the end of every daemon.
"""
import ctypes
import fcntl
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

try:
    import google.protobuf  # noqa: F401
except ImportError:
    # the interpreter first in PATH need not be the one that Debian's python3-protobuf belongs to
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3") and "RPB_TEST_REEXEC" not in os.environ:
        os.environ["RPB_TEST_REEXEC"] = "1"
        os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)
    raise

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build")))
DAEMON = os.environ.get("RPB_TEST_DAEMON", os.path.join(BUILD, "running-process-broker-v1"))
TEST_BACKEND = os.environ.get("RPB_TEST_BACKEND", os.path.join(BUILD, "tests/backend/test-backend"))
RAW_CLIENT = os.path.join(BUILD, "tests/examples/raw-client")
VALGRIND = os.environ.get("RPB_TEST_VALGRIND") == "1"
SANITIZED = os.environ.get("SAN") == "1"
SLOW = 8 if VALGRIND else 3 if SANITIZED else 1
WAIT = 60 * SLOW    # seconds; on a machine that others use it may well take some
VALGRIND_EXIT = 99

os.umask(0o022)
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)    # PR_SET_THP_DISABLE, for children too: pages are small, whatever the machine prefers


# ------------------------------------------------------------------------------------------------ messages
def _load_messages():
    """Compiles proto/*.proto for Python into the build directory, once per change, safely in parallel."""
    out = os.path.join(BUILD, "tests/py")
    os.makedirs(out, exist_ok=True)
    protos = sorted(f for f in os.listdir(os.path.join(TOP, "proto")) if f.endswith(".proto"))
    with open(os.path.join(out, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in protos:
            source = os.path.join(TOP, "proto", name)
            module = os.path.join(out, name[:-6] + "_pb2.py")
            if not os.path.exists(module) or os.stat(module).st_mtime_ns < os.stat(source).st_mtime_ns:
                subprocess.run(["protoc", "--proto_path=" + os.path.join(TOP, "proto"), "--python_out=" + out, source],
                               check=True)
                os.utime(module)
    sys.path.insert(0, out)
    names = {}
    for name in protos:
        module = __import__(name[:-6] + "_pb2")
        names.update({k: v for k, v in vars(module).items() if not k.startswith("_") and k != "DESCRIPTOR"})
    return type("pb", (), names)


pb = _load_messages()

LANE_CONTROL, LANE_ADMIN, LANE_PROBE, LANE_HANDOFF = 0, 0xAD01, 0xB232, 0xD0FF
VERSION_UNSUPPORTED, SERVICE_UNKNOWN, SPAWN_FAILED, RATE_LIMITED, SHUTTING_DOWN, PEER_REJECTED, INTERNAL, \
    VERSION_BLOCKED, FD_PRESSURE = range(1, 10)


def framed(body, length=None):
    """A body behind the five header bytes of a stream frame."""
    return struct.pack("<BI", 1, len(body) if length is None else length) + body


def frame(payload=b"", **fields):
    """The bytes of a framed request Frame; any field may be overridden."""
    fields.setdefault("envelope_version", 1)
    fields.setdefault("request_id", 1)
    if isinstance(payload, bytes):
        fields["payload"] = payload
    else:
        fields["payload"] = payload.SerializeToString(deterministic=True)
    return framed(pb.Frame(**fields).SerializeToString())


def hello(service="zccache", version="1.11.20", **fields):
    """A Hello message with the values of an ordinary client."""
    fields.setdefault("client_min_protocol", 1)
    fields.setdefault("client_max_protocol", 1)
    return pb.Hello(service_name=service, wanted_version=version, **fields)


def hello_frame(service="zccache", version="1.11.20", request_id=1, traceparent="", tracestate="", **fields):
    return frame(hello(service, version, **fields), request_id=request_id, traceparent=traceparent,
                 tracestate=tracestate)


def admin_frame(verb, request_id=1, traceparent="", tracestate="", **fields):
    return frame(pb.AdminRequest(verb=verb, **fields), payload_protocol=LANE_ADMIN, request_id=request_id,
                 traceparent=traceparent, tracestate=tracestate)


def response(payload, lane=LANE_CONTROL, request_id=1, traceparent="", tracestate=""):
    """The exact bytes of a response frame of the broker."""
    return frame(payload, kind=1, payload_protocol=lane, request_id=request_id, traceparent=traceparent,
                 tracestate=tracestate)


def refusal(code, reason, retry=0, request_id=1, traceparent="", tracestate=""):
    """The exact bytes of a refusal."""
    refused = pb.Refused(reason=reason, daemon_min_protocol=1, daemon_max_protocol=1, code=code, retry_after_ms=retry)
    return response(pb.HelloReply(refused=refused), request_id=request_id, traceparent=traceparent,
                    tracestate=tracestate)


def admin_reply(body, exit_code=0, kind=0, content_type="text/plain", **echo):
    return response(pb.AdminReply(kind=kind, body=body, exit_code=exit_code, content_type=content_type), LANE_ADMIN,
                    **echo)


def parse_frame(data):
    """The Frame of exactly one framed message."""
    if len(data) < 5 or data[0] != 1 or struct.unpack("<I", data[1:5])[0] != len(data) - 5:
        raise AssertionError("not exactly one frame: %r" % data[:80])
    return pb.Frame.FromString(data[5:])


def parse_hello_reply(data):
    """negotiated or refused, as its message."""
    got = parse_frame(data)
    if got.envelope_version != 1 or got.kind != 1 or got.payload_protocol != 0 or got.payload_encoding != 0:
        raise AssertionError("not a control reply: %r" % got)
    reply = pb.HelloReply.FromString(got.payload)
    which = reply.WhichOneof("result")
    if which is None:
        raise AssertionError("a reply without a result")
    return getattr(reply, which)


def parse_admin_reply(data):
    got = parse_frame(data)
    if got.kind != 1 or got.payload_protocol != LANE_ADMIN:
        raise AssertionError("not an admin reply: %r" % got)
    return pb.AdminReply.FromString(got.payload)


def is_negotiated(message):
    return isinstance(message, pb.Negotiated)


# ------------------------------------------------------------------------------------------------ waiting
def wait_for(condition, what="condition", seconds=None):
    """The first true value of condition(); fails at the deadline. The only place that lets time pass."""
    deadline = time.monotonic() + (WAIT if seconds is None else seconds)
    pause = 0.001
    while True:
        is_last = time.monotonic() > deadline    # asked first: whoever is kept from looking in time looks once more
        value = condition()
        if value:
            return value
        if is_last:
            raise AssertionError("waited in vain for: " + what)
        select.select([], [], [], pause)
        pause = min(pause * 1.5, 0.02)


# ------------------------------------------------------------------------------------------------ processes
def pid_alive(pid):
    """Running, not a zombie. A zombie whose other threads have not ended yet still holds its descriptors."""
    try:
        info = proc_stat(pid)
        return info["state"] not in "ZX" or info["threads"] > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def proc_stat(pid):
    with open("/proc/%d/stat" % pid) as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return {"state": fields[0], "ppid": int(fields[1]), "pgrp": int(fields[2]), "session": int(fields[3]),
            "major_faults": int(fields[9]), "utime": int(fields[11]), "stime": int(fields[12]), "threads": int(fields[17])}


def proc_children(pid, state=None):
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            info = proc_stat(int(name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if info["ppid"] == pid and (state is None or info["state"] == state):
            found.append(int(name))
    return sorted(found)


def proc_fds(pid):
    """{fd: what it points to}; descriptors that vanish while we look are left out."""
    found = {}
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found[int(name)] = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except FileNotFoundError:
            pass
    return found


def proc_rss_kib(pid):
    """Counted page by page: the sum in status is kept per processor, and on some kernels megabytes off."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as text:
            return int(re.search(r"^Rss:\s+(\d+)", text.read(), re.M).group(1))
    except FileNotFoundError:
        with open("/proc/%d/status" % pid) as text:
            return int(re.search(r"VmRSS:\s+(\d+)", text.read()).group(1))


def proc_memory_kib(pid):
    """What it holds that is no part of a file: how much of its program is mapped along with what is used depends on the
    machine's page cache. Counted page by page, as the resident size is."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as text:
            return int(re.search(r"^Anonymous:\s+(\d+)", text.read(), re.M).group(1))
    except FileNotFoundError:
        return proc_rss_kib(pid)


def proc_environ(pid):
    with open("/proc/%d/environ" % pid, "rb") as data:
        items = data.read().split(b"\0")
    return dict(item.decode("utf-8", "surrogateescape").split("=", 1) for item in items if b"=" in item)


def is_listening(path):
    """Does a socket listen at this path? Asked of the kernel's table: a connection would be counted by the broker."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except FileNotFoundError:
        return False
    with open("/proc/net/unix") as table:
        for line in table:
            fields = line.split(None, 7)
            if len(fields) == 8 and fields[7].rstrip("\n") == path and int(fields[3], 16) & 0x10000:
                return True
    return False


# ------------------------------------------------------------------------------------------------ connections
class Conn:
    """One raw client connection."""

    def __init__(self, path, timeout=None):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        seconds = WAIT if timeout is None else timeout
        # blocking with a limit: a connect() that does not block fails at once while the listener's queue is full
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(seconds), 0))
        try:
            self.sock.connect(path)
        except BaseException:
            self.sock.close()
            raise
        self.sock.settimeout(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fileno(self):
        return self.sock.fileno()

    def send(self, data):
        """All of it, or what the peer takes: one that has closed shows when its answer is read. Who means to see that it
        takes everything calls sock.sendall()."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def finish(self):
        """No more bytes from us."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return self

    def read_all(self, timeout=None):
        """Everything up to the end of the stream. A reset counts as an end: some peers close with input unread."""
        if timeout is not None:
            self.sock.settimeout(timeout)
        got = b""
        while True:
            try:
                piece = self.sock.recv(65536)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece

    def is_closed_now(self):
        """Has the peer closed, without waiting and without taking bytes?"""
        return self._peek() == b""

    def has_bytes_now(self):
        return bool(self._peek())

    def wait_readable(self, seconds):
        ready = select.poll()    # select() knows only 1 024 descriptors
        ready.register(self.sock, select.POLLIN)
        return bool(ready.poll(seconds * 1000))

    def _peek(self):
        # a socket with a timeout would wait in recv() whatever the flags say
        if not self.wait_readable(0):
            return None
        try:
            return self.sock.recv(1, socket.MSG_PEEK)
        except ConnectionResetError:
            return b""

    def unread(self):
        """How many of our bytes the peer has not taken yet."""
        return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4))[0]

    def close(self):
        self.sock.close()


def exchange(path, data, finish=False, timeout=None):
    """Sends data, reads to the end; a peer that stops reading early does not matter."""
    with Conn(path, timeout) as conn:
        conn.send(data)
        if finish:
            conn.finish()
        return conn.read_all()


def say_hello(path, service="zccache", version="1.11.20", timeout=None, **fields):
    return parse_hello_reply(exchange(path, hello_frame(service, version, **fields), timeout=timeout))


def ask_admin(path, verb, timeout=None, **fields):
    return parse_admin_reply(exchange(path, admin_frame(verb, **fields), timeout=timeout))


def probe(path, nonce=bytes(range(32)), timeout=None):
    """The DaemonProcess that a backend names, by a nonce probe."""
    request = frame(nonce, payload_protocol=LANE_PROBE, request_id=int.from_bytes(nonce[:8], "little"))
    with Conn(path, timeout) as conn:
        conn.send(request)
        got = b""
        while len(got) < 5 or len(got) < 5 + struct.unpack("<I", got[1:5])[0]:
            piece = conn.sock.recv(65536)
            if not piece:
                raise AssertionError("closed without an answer to the probe")
            got += piece
    answer = parse_frame(got)
    if answer.payload_protocol != LANE_PROBE or answer.payload[:32] != nonce:
        raise AssertionError("wrong answer to the probe")
    return pb.DaemonProcess.FromString(answer.payload[32:])


# ------------------------------------------------------------------------------------------------ the world on disk
# What the test backend can be told to do, as the lines of its configuration (tests/backend/).
ACT = {
    "never binds": {"mode": "never"},
    "binds itself": {"mode": "selfbind"},
    "binds itself after 2 s": {"mode": "selfbind", "delay_ms": 2000},
    "exits with 3": {"mode": "exit", "code": 3},
    "exits, leaves a child": {"mode": "exit", "code": 0, "linger": 1},
    "crashes": {"mode": "signal", "code": 11},
    "answers rubbish": {"mode": "garbage"},
}


class Box:
    """One fresh directory: r/ is the runtime directory, s/ holds explicit sockets, defs/ the definitions,
    bin/ the backends (owned by us, writable by no one else), home/ everything else."""

    def __init__(self, uid=None):
        self.dir = tempfile.mkdtemp(prefix="r", dir="/tmp")
        self.uid = uid
        os.chmod(self.dir, 0o755)
        self.runtime = self._mkdir("r", 0o700)
        self.sockets = self._mkdir("s", 0o700)
        self.defs = self._mkdir("defs", 0o700)
        self.bin = self._mkdir("bin", 0o755)
        self.home = self._mkdir("home", 0o700)
        self.socket = os.path.join(self.sockets, "b.sock")
        self.broker_dir = os.path.join(self.runtime, "running-process/broker")
        self.daemons = []

    def _mkdir(self, name, mode):
        path = os.path.join(self.dir, name)
        os.mkdir(path, mode)
        os.chmod(path, mode)
        self.own(path)
        return path

    def own(self, path):
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)

    def env(self, **extra):
        """The environment of the programs under test: nothing of ours but what is named here."""
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.home, "XDG_RUNTIME_DIR": self.runtime,
               "XDG_CONFIG_HOME": os.path.join(self.home, "config"), "XDG_STATE_HOME": os.path.join(self.home, "state"),
               "XDG_DATA_HOME": os.path.join(self.home, "data"), "RUNNING_PROCESS_SERVICE_DEF_DIR": self.defs,
               "RUNNING_PROCESS_BROKER_CRASH_DUMP_DIR": os.path.join(self.home, "crash"),
               "RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED": "1", "LANG": "C.UTF-8",
               "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        env.update(extra)
        return {k: v for k, v in env.items() if v is not None}

    def cleanup(self):
        """Ends what the tests left running here and removes the directory."""
        for daemon in self.daemons:
            daemon.kill()
            daemon.forget()
        self.kill_backends()
        shutil.rmtree(self.dir, ignore_errors=True)

    def backend_pids(self, path=None):
        """Live processes whose program lies in our bin/ (or is `path`)."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    exe = os.readlink("/proc/%s/exe" % name)
                    if not pid_alive(int(name)):
                        continue
                except OSError:
                    continue
                exe = exe.replace(" (deleted)", "")
                if exe == path if path else exe.startswith(self.bin + "/"):
                    found.append(int(name))
        return sorted(found)

    def kill_backends(self, path=None):
        """Kills them and waits until the kernel says that they are dead (a signal that was sent has not yet killed)."""
        pids = self.backend_pids(path)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_for(lambda: not any(pid_alive(pid) for pid in pids), "their death")
        return pids

    def install_program(self, name, source=TEST_BACKEND, config=None):
        """A copy of a backend program under bin/, with its configuration beside it."""
        path = os.path.join(self.bin, name)
        temporary = path + ".new"
        shutil.copyfile(source, temporary)
        os.chmod(temporary, 0o755)
        self.own(temporary)
        os.rename(temporary, path)
        if config is not None:
            self.configure(path, config)
        return path

    def configure(self, path, config):
        with open(path + ".conf", "w") as out:
            for key, value in config.items():
                out.write("%s=%s\n" % (key, value))
        self.own(path + ".conf")

    def definition(self, service, program="/nonexistent/backend", isolation=1, form="servicedef", **fields):
        """A ServiceDefinition on disk, written in place, encoded by Python's protobuf. Returns its path."""
        fields.setdefault("per_version_binary_dir", self.bin)
        message = pb.ServiceDefinition(service_name=service, binary_path=program, isolation=isolation, **fields)
        return self.definition_bytes(service, message.SerializeToString(deterministic=True), form)

    def definition_bytes(self, service, data, form="servicedef"):
        path = os.path.join(self.defs, service + "." + form)
        temporary = os.path.join(self.dir, "definition.new")
        with open(temporary, "wb") as out:
            out.write(data)
        self.own(temporary)
        os.rename(temporary, path)
        return path

    def service(self, name, config=None, source=TEST_BACKEND, **fields):
        """A program and its definition; returns the program's path."""
        program = self.install_program(name, source, config if config is not None else {})
        self.definition(name, program, **fields)
        return program

    # ------------------------------------------------------------------ daemons
    def daemon(self, *args, **options):
        daemon = Daemon(self, args, **options)
        self.daemons.append(daemon)
        return daemon

    def launch_mode(self, *args, **options):
        """The broker in launch mode at self.socket, ready."""
        return self.daemon("--serve-launch", self.socket, "--service-def-dir", self.defs, *args, **options).ready()

    def run(self, *args, env=None, timeout=None, program=None, prefix=(), input=None):
        """One command of the program, to its end."""
        argv = list(prefix) + [program or DAEMON] + list(args)
        return subprocess.run(argv, env=env or self.env(), stdin=subprocess.DEVNULL if input is None else None,
                              input=input, capture_output=True, text=True, timeout=timeout or WAIT * 3, cwd=self.home)


def preloadable(box, library):
    """The library at a path without spaces, which LD_PRELOAD takes for separators."""
    path = os.path.join(box.dir, os.path.basename(library))
    if not os.path.exists(path):
        shutil.copyfile(library, path)
        os.chmod(path, 0o755)
    return path


class Daemon:
    """A running broker. stop() checks that it went in order."""

    def __init__(self, box, args, env=None, socket=None, program=None, prefix=(), nofile=None, pass_fds=()):
        self.box = box
        self.socket = socket or next((a for a in args if a.startswith("/") and a.endswith(".sock")), box.socket)
        self.log = os.memfd_create("stderr")    # on no disk, which others may keep busy
        self.stderr_path = "/proc/%d/fd/%d" % (os.getpid(), self.log)
        program = program or DAEMON
        argv = list(prefix)
        if VALGRIND and program == DAEMON:
            argv += ["valgrind", "--quiet", "--error-exitcode=%d" % VALGRIND_EXIT, "--leak-check=full",
                     "--errors-for-leak-kinds=definite", "--track-fds=no", "--child-silent-after-fork=yes"]
        argv += [program] + list(args)
        env = env or box.env()

        def limits():
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, nofile)

        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                        cwd=box.home, pass_fds=pass_fds, preexec_fn=limits if nofile else None)
        self.pid = self.process.pid

    def ready(self, seconds=None):
        """Waits until the socket listens; a daemon that ends first is a failure with its messages."""
        def condition():
            if self.process.poll() is not None:
                raise AssertionError("the daemon ended with %s: %s" % (self.process.returncode, self.stderr()))
            return is_listening(self.socket)
        wait_for(condition, "a listener at " + self.socket, seconds)
        return self

    def stderr(self):
        with open(self.stderr_path, errors="replace") as text:
            return text.read()

    def log_lines(self, code=None):
        """The structured records on stderr, optionally of one code."""
        found = []
        for line in self.stderr().splitlines():
            if line.startswith("{"):
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if code is None or record.get("code") == code:
                    found.append(record)
        return found

    def alive(self):
        return self.process.poll() is None

    def wait(self, seconds=None):
        """Its exit status."""
        try:
            status = self.process.wait(WAIT if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("the daemon did not end: " + self.stderr()) from None
        if not self.process.stdout.closed:
            self.stdout = self.process.stdout.read().decode(errors="replace")
            self.process.stdout.close()
        return status

    def stop(self, sig=signal.SIGTERM):
        """Ends it in order; 0, no sanitizer report and no event that a machine rules out are demanded."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.wait()
        text = self.stderr()
        for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:", '"code":"fsm-never"'):
            if word in text:
                raise AssertionError(text)
        if status != 0:
            raise AssertionError("the daemon ended with %s: %s" % (status, text[-4000:]))
        return self

    def kill(self):
        """No questions asked."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.process.stdout.closed:
            self.process.stdout.close()

    def forget(self):
        """What it has said."""
        if self.log >= 0:
            os.close(self.log)
        self.log = -1

    def fd_count(self):
        return len(proc_fds(self.pid))

    def rss_kib(self):
        return proc_rss_kib(self.pid)

    def peak_kib(self):
        """The most that it ever had. To within a few MiB: see proc_rss_kib()."""
        with open("/proc/%d/status" % self.pid) as text:
            return int(re.search(r"VmHWM:\s+(\d+)", text.read()).group(1))

    def memory_kib(self):
        return proc_memory_kib(self.pid)

    def cpu_seconds(self):
        info = proc_stat(self.pid)
        return (info["utime"] + info["stime"]) / os.sysconf("SC_CLK_TCK")

    def zombies(self):
        return proc_children(self.pid, "Z")


def settle(box, broker):
    """Lets a broker in launch mode open what it opens once (directories, its worker), by a launch that cannot succeed."""
    path = box.definition("settle", box.install_program("settle", "/bin/false"))
    say_hello(broker.socket, "settle", "1.0.0")
    os.unlink(path)
    wait_for(lambda: not proc_children(broker.pid), "no child")


def wait_fds_back(daemon, base, slack=0):
    wait_for(lambda: daemon.fd_count() <= base + slack, "descriptors back at %d" % base)


# ------------------------------------------------------------------------------------------------ cases
class Case(unittest.TestCase):
    """A test with a box of its own."""
    uid = None

    def setUp(self):
        self.box = Box(self.uid)
        self.addCleanup(self.box.cleanup)

    def assertRefused(self, message, code, reason=None, retry=None, prefix=None):
        self.assertIsInstance(message, pb.Refused, "negotiated instead of refused")
        self.assertEqual(message.code, code, message.reason)
        if reason is not None:
            self.assertEqual(message.reason, reason)
        if prefix is not None:
            self.assertTrue(message.reason.startswith(prefix), message.reason)
        if retry is not None:
            self.assertEqual(message.retry_after_ms, retry)
        self.assertEqual((message.daemon_min_protocol, message.daemon_max_protocol), (1, 1))
        self.assertEqual(dict(message.details), {})

    def assertNegotiated(self, message, version=None):
        if isinstance(message, pb.Refused):
            self.fail("refused with %d: %s" % (message.code, message.reason))
        if version is not None:
            self.assertEqual(message.daemon_version, version)
        self.assertEqual(message.negotiated_protocol, 1)
        self.assertEqual(list(message.warnings), [])
        self.assertTrue(message.backend_pipe.startswith("/"), message.backend_pipe)
        return message


def bare_only(test):
    """A test, or a class of them, that says nothing about a daemon under valgrind, which has limits of its own and does
    not know every call (pidfd_open); left out there."""
    test.bare_only = True
    return test


def plain_only(test):
    """A test of what the daemon costs, which says nothing about one that is instrumented (valgrind, sanitizers); left out
    there."""
    test.plain_only = True
    return test


def _is_left_out(test):
    function = getattr(test, test._testMethodName, None)

    def has(mark):
        return getattr(test, mark, False) or getattr(function, mark, False)
    return VALGRIND and has("bare_only") or (VALGRIND or SANITIZED) and has("plain_only")


def need(path, what):
    """Skips a test (or a whole class in setUpClass) when a program is not there."""
    if not os.access(path, os.X_OK):
        raise unittest.SkipTest("%s is not there: %s" % (what, path))


class _Result(unittest.TextTestResult):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passed = 0
        self.began = {}

    def startTest(self, test):
        self.began[test] = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    """Runs the tests of the calling module; arguments name some of them. The last line is the count."""
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    suite = unittest.TestSuite()
    for group in loader.loadTestsFromModule(module):
        for test in group:
            if _is_left_out(test):
                continue
            if not names or any(name in test.id() for name in names):
                suite.addTest(test)
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=_Result)
    result = runner.run(suite)
    skipped = len(result.skipped)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    for reason in sorted({reason for _, reason in result.skipped}):
        print("skipped: " + reason)
    line = "%d passed, %d failed" % (result.passed, failed)
    print(line + (", %d skipped" % skipped if skipped else ""), flush=True)
    sys.exit(1 if failed or (not result.passed and not skipped) else 0)
