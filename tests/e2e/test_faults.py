# SPDX-License-Identifier: MIT
"""The fault cases, by their numbers. In every one the daemon lives, an innocent client (a Hello every 10 ms, from a
process of its own) is answered throughout, descriptors and memory come back to their base, and a log line with a stable
code says what happened.

CASES says where each case is shown: the name of a test here or in another program, of a program that is no e2e test, or
why it is shown nowhere yet. A test checks that all of them exist.
"""
import contextlib
import ctypes
import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import harness
from canary import Canary
from harness import (ACT, PEER_REJECTED, RATE_LIMITED, SHUTTING_DOWN, SPAWN_FAILED, VERSION_UNSUPPORTED, Conn, exchange,
                     hello_frame, parse_hello_reply, say_hello, wait_for)
from refusal_table import (BAD_NAMES, BAD_VERSIONS, KIB64, MIB16, all_rows, field, install_definitions, padded_hello,
                           varint)
from test_hostile import Fault, Hostile, setUpModule  # noqa: F401

NOT_YET = "waits for "
CASES = {
    1: ["test_hostile.Noise.test_connect_and_close"],
    2: ["test_hostile.Deadlines.test_silent", "test_hostile.Deadlines.test_a_byte_now_and_then_does_not_move_the_deadline"],
    3: ["test_hostile.Deadlines.test_a_byte_now_and_then_does_not_move_the_deadline"],
    4: ["test_faults.Bytes.test_case_04_foreign_framing_versions"],
    5: ["test_faults.Bytes.test_case_05_a_hello_over_64_kib", "test_hostile.Size.test_64_kib_from_each_of_many"],
    6: ["test_faults.Bytes.test_case_06_impossible_lengths"],
    7: ["test_faults.Bytes.test_case_07_an_empty_frame"],
    8: ["test_faults.Bytes.test_case_08_the_end_comes_early"],
    9: ["test_hostile.Size.test_a_bomb_of_unknown_fields", "test_hostile.Size.test_a_bomb_inside_the_hello"],
    10: ["test_faults.Bytes.test_case_10_every_refusal", "test_refusals.RefusalTable"],
    11: ["test_faults.Bytes.test_case_11_service_names", "test_refusals.Sequences.test_bad_names_touch_no_file"],
    12: ["test_faults.Bytes.test_case_12_versions", "test_refusals.Sequences.test_bad_names_touch_no_file",
         "test_refusals.RefusalTable", "tests/unit/service/test-version.c"],
    13: ["test_hostile.Strangers.test_dropped_without_a_word"],
    14: ["test_faults.Bytes.test_case_14_a_pid_that_lies"],
    15: ["test_faults.Backends.test_case_15_backends_that_die"],
    16: ["test_faults.Backends.test_case_16_replaced_on_disk"],
    # where nobody can be served the canary cannot be either: that test says what is answered instead
    17: ["test_hostile.Caps.test_descriptors_run_out", "tests/unit/ops/test-fd_pressure.c"],
    18: ["test_faults.Kernel.test_case_18_calls_that_fail", "tests/unit/loop/test-shortage.c", "tests/sim/run"],
    19: NOT_YET + "handoff",
    20: NOT_YET + "handoff",
    21: NOT_YET + "handoff",
    22: NOT_YET + "handoff",
    23: ["test_faults.Limited.test_case_23_too_many_hellos", "test_refusals.Sequences.test_default_rate_limit_is_256",
         "tests/unit/hello/test-rate_limit.c"],
    24: ["test_faults.Backends.test_case_24_launches_that_fail", "test_launch.Failures",
         "tests/unit/backend/test-launch-failures.c", "tests/unit/backend/test-prober.c"],
    25: ["test_faults.Backends.test_case_25_32_first_hellos", "test_launch.Answers.test_a_slow_launch_does_not_delay_another"],
    "26, but during handoff": ["test_faults.Signals.test_case_26_signals_during_a_launch",
                               "test_faults.Signals.test_case_26_a_second_signal",
                               "test_serve_modes.Socket.test_hangup_and_pipe_do_not_stop_it",
                               "test_admin.Verbs.test_shutdown_ends_a_launch_under_way"],
    "26, during handoff": NOT_YET + "handoff",
    "27, the socket": ["test_serve_modes.Socket.test_killed_and_started_again",
                       "test_serve_modes.Socket.test_second_broker", "test_serve_modes.Socket.test_starters_in_a_race",
                       "test_serve_modes.Socket.test_the_socket_of_a_successor_is_not_removed"],
    "27, the lock": ["test_surroundings.Places.test_somebody_holds_the_lock"],
    "27, its backends": NOT_YET + "adoption",
    "28, at start": ["test_faults.FileSystems.test_case_28_start_on_one_that_cannot_be_written",
                     "test_serve_modes.Socket.test_parents", "test_serve_modes.Socket.test_parent_of_another_user",
                     "test_serve_modes.Canonical.test_directories_that_others_can_write",
                     "test_serve_modes.Canonical.test_old_directories_are_narrowed", "tests/unit/base/test-files.c"],
    "28, while running": ["test_faults.FileSystems.test_case_28_full_or_read_only_while_running",
                          "test_faults.FileSystems.test_case_28_removed_while_running", "test_cleaned.Cleaned"],
    29: ["test_serve_modes.Socket.test_path_length", "test_launch.Child.test_endpoint_that_would_be_too_long",
         "test_serve_modes.Canonical.test_runtime_directories_that_do_not_do", "test_cli.Usage.test_endpoint",
         "tests/unit/backend/test-allocator.c"],
    "30, memory": ["tests/sim/run", "tests/unit/backend/test-shortage.c", "tests/unit/control/test-memory.c",
                   "tests/unit/service/test-memory.c"],
    "30, records of backends": NOT_YET + "manifests",
    # not numbered anywhere
    "definitions on a dead mount": ["test_faults.FileSystems.test_definitions_on_a_dead_mount",
                                    "tests/unit/hello/test-lookup.c"],
    "the state directory on a dead mount": ["test_faults.FileSystems.test_state_directory_on_a_dead_mount",
                                            "tests/unit/ops/test-admin_inodes.c"],
    "everything at once": ["test_faults.Mix.test_everything_at_once"],
    "nobody reads the log, or it is full": ["test_surroundings.Surroundings.test_a_log_that_nobody_reads",
                                            "test_surroundings.Surroundings.test_a_log_that_is_full"],
    "no standard descriptors": ["test_surroundings.Surroundings.test_started_without_standard_descriptors"],
    "descriptors from a client": ["test_surroundings.Surroundings.test_descriptors_that_a_client_sends"],
    "frozen": ["test_surroundings.Surroundings.test_frozen_and_thawed"],
    "half-closed, urgent and inherited connections": ["test_surroundings.Surroundings.test_half_a_conversation",
                                                      "test_surroundings.Surroundings.test_urgent_bytes",
                                                      "test_surroundings.Surroundings.test_who_connected_is_gone"],
    "signals without end": ["test_surroundings.Surroundings.test_hangups_without_end"],
    "a limit of the process is lowered": ["test_surroundings.Limits"],
    "something else where a file of ours was": ["test_surroundings.Places.test_the_socket_is_something_else",
                                                "test_surroundings.Places.test_the_socket_is_removed_again_and_again",
                                                "test_surroundings.Places.test_the_definitions_are_something_else",
                                                "test_definitions.Definitions.test_what_is_no_definition_file"],
    "no /proc, no inotify": ["test_surroundings.Places.test_no_proc", "test_surroundings.Places.test_no_inotify"],
    "a program that is a file without end": ["tests/unit/base/test-blake3sum.c"],
    "a backend that is stopped": ["test_surroundings.Stubborn"],
}


