# SPDX-License-Identifier: MIT
"""The ways to run the daemon, and what it does to the file system around its socket."""
import os
import signal
import socket
import stat
import subprocess

import harness
from harness import (SERVICE_UNKNOWN, SPAWN_FAILED, exchange, hello_frame, is_listening, parse_hello_reply, refusal,
                     say_hello, wait_for)


class Socket(harness.Case):
    """Bind, singleton, modes, cleanup (spec 02 §5)."""

    def serve(self, path=None, **options):
        path = path or self.box.socket
        return self.box.daemon("--serve-launch", path, "--service-def-dir", self.box.defs, socket=path, **options)

    def refuse(self, path=None, words="", **options):
        daemon = self.serve(path, **options)
        self.assertEqual(daemon.wait(), 1, daemon.stderr())
        self.assertIn("serve-launch failed: ", daemon.stderr())
        self.assertIn(words, daemon.stderr())

    def test_modes(self):
        broker = self.serve().ready()
        facts = os.lstat(self.box.socket)
        self.assertTrue(stat.S_ISSOCK(facts.st_mode))
        self.assertEqual(stat.S_IMODE(facts.st_mode), 0o600)
        lock = os.lstat(self.box.socket + ".lock")
        self.assertTrue(stat.S_ISREG(lock.st_mode))
        self.assertEqual(stat.S_IMODE(lock.st_mode), 0o600)
        broker.stop()

    def test_modes_under_an_odd_umask(self):
        old = os.umask(0)
        try:
            broker = self.serve().ready()
        finally:
            os.umask(old)
        self.assertEqual(stat.S_IMODE(os.lstat(self.box.socket).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.lstat(self.box.socket + ".lock").st_mode), 0o600)
        broker.stop()

    def test_every_signal_that_stops_removes_the_socket(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            broker = self.serve().ready()
            broker.stop(sig)
            self.assertFalse(os.path.lexists(self.box.socket))
            self.assertTrue(os.path.exists(self.box.socket + ".lock"))

    def test_hangup_and_pipe_do_not_stop_it(self):
        broker = self.serve().ready()
        for sig in (signal.SIGHUP, signal.SIGPIPE):
            os.kill(broker.pid, sig)
            self.assertEqual(harness.ask_admin(self.box.socket, 4).body, "ok\n")
        broker.stop()

    def test_stop_does_not_wait_for_the_idle(self):
        broker = self.serve().ready()
        with harness.Conn(self.box.socket) as silent, harness.Conn(self.box.socket) as half:
            half.send(hello_frame()[:9])
            harness.ask_admin(self.box.socket, 4)
            os.kill(broker.pid, signal.SIGTERM)
            self.assertEqual(broker.wait(), 0)
            self.assertEqual(silent.read_all(), b"")
        self.assertEqual((len(broker.log_lines("draining")), broker.log_lines("drain-forced")), (1, []))

    def test_second_broker(self):
        broker = self.serve().ready()
        inode = os.lstat(self.box.socket).st_ino
        self.refuse(words="already running")
        self.assertEqual(os.lstat(self.box.socket).st_ino, inode)
        self.assertEqual(harness.ask_admin(self.box.socket, 4).body, "ok\n")
        broker.stop()

    def test_killed_and_started_again(self):
        broker = self.serve().ready()
        broker.kill()
        self.assertTrue(os.path.lexists(self.box.socket))
        broker = self.serve().ready()
        self.assertEqual(harness.ask_admin(self.box.socket, 4).body, "ok\n")
        broker.stop()

    def test_starters_in_a_race(self):
        first = self.serve().ready()
        first.kill()
        starters = [self.serve() for _ in range(5)]
        wait_for(lambda: sum(s.alive() for s in starters) == 1 and is_listening(self.box.socket), "one survivor")
        winner = next(s for s in starters if s.alive())
        for loser in starters:
            if loser is not winner:
                self.assertEqual(loser.wait(), 1)
                self.assertIn("already running", loser.stderr())
        self.assertEqual(harness.ask_admin(self.box.socket, 4).body, "ok\n")
        winner.stop()

    def test_live_socket_of_someone_without_a_lock(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.box.socket)
            other.listen()
            self.refuse(words="already running")
            self.assertTrue(os.path.lexists(self.box.socket))

    def test_foreign_objects_are_not_touched(self):
        path = self.box.socket
        with open(path, "w") as out:
            out.write("precious")
        self.refuse()
        with open(path) as text:
            self.assertEqual(text.read(), "precious")
        os.unlink(path)
        os.symlink("/nonexistent", path)
        self.refuse()
        self.assertEqual(os.readlink(path), "/nonexistent")
        os.unlink(path)
        os.mkdir(path)
        self.refuse()
        self.assertTrue(os.path.isdir(path))

    def test_the_socket_of_a_successor_is_not_removed(self):
        broker = self.serve().ready()
        os.rename(self.box.socket, self.box.socket + ".moved")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.box.socket)
            other.listen()
            inode = os.lstat(self.box.socket).st_ino
            broker.stop()
            self.assertEqual(os.lstat(self.box.socket).st_ino, inode)

    def test_parents(self):
        for mode in (0o755, 0o770, 0o711, 0o777):
            os.chmod(self.box.sockets, mode)
            self.refuse(words=self.box.sockets)
            self.assertEqual(stat.S_IMODE(os.stat(self.box.sockets).st_mode), mode, "repaired")
        os.chmod(self.box.sockets, 0o700)
        link = os.path.join(self.box.dir, "link")
        os.symlink(self.box.sockets, link)
        self.refuse(link + "/b.sock")
        self.refuse(os.path.join(self.box.dir, "no/such/b.sock"))
        self.assertFalse(os.path.exists(os.path.join(self.box.dir, "no")))
        fresh = os.path.join(self.box.dir, "fresh/b.sock")
        self.serve(fresh).ready().stop()
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(fresh)).st_mode), 0o700)

    def test_parent_of_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give a directory away")
        os.chown(self.box.sockets, 65534, 65534)
        self.refuse(words=self.box.sockets)

    def test_path_length(self):
        self.refuse(os.path.join(self.box.sockets, "x" * (108 - len(self.box.sockets) - 6) + ".sock"), words="107")
        longest = os.path.join(self.box.sockets, "x" * (107 - len(self.box.sockets) - 6) + ".sock")
        self.assertEqual(len(longest), 107)
        self.serve(longest).ready().stop()