def missing(name):
    """Why `name` is no test; None when it is one."""
    if "/" in name:
        path = os.path.join(harness.TOP, name)
        return None if os.path.isfile(path) else "no such file: " + name
    module, *path = name.split(".")
    found = sys.modules["__main__"] if module == "test_faults" else importlib.import_module(module)
    for part in path:
        found = getattr(found, part, None)
    if found is None or (len(path) == 2 and not path[1].startswith("test_")):
        return "no such test: " + name
    if len(path) == 1 and not any(n.startswith("test_") for n in dir(found)):
        return "no tests in " + name
    return None


class Table(harness.unittest.TestCase):
    def test_every_case_is_shown_or_waits(self):
        numbers = {int(n) for key in CASES for n in re.findall(r"^\d+", str(key))}
        self.assertEqual(numbers, set(range(1, 31)))
        shown = set()
        for key, where in CASES.items():
            if isinstance(where, str):
                self.assertTrue(where.startswith(NOT_YET) and where != NOT_YET, key)
                continue
            self.assertTrue(where, key)
            shown.update(where)
            self.assertEqual([missing(name) for name in where if missing(name)], [], key)
        for program in ("test_faults", "test_surroundings"):
            module = sys.modules["__main__"] if program == "test_faults" else importlib.import_module(program)
            here = {("%s.%s" % (program, case.__name__), name) for case in vars(module).values()
                    if isinstance(case, type) and case.__module__ == module.__name__ and case is not Table
                    for name in vars(case) if name.startswith("test_")}
            self.assertEqual({(case, name) for case, name in here if case not in shown and "%s.%s" % (case, name) not in
                              shown}, set(), "tests that no case names")


class Bytes(Fault):
    def test_case_04_foreign_framing_versions(self):
        with self.attacked() as broker:
            for byte in (0, 2, 255):
                self.refused(broker, bytes([byte]) + hello_frame()[1:], VERSION_UNSUPPORTED)

    def test_case_05_a_hello_over_64_kib(self):
        with self.attacked() as broker:
            self.refused(broker, padded_hello(KIB64 + 1), PEER_REJECTED, "initial Hello frame exceeds 64 KiB")

    def test_case_06_impossible_lengths(self):
        with self.attacked() as broker:
            peak_kib = broker.peak_kib()
            for length in (MIB16 + 1, 0xFFFFFFFF):
                for _ in range(50):
                    exchange(broker.socket, b"\x01" + length.to_bytes(4, "little"))
                self.refused(broker, b"\x01" + length.to_bytes(4, "little") + b"x" * 100, PEER_REJECTED)
            self.assertLess(broker.peak_kib(), peak_kib + 8192, "memory for what was announced")

    def test_case_07_an_empty_frame(self):
        with self.attacked() as broker:
            self.refused(broker, b"\x01\0\0\0\0", VERSION_UNSUPPORTED)

    def test_case_08_the_end_comes_early(self):
        data = hello_frame("canary", "1.0.0")
        with self.attacked() as broker:
            for size in (1, 4, 5, len(data) - 1):
                for _ in range(20):
                    Conn(broker.socket).send(data[:size]).close()    # the refusal finds nobody
                self.refused(broker, data[:size], PEER_REJECTED, "incomplete Hello frame", finish=True)

    def test_case_10_every_refusal(self):
        install_definitions(self.box)
        with self.attacked() as broker:
            self.assertEqual([row.title for row in all_rows()
                              if not row.matches(exchange(broker.socket, row.send, row.finish))], [])
            self.said(broker, "admin-refused")
            self.said(broker, "service-def-broken")

    def names_nobody(self, broker, frames):
        """Refused for their shape; no process, no file."""
        before = broker.log_lines("service-def-loaded") + broker.log_lines("launch-started")
        for data in frames:
            got = parse_hello_reply(exchange(broker.socket, data))
            self.assertRefused(got, PEER_REJECTED)
        self.refused(broker, frames[-1], PEER_REJECTED)
        self.assertEqual(broker.log_lines("service-def-loaded") + broker.log_lines("launch-started"), before)
        self.assertEqual(len(harness.proc_children(broker.pid)), 1)

    def test_case_11_service_names(self):
        with self.attacked() as broker:
            self.names_nobody(broker, [hello_frame(name, "1.0.0") for name in BAD_NAMES])

    def test_case_12_versions(self):
        with self.attacked() as broker:
            self.names_nobody(broker, [hello_frame("canary", version) for version in BAD_VERSIONS])
            self.box.definition("floor", min_version="1.10.0")
            self.refused(broker, hello_frame("floor", "0.0.18446744073709551616"), harness.VERSION_BLOCKED)

    def test_case_14_a_pid_that_lies(self):
        with self.attacked() as broker:
            for pid in (1, os.getpid() + 1, 0xFFFFFFFF):
                self.refused(broker, hello_frame("canary", "1.0.0", peer_pid=pid), PEER_REJECTED)
            self.assertNegotiated(say_hello(broker.socket, "canary", "1.0.0", peer_pid=os.getpid()))