class Canonical(harness.Case):
    """`serve`: the everyday way (decision 13), and the directories that it makes (decision 9b)."""

    def endpoint(self, *args, **env):
        return self.box.run("endpoint", *args, env=self.box.env(**env)).stdout.strip()

    def test_from_an_empty_runtime_directory(self):
        path = self.endpoint()
        self.assertEqual(os.listdir(self.box.runtime), [])
        broker = self.box.daemon("serve", socket=path).ready()
        for directory in (self.box.broker_dir, os.path.dirname(self.box.broker_dir)):
            self.assertEqual(stat.S_IMODE(os.stat(directory).st_mode), 0o700, directory)
        self.box.definition("mine", isolation=0)
        self.assertRefused(say_hello(path, "mine", "1.0.0"), SERVICE_UNKNOWN,
                           "service belongs to instance private:mine, this broker serves shared", 0)
        broker.stop()
        self.assertFalse(os.path.lexists(path))

    def test_instances(self):
        self.box.definition("mine", isolation=0)
        self.box.definition("ours", isolation=2, explicit_instance="ci")
        self.box.definition("all", isolation=1)
        brokers = {}
        for instance in ("shared", "private:mine", "explicit:ci"):
            path = self.endpoint("--instance", instance)
            brokers[instance] = self.box.daemon("serve", "--instance", instance, socket=path).ready()
        for instance, broker in brokers.items():
            for service, home in (("mine", "private:mine"), ("ours", "explicit:ci"), ("all", "shared")):
                reply = say_hello(broker.socket, service, "1.0.0")
                if home == instance:
                    self.assertRefused(reply, SPAWN_FAILED)
                else:
                    self.assertRefused(reply, SERVICE_UNKNOWN, "service belongs to instance %s, this broker serves %s" %
                                       (home, instance))
            self.assertEqual(harness.ask_admin(broker.socket, 1).body,
                             "broker_instance: %s\naccepting_hello: true\n" % instance)
        for broker in brokers.values():
            broker.stop()

    def test_an_explicit_socket_serves_every_instance(self):
        self.box.definition("mine", isolation=0)
        self.box.definition("ours", isolation=2, explicit_instance="ci")
        broker = self.box.daemon("serve", self.box.socket).ready()
        for service in ("mine", "ours"):
            self.assertRefused(say_hello(broker.socket, service, "1.0.0"), SPAWN_FAILED)
        broker.stop()

    def test_old_directories_are_narrowed(self):
        os.makedirs(self.box.broker_dir, 0o755)
        path = self.endpoint()
        broker = self.box.daemon("serve", socket=path).ready()
        self.assertEqual(stat.S_IMODE(os.stat(self.box.broker_dir).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.box.broker_dir)).st_mode), 0o755, "not ours to narrow")
        broker.stop()

    def test_directories_that_others_can_write(self):
        os.makedirs(self.box.broker_dir, 0o700)
        for directory, mode in ((self.box.broker_dir, 0o777), (os.path.dirname(self.box.broker_dir), 0o775)):
            os.chmod(directory, mode)
            daemon = self.box.daemon("serve")
            self.assertEqual(daemon.wait(), 1, daemon.stderr())
            self.assertIn(directory, daemon.stderr())
            self.assertIn("chmod", daemon.stderr())
            self.assertEqual(stat.S_IMODE(os.stat(directory).st_mode), mode)
            os.chmod(directory, 0o700)

    def test_runtime_directories_that_do_not_do(self):
        for value in ("relative", self.box.dir + "/missing", self.box.dir + "/" + "x" * 80):
            daemon = self.box.daemon("serve", env=self.box.env(XDG_RUNTIME_DIR=value))
            self.assertEqual(daemon.wait(), 1, value + daemon.stderr())
        self.assertFalse(os.path.exists(self.box.dir + "/missing"), "the runtime directory itself is not ours to make")