class Backends(Fault):
    def ends(self, broker, *programs):
        """The backends of the case go, so that descriptors can be counted."""
        for program in programs:
            self.box.kill_backends(program)
        wait_for(lambda: len(harness.proc_children(broker.pid)) == 1, "only the canary's backend")

    def test_case_15_backends_that_die(self):
        program = self.box.service("svc")
        with self.attacked() as broker:
            dead = set()
            for number in range(6):
                version = "1.0.%d" % (number // 2)
                pipe = self.assertNegotiated(say_hello(broker.socket, "svc", version)).backend_pipe
                self.assertNotIn(pipe, dead)
                harness.probe(pipe)
                self.box.kill_backends(program)
                dead.add(pipe)
            self.said(broker, "backend-crashed", "signal 9")
            wait_for(lambda: not any(os.path.lexists(pipe) for pipe in dead), "no socket of a dead backend")
            self.ends(broker)

    def test_case_16_replaced_on_disk(self):
        program = self.box.service("svc")
        with self.attacked() as broker:
            pipes = []
            for build in range(3):
                self.box.install_program("svc", config={})
                with open(program, "ab") as out:
                    out.write(b"build %d" % build)
                pipes.append(self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0")).backend_pipe)
                self.said(broker, "launch-ready")
            self.assertEqual(len({harness.probe(pipe).pid for pipe in pipes}), 3, "old builds serve their clients on")
            for pid in self.box.backend_pids():
                if pid not in self.box.backend_pids(os.path.join(self.box.bin, "canary")):
                    os.kill(pid, signal.SIGKILL)
            self.ends(broker)

    def test_case_24_launches_that_fail(self):
        path = os.path.join(self.box.bin, "svc")
        with self.attacked() as broker:
            number = 0

            def fails():
                nonlocal number
                number += 1
                self.assertRefused(say_hello(broker.socket, "svc", "1.0.%d" % number), SPAWN_FAILED,
                                   prefix="backend spawn failed: ", retry=1000)
            self.box.definition("svc", path)
            fails()
            with open(path, "w") as out:
                out.write("no program\n")
            os.chmod(path, 0o644)
            fails()
            os.chmod(path, 0o755)
            fails()
            for source in ("/bin/true", "/bin/false"):
                self.box.install_program("svc", source)
                fails()
            for act in ("crashes", "exits, leaves a child", "answers rubbish"):
                self.box.install_program("svc", config=ACT[act])
                fails()
            self.said(broker, "launch-failed")
            self.box.install_program("svc", "/bin/false")
            for want in (SPAWN_FAILED, SPAWN_FAILED, SPAWN_FAILED, RATE_LIMITED, RATE_LIMITED):
                self.assertRefused(say_hello(broker.socket, "svc", "2.0.0"), want)
            self.said(broker, "launch-storm")
            self.ends(broker)
            self.assertEqual(len([name for name in os.listdir(self.box.broker_dir) if "-be-" in name]), 1)

    def test_case_25_32_first_hellos(self):
        gate = os.path.join(self.box.dir, "gate")
        program = self.box.service("svc", {"wait_file": gate})
        with self.attacked() as broker:
            conns = [Conn(broker.socket).send(hello_frame("svc", "1.0.0")) for _ in range(32)]
            wait_for(lambda: self.box.backend_pids(program), "the launch")
            self.box.service("quick")
            self.assertNegotiated(say_hello(broker.socket, "quick", "1.0.0"))
            self.assertEqual([conn.has_bytes_now() for conn in conns], [False] * 32)
            with open(gate, "w"):
                pass
            self.assertEqual(len({self.assertNegotiated(parse_hello_reply(conn.read_all())).backend_pipe
                                  for conn in conns}), 1)
            for conn in conns:
                conn.close()
            self.assertEqual(len(self.box.backend_pids(program)), 1)
            self.said(broker, "launch-started")
            self.ends(broker, program, os.path.join(self.box.bin, "quick"))


class Limited(Fault):
    options = ()

    @harness.bare_only
    def test_case_23_too_many_hellos(self):
        with self.attacked() as broker:
            def limited():
                """Many at a time, for a machine on which one after the other is not more than the limit."""
                conns = [Conn(broker.socket).send(hello_frame("canary", "1.0.0")) for _ in range(300)]
                replies = [parse_hello_reply(conn.read_all()) for conn in conns]
                for conn in conns:
                    conn.close()
                return [reply for reply in replies if not harness.is_negotiated(reply)]
            for reply in wait_for(limited, "the limit"):
                self.assertRefused(reply, RATE_LIMITED, "Hello rate limit exceeded")
                self.assertGreater(reply.retry_after_ms, 0)
            wait_for(lambda: harness.is_negotiated(say_hello(broker.socket, "canary", "1.0.0")), "the next window")
            for _ in range(300):    # each of them another process: the canary is not the only one that is not limited
                pid = os.fork()
                if pid == 0:
                    os._exit(0 if harness.is_negotiated(say_hello(broker.socket, "canary", "1.0.0")) else 1)
                self.assertEqual(os.waitpid(pid, 0)[1], 0)


class Signals(Fault):
    def test_case_26_signals_during_a_launch(self):
        """SIGPIPE and SIGHUP change nothing, SIGTERM refuses those who wait, a second one ends it at once."""
        program = self.box.service("slow", ACT["never binds"])
        broker = self.start()
        pipe = say_hello(broker.socket, "canary", "1.0.0").backend_pipe
        with self.canary(broker) as canary:
            waiting = [Conn(broker.socket).send(hello_frame("slow", "1.0.0")) for _ in range(3)]
            wait_for(lambda: self.box.backend_pids(program), "the launch")
            for sig in (signal.SIGPIPE, signal.SIGHUP):
                os.kill(broker.pid, sig)
            self.said(broker, "definitions-rechecked")
            self.assertEqual([conn.has_bytes_now() for conn in waiting], [False] * 3)
        canary.check(self)
        dump = Conn(broker.socket)
        dump.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        dump.send(harness.admin_frame(1, json=True))
        os.kill(broker.pid, signal.SIGTERM)
        for conn in waiting:
            self.assertRefused(parse_hello_reply(conn.read_all()), SHUTTING_DOWN, "broker is shutting down", 1000)
        try:
            os.kill(broker.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.assertEqual(broker.wait(), 0)
        self.said(broker, "draining")
        wait_for(lambda: not self.box.backend_pids(program), "the end of what was half launched")
        self.assertEqual(harness.probe(pipe).pid, *self.box.backend_pids(os.path.join(self.box.bin, "canary")))
        for conn in waiting + [dump]:
            conn.close()


    @harness.bare_only
    def test_case_26_a_second_signal(self):
        """The first one kills what is half launched, but a debugger that sleeps keeps that from going, and so the drain from
        its end; the second does not wait for it."""
        program = self.box.service("slow", ACT["never binds"])
        broker = self.start()
        with Conn(broker.socket) as waiting:
            waiting.send(hello_frame("slow", "1.0.0"))
            pid, = wait_for(lambda: self.box.backend_pids(program), "the launch")
            try:
                debugger = subprocess.Popen(["strace", "-o", "/dev/null", "-p", str(pid)], stderr=subprocess.PIPE)
            except OSError:
                self.skipTest("strace is not installed")
            self.addCleanup(debugger.communicate)
            self.addCleanup(debugger.kill)
            if b"attached" not in debugger.stderr.readline():
                self.skipTest("strace cannot attach")
            os.kill(debugger.pid, signal.SIGSTOP)
            wait_for(lambda: harness.proc_stat(debugger.pid)["state"] == "T", "the debugger asleep")
            os.kill(broker.pid, signal.SIGTERM)
            self.assertRefused(parse_hello_reply(waiting.read_all()), SHUTTING_DOWN, "broker is shutting down", 1000)
            self.said(broker, "draining")
            self.assertTrue(broker.alive(), "nothing to wait for")
            os.kill(broker.pid, signal.SIGTERM)
            self.assertEqual(broker.wait(), 0)
            self.said(broker, "drain-forced", "a second signal")


@harness.bare_only
class Kernel(Fault):
    is_filtered = False    # a call that strace lets fail has a number that the filter does not know

    # (call, what it gives once)
    FAILURES = (("accept4", "EMFILE"), ("accept4", "ENFILE"), ("accept4", "ENOBUFS"), ("accept4", "ENOMEM"),
                ("getsockopt", "ENOBUFS"), ("openat", "EMFILE"), ("openat", "ENFILE"), ("openat", "ENOMEM"),
                ("socket", "EMFILE"), ("socket", "ENOBUFS"), ("socket", "ENOMEM"),
                ("clone", "EAGAIN"), ("pipe2", "ENFILE"), ("epoll_ctl", "ENOMEM"), ("epoll_ctl", "ENOSPC"),
                ("recvfrom", "ENOMEM"), ("sendto", "ENOBUFS"), ("ppoll", "ENOMEM"))

    def injected(self, broker, call, error):
        tracer = subprocess.Popen(["strace", "-o", os.path.join(self.box.dir, "trace"), "-e", "trace=" + call,
                                   "-e", "inject=%s:error=%s:when=1" % (call, error), "-p", str(broker.pid)],
                                  stderr=subprocess.PIPE)
        if b"attached" not in tracer.stderr.readline():
            tracer.communicate()
            self.skipTest("strace cannot attach")
        return tracer

    def test_case_18_calls_that_fail(self):
        """Each costs at most the connection that it hits; who comes next is served. Only a lack of descriptors at
        accept() is told to a few more: three good ones end it."""
        try:
            subprocess.run(["strace", "-V"], check=True, stdout=subprocess.DEVNULL)
        except OSError:
            self.skipTest("strace is not installed")
        program = self.box.service("svc")
        broker = self.start()
        for number, (call, error) in enumerate(self.FAILURES):
            version = "1.0.%d" % number
            tracer = self.injected(broker, call, error)
            answers = [exchange(broker.socket, hello_frame(service, wanted)) for service, wanted in
                       (("svc", version), ("canary", "1.0.0"), ("svc", version), ("canary", "1.0.0"))]
            tracer.terminate()
            tracer.communicate()
            with open(os.path.join(self.box.dir, "trace")) as trace:
                self.assertIn("(INJECTED)", trace.read(), call)
            replies = [parse_hello_reply(answer) for answer in answers if answer]
            good = [reply for reply in replies if harness.is_negotiated(reply) or
                    (call == "accept4" and reply.code == harness.FD_PRESSURE)]
            self.assertGreaterEqual(len(good), 3, (call, error, answers))
            self.assertNegotiated(say_hello(broker.socket, "svc", version))
            self.box.kill_backends(program)
        self.said(broker, "accept-failed")
        with self.canary(broker) as canary:
            wait_for(lambda: len(harness.proc_children(broker.pid)) == 1, "only the canary's backend")
        self.judge(broker, canary)


@harness.bare_only
class FileSystems(Fault):
    """Case 28, on a file system of its own."""
    MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2

    def mount(self, path, options="mode=700", flags=0):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"faults", path.encode(), b"tmpfs", flags, options.encode()) != 0:
            self.skipTest("no mounts here: %s" % os.strerror(ctypes.get_errno()))
        if not flags & self.MS_REMOUNT:
            self.addCleanup(libc.umount2, path.encode(), self.MNT_DETACH)

    @contextlib.contextmanager
    def dead_mount(self, path):
        """A file system whose server never answers; yields what brings it to an end."""
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            self.skipTest("no FUSE here: %s" % error)
        options = "fd=%d,rootmode=40000,user_id=%d,group_id=%d" % (server, os.getuid(), os.getgid())
        try:
            if libc.mount(b"dead", path.encode(), b"fuse", 0, options.encode()) != 0:
                self.skipTest("no mounts here: %s" % os.strerror(ctypes.get_errno()))
            try:
                yield
            finally:
                libc.umount2(path.encode(), self.MNT_DETACH)
        finally:
            os.close(server)    # whoever waits is told that nobody is there

    def test_definitions_on_a_dead_mount(self):
        """Whoever asks for a service waits and is refused in words; nobody else waits, and SIGHUP does not hang."""
        with self.dead_mount(self.box.defs):
            broker = self.box.launch_mode()
            with Conn(broker.socket) as first, Conn(broker.socket) as second:
                first.send(hello_frame("svc", "1.0.0"))
                second.send(hello_frame("other", "1.0.0"))
                for _ in range(3):
                    self.assertEqual(self.box.run("--socket", broker.socket, "readyz").stdout, "ready\n")
                broker.process.send_signal(signal.SIGHUP)
                for conn in (first, second):
                    self.assertRefused(parse_hello_reply(conn.read_all()), harness.SERVICE_UNKNOWN,
                                       "service definition could not be loaded: %s: has not answered for 10 s" % self.box.defs)
            self.assertRefused(say_hello(broker.socket, "svc", "1.0.0"), harness.SERVICE_UNKNOWN)
            self.assertEqual(self.box.run("--socket", broker.socket, "readyz").stdout, "ready\n")
        self.box.service("svc")    # the server is gone for good, and what lies below is seen
        wait_for(lambda: isinstance(say_hello(broker.socket, "svc", "1.0.0"), harness.pb.Negotiated), "an answer again")
        broker.stop()

    def test_state_directory_on_a_dead_mount(self):
        """Whoever wants the status waits for a moment and is told that nothing is known; nobody else waits."""
        state = os.path.join(self.box.home, "state")
        os.makedirs(state, exist_ok=True)
        with self.attacked() as broker:
            with self.dead_mount(state):
                with Conn(broker.socket) as first, Conn(broker.socket) as second:
                    for conn in (first, second):
                        conn.send(harness.admin_frame(1, json=True))
                    self.assertEqual(self.box.run("--socket", broker.socket, "readyz").stdout, "ready\n")
                    for conn in (first, second):
                        self.assertEqual(self.inode_row(harness.parse_admin_reply(conn.read_all())), self.UNKNOWN_INODES)
                for _ in range(3):    # who asks while it hangs does not wait
                    self.assertEqual(self.inode_row(harness.ask_admin(broker.socket, 1, json=True)), self.UNKNOWN_INODES)
            wait_for(lambda: self.inode_row(harness.ask_admin(broker.socket, 1, json=True)) != self.UNKNOWN_INODES,
                     "the inodes again")

    UNKNOWN_INODES = {"detail": "Connection timed out (os error 110)", "supported": False}

    def inode_row(self, reply):
        return json.loads(reply.body)["inode_pressure"]

    def fill(self, directory):
        """No file fits any more; returns what to remove."""
        names = []
        while True:
            name = os.path.join(directory, "fill-%d" % len(names))
            try:
                os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600))
            except OSError:
                return names
            names.append(name)

    def test_case_28_start_on_one_that_cannot_be_written(self):
        self.mount(self.box.runtime, "mode=700,nr_inodes=8")
        names = self.fill(self.box.runtime)
        for prepare in (lambda: None, lambda: self.mount(self.box.runtime, flags=self.MS_REMOUNT | self.MS_RDONLY)):
            prepare()
            daemon = self.box.daemon("serve")
            self.assertEqual(daemon.wait(), 1)
            lines = daemon.stderr().splitlines()
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(self.box.runtime, lines[0])
        self.mount(self.box.runtime, "nr_inodes=64", self.MS_REMOUNT)
        self.assertTrue(names)
        self.box.daemon("serve", socket=self.box.run("endpoint").stdout.strip()).ready().stop()

    def test_case_28_full_or_read_only_while_running(self):
        program = self.box.service("svc")
        self.mount(self.box.runtime, "mode=700,nr_inodes=64")
        with self.attacked() as broker:
            names = self.fill(self.box.runtime)
            self.assertRefused(say_hello(broker.socket, "svc", "1.0.0"), SPAWN_FAILED)
            self.said(broker, "launch-failed")
            for name in names:
                os.unlink(name)
            self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0"))
            self.mount(self.box.runtime, flags=self.MS_REMOUNT | self.MS_RDONLY)
            self.assertRefused(say_hello(broker.socket, "svc", "1.0.1"), SPAWN_FAILED)
            self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0"))
            self.mount(self.box.runtime, flags=self.MS_REMOUNT)
            self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.1"))
            self.box.kill_backends(program)

    def test_case_28_removed_while_running(self):
        """The control socket and the one of the canary's backend go: both are new, and the canary works at once."""
        path = self.box.run("endpoint").stdout.strip()
        broker = self.box.daemon("serve", *self.options, socket=path).ready()
        first = self.assertNegotiated(say_hello(path, "canary", "1.0.0")).backend_pipe
        fds = broker.fd_count()
        shutil.rmtree(os.path.join(self.box.runtime, "running-process"), ignore_errors=True)    # a new socket may come first
        wait_for(lambda: broker.log_lines("socket-recreated") and broker.log_lines("backend-unreachable"), "both lines")
        with Canary(path, "canary", "1.0.0", pid=broker.pid) as canary:
            second = self.assertNegotiated(say_hello(path, "canary", "1.0.0")).backend_pipe
            self.assertNotEqual(second, first)
            harness.probe(second)
        canary.check(self)
        self.box.kill_backends()
        self.assertNegotiated(say_hello(path, "canary", "1.0.0"))
        harness.wait_fds_back(broker, fds)
        broker.stop()


class Mix(Hostile):
    """Everything at once, by several processes, since one may hold 1 024 connections."""
    log_level = "debug"

    def test_everything_at_once(self):
        broker = self.start()
        with self.canary(broker) as canary:
            pid, tell = self.holder(broker.socket, 1000 // harness.SLOW)
            held = [Conn(broker.socket) for _ in range(60)]
            held += [Conn(broker.socket).send(hello_frame()[:20]) for _ in range(60)]
            held += [Conn(broker.socket).send(b"\x01" + MIB16.to_bytes(4, "little") + b"\x22") for _ in range(40)]
            for number in range(30):
                conn = Conn(broker.socket)
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                held.append(conn.send(harness.admin_frame(1, json=True) if number % 2 else hello_frame("canary", "1.0.0")))
            for number in range(10000 // harness.SLOW):
                Conn(broker.socket).close()
                if number % 1000 == 0:
                    size = (KIB64 - 100, MIB16 - 2)[number // 1000 % 2]
                    bomb = b"\x08\x01" + (varint(20 << 3) + b"\x01") * ((size - 2) // 3)
                    self.assertRefused(parse_hello_reply(exchange(broker.socket, harness.framed(bomb))), PEER_REJECTED)
            payload = harness.hello().SerializeToString() + field(30, 0, b"\x01") * 20000
            self.assertRefused(parse_hello_reply(exchange(broker.socket, harness.frame(payload))), PEER_REJECTED)
            self.assertEqual([conn.is_closed_now() for conn in held[:160]], [False] * 160, "evicted without need")
            if not harness.VALGRIND and not harness.SANITIZED:
                self.assertLess(broker.memory_kib(), self.base_memory + 8192)
            for conn in held:
                conn.close()
            os.close(tell)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.judge(broker, canary, 1024, code="hello-outcome")


if __name__ == "__main__":
    harness.main()