class Rest(harness.Case):
    def test_nothing_due_nothing_done(self):
        """No wake-up in a second, with connections open and a backend alive."""
        harness.need(harness.TEST_BACKEND, "the test backend")
        self.box.service("svc")
        broker = self.box.launch_mode()
        self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0"))
        with harness.Conn(broker.socket) as idle, harness.Conn(broker.socket) as half:
            half.send(hello_frame()[:9])
            wait_for(lambda: half.unread() == 0, "the half frame read")

            def wakeups():
                found = 0
                for thread in os.listdir("/proc/%d/task" % broker.pid):
                    with open("/proc/%d/task/%s/status" % (broker.pid, thread)) as text:
                        found += int(text.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])
                return found

            def rests():
                before = wakeups()
                idle.wait_readable(1.0)
                return wakeups() - before <= 1
            idle.wait_readable(0.2)    # what the launch has left to do; on a slow machine that takes longer
            wait_for(rests, "a second in which nothing is done", 5)
        broker.stop()

    @harness.bare_only
    def test_no_socket_family_but_unix(self):
        """Under a filter that kills it for any other (decision 4)."""
        only_unix = os.path.join(harness.BUILD, "tests/helpers/only-unix")
        harness.need(only_unix, "the filter")
        harness.need(harness.TEST_BACKEND, "the test backend")
        for attempt, fate in (("socket(AF_UNIX)", 0), ("socketpair()", 0), ("socket(AF_INET)", -signal.SIGSYS),
                              ("socket(AF_INET6, SOCK_DGRAM)", -signal.SIGSYS), ("socket(AF_NETLINK, SOCK_RAW)", -signal.SIGSYS),
                              ("socketpair(AF_INET)", -signal.SIGSYS)):
            tried = self.box.run("-c", "from socket import *; " + attempt, program="/usr/bin/python3", prefix=[only_unix])
            self.assertEqual(tried.returncode, fate, "the filter does not filter: " + attempt + tried.stderr)
        self.box.service("svc")
        broker = self.box.launch_mode(prefix=[only_unix])
        with open("/proc/%d/status" % broker.pid) as text:
            self.assertIn("\nSeccomp:\t2\n", text.read())
        self.assertNegotiated(say_hello(broker.socket, "svc", "1.0.0"))
        harness.ask_admin(broker.socket, 1, json=True)
        say_hello(broker.socket, "nosuch", "1.0.0")
        broker.stop()


class Bounded(harness.Case):
    def test_max_connections_counts_everything(self):
        broker = self.box.launch_mode("--max-connections", "5")
        say_hello(broker.socket)
        harness.ask_admin(broker.socket, 4)
        exchange(broker.socket, b"\x02")
        exchange(broker.socket, b"", finish=True)
        self.assertTrue(broker.alive())
        say_hello(broker.socket)
        self.assertEqual(broker.wait(), 0)
        self.assertFalse(os.path.lexists(broker.socket))

    def test_the_last_connection_is_served_to_its_end(self):
        broker = self.box.launch_mode("--max-connections", "2")
        with harness.Conn(broker.socket) as slow:
            slow.send(hello_frame()[:20])
            say_hello(broker.socket)
            slow.send(hello_frame()[20:])
            self.assertRefused(parse_hello_reply(slow.read_all()), SERVICE_UNKNOWN)
        self.assertEqual(broker.wait(), 0)


class Once(harness.Case):
    def once(self, data, finish=False, **env):
        daemon = self.box.daemon("--serve-once", self.box.socket, env=self.box.env(**env)).ready()
        got = exchange(self.box.socket, data, finish)
        status = daemon.wait()
        self.assertFalse(os.path.lexists(self.box.socket))
        return got, status, daemon.stderr()

    def test_hello(self):
        got, status, _ = self.once(hello_frame(request_id=7))
        self.assertEqual((got, status), (refusal(SERVICE_UNKNOWN, "service is not registered", request_id=7), 0))

    def test_shape_comes_first(self):
        got, status, _ = self.once(hello_frame("Bad"))
        self.assertEqual((got, status), (refusal(harness.PEER_REJECTED, "invalid service_name"), 0))

    def test_admin_is_a_bad_lane(self):
        got, _, _ = self.once(harness.admin_frame(4))
        self.assertRefused(parse_hello_reply(got), harness.PEER_REJECTED,
                           "Hello frame payload_protocol must be control-plane", 0)

    def test_header_cap_is_64_kib(self):
        got, status, _ = self.once(b"\x01\x01\x00\x01\x00")
        self.assertEqual((got, status), (refusal(harness.PEER_REJECTED, "initial Hello frame exceeds 64 KiB",
                                                 request_id=0), 0))

    def test_a_refused_frame_is_no_failure(self):
        for data, code, reason in ((b"\x02", harness.VERSION_UNSUPPORTED, "unsupported framing version"),
                                   (b"\x01\x05", harness.PEER_REJECTED, "incomplete Hello frame"),
                                   (harness.frame(b"", payload_protocol=0)[:-1] + b"\xff", harness.PEER_REJECTED,
                                    "malformed broker Frame")):
            got, status, _ = self.once(data, finish=True)
            self.assertEqual((got, status), (refusal(code, reason, request_id=0), 0))

    def test_silent_peer_ends_it(self):
        daemon = self.box.daemon("--serve-once", self.box.socket,
                                 env=self.box.env(RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS="50")).ready()
        with harness.Conn(self.box.socket) as conn:
            self.assertEqual(conn.read_all(), b"")
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("serve-once failed: ", daemon.stderr())
        self.assertFalse(os.path.lexists(self.box.socket))


@harness.bare_only
class Fronting(harness.Case):
    """--serve: a backend that somebody else started (decision 12)."""

    def setUp(self):
        super().setUp()
        harness.need(harness.TEST_BACKEND, "the test backend")
        self.program = self.box.service("front")
        self.pipe = os.path.join(self.box.sockets, "backend.sock")

    def backend(self, namespace="shared", pipe=None, program=None):
        process = subprocess.Popen([program or self.program], cwd="/", stdin=subprocess.DEVNULL, env=self.box.env(
            RUNNING_PROCESS_BROKER_V1_SERVICE_NAME="front", RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION="1.0.0",
            RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE=pipe or self.pipe,
            RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE=namespace, RUNNING_PROCESS_BROKER_V1_INSTANCE="shared"))
        self.addCleanup(lambda: (process.kill(), process.wait()))
        wait_for(lambda: is_listening(pipe or self.pipe), "the backend")
        return process

    def front(self, *args, pipe=None):
        return self.box.daemon("--serve", self.box.socket, "--service", "front", "--version", "1.0.0",
                               "--backend-endpoint", pipe or self.pipe, "--service-def-dir", self.box.defs, *args)

    def test_negotiated_without_a_launch(self):
        for namespace in ("shared", "clud", "default", "/some/file"):
            backend = self.backend(namespace)
            broker = self.front().ready()
            reply = self.assertNegotiated(say_hello(broker.socket, "front", "1.0.0"), "1.0.0")
            self.assertEqual(reply.backend_pipe, self.pipe)
            self.assertEqual(harness.ask_admin(broker.socket, 1).body,
                             "broker_instance: shared\naccepting_hello: true\n")
            self.assertEqual(harness.proc_children(broker.pid), [])
            broker.stop()
            backend.kill()
            backend.wait()
            if os.path.lexists(self.pipe):
                os.unlink(self.pipe)

    def test_misses_are_not_launched(self):
        self.backend()
        self.box.service("other")
        broker = self.front().ready()
        for service, version in (("other", "1.0.0"),) + 5 * (("front", "1.0.1"),):  # no budget is spent by them
            self.assertRefused(say_hello(broker.socket, service, version), SPAWN_FAILED, "backend is not registered", 1000)
        self.assertRefused(say_hello(broker.socket, "nosuch", "1.0.0"), SERVICE_UNKNOWN)
        self.assertEqual(harness.proc_children(broker.pid), [])
        broker.stop()

    def test_a_bad_client_does_not_end_it(self):
        self.backend()
        broker = self.front().ready()
        for data in (b"", b"\x02", b"\x01\x05\x00\x00\x00ab", harness.frame(b"\xff", payload_protocol=0xAD01)):
            exchange(broker.socket, data, finish=True)
        with harness.Conn(broker.socket):
            pass
        self.assertNegotiated(say_hello(broker.socket, "front", "1.0.0"))
        self.assertEqual(harness.ask_admin(broker.socket, 21).exit_code, 0)
        self.assertEqual(broker.wait(), 0)

    def test_backend_that_dies_is_not_given_out(self):
        backend = self.backend()
        broker = self.front().ready()
        self.assertNegotiated(say_hello(broker.socket, "front", "1.0.0"))
        backend.kill()
        backend.wait()
        wait_for(lambda: not harness.is_negotiated(say_hello(broker.socket, "front", "1.0.0")), "a refusal")
        self.assertRefused(say_hello(broker.socket, "front", "1.0.0"), SPAWN_FAILED, "backend is not registered", 1000)
        broker.stop()

    def test_version_that_the_definition_blocks(self):
        self.backend()
        self.box.definition("front", self.program, min_version="2.0.0")
        daemon = self.front()
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("serve failed: ", daemon.stderr())

    def test_endpoint_that_is_not_what_the_backend_says(self):
        self.backend()
        alias = os.path.join(self.box.sockets, "alias.sock")
        os.link(self.pipe, alias)
        daemon = self.front(pipe=alias)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("serve failed: ", daemon.stderr())


if __name__ == "__main__":
    harness.main()
