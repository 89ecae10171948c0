# SPDX-License-Identifier: MIT
"""The reference implementation's own backend program, unchanged, launched and fronted by our broker."""
import os
import stat
import struct
import subprocess

import reference
from reference import harness
from harness import frame, is_listening, parse_frame, say_hello, wait_for

PID_LANE = 0xF824    # the program answers every frame on this lane with its pid


def ask_pid(pipe):
    """One request of its own protocol on a fresh connection."""
    with harness.Conn(pipe) as conn:
        conn.send(frame(b"", payload_protocol=PID_LANE))
        got = parse_frame(conn.read_all())
    return struct.unpack(">I", got.payload)[0]


class TheirBackend(harness.Case):
    def setUp(self):
        super().setUp()
        reference.need()
        harness.need(reference.BACKEND, "the reference's test backend")
        self.program = self.box.service("theirs", source=reference.BACKEND)

    def negotiate(self, broker, version="1.0.0"):
        return self.assertNegotiated(say_hello(broker.socket, "theirs", version), version)

    def test_launched_and_called(self):
        broker = self.box.launch_mode()
        reply = self.negotiate(broker)
        pid = self.box.backend_pids(self.program)[0]
        named = harness.probe(reply.backend_pipe)
        self.assertEqual((named.pid, named.exe_path, named.ipc_endpoint.namespace_id, named.ipc_endpoint.path),
                         (pid, self.program, "shared", reply.backend_pipe))
        self.assertEqual(ask_pid(reply.backend_pipe), pid)
        self.assertEqual(self.negotiate(broker).backend_pipe, reply.backend_pipe)
        broker.stop()
        self.assertEqual(ask_pid(reply.backend_pipe), pid, "it outlives the broker")

    def test_two_versions_side_by_side(self):
        broker = self.box.launch_mode()
        pipes = {version: self.negotiate(broker, version).backend_pipe for version in ("1.0.0", "2.0.0")}
        pids = {ask_pid(pipe) for pipe in pipes.values()}
        self.assertEqual(pids, set(self.box.backend_pids(self.program)))
        self.assertEqual(len(pids), 2)
        broker.stop()

    def test_killed_and_replaced(self):
        broker = self.box.launch_mode()
        first = self.negotiate(broker)
        old = ask_pid(first.backend_pipe)
        self.assertEqual(self.box.kill_backends(self.program), [old])
        second = self.negotiate(broker)
        new = ask_pid(second.backend_pipe)
        self.assertNotEqual((old, first.backend_pipe), (new, second.backend_pipe))
        wait_for(lambda: broker.zombies() == [], "no zombie")
        broker.stop()

    def test_many_at_once(self):
        broker = self.box.launch_mode()
        conns = [harness.Conn(broker.socket).send(harness.hello_frame("theirs", "1.0.0")) for _ in range(32)]
        pipes = {self.assertNegotiated(harness.parse_hello_reply(conn.read_all())).backend_pipe for conn in conns}
        self.assertEqual(len(pipes), 1)
        self.assertEqual(len(self.box.backend_pids(self.program)), 1)
        for conn in conns:
            conn.close()
        broker.stop()

    def test_its_runtime_directory_of_another_mode(self):
        """Their components make running-process/ with the umask's mode; we live with it (spec 03 §15.5)."""
        os.mkdir(os.path.join(self.box.runtime, "running-process"), 0o755)
        broker = self.box.launch_mode()
        self.negotiate(broker)
        self.assertEqual(stat.S_IMODE(os.stat(self.box.runtime + "/running-process").st_mode), 0o755)
        broker.stop()

    def test_without_the_inherited_listener(self):
        """It then binds for itself, as every backend in the field does."""
        broker = self.box.launch_mode(env=self.box.env(RUNNING_PROCESS_BROKER_OWNED_BIND="0"))
        self.assertEqual(ask_pid(self.negotiate(broker).backend_pipe), self.box.backend_pids(self.program)[0])
        broker.stop()

    def test_fronted(self):
        pipe = os.path.join(self.box.sockets, "theirs.sock")
        backend = subprocess.Popen([self.program], env=self.box.env(
            RUNNING_PROCESS_BROKER_V1_SERVICE_NAME="theirs", RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION="1.0.0",
            RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE=pipe, RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE="shared",
            RUNNING_PROCESS_BROKER_V1_INSTANCE="shared"), stdin=subprocess.DEVNULL)
        try:
            wait_for(lambda: is_listening(pipe), "the backend")
            broker = self.box.daemon("--serve", self.box.socket, "--service", "theirs", "--version", "1.0.0",
                                     "--backend-endpoint", pipe, "--service-def-dir", self.box.defs).ready()
            self.assertEqual(self.negotiate(broker).backend_pipe, pipe)
            self.assertEqual(ask_pid(pipe), backend.pid)
            self.assertEqual(harness.proc_children(broker.pid), [])
            broker.stop()
            self.assertIsNone(backend.poll())
        finally:
            backend.kill()
            backend.wait()


class LateBinder(harness.Case):
    """What published backends do with the inherited listener: nothing; they unlink and bind, seconds later (12a)."""

    def test_two_seconds_late(self):
        reference.need()
        harness.need(harness.TEST_BACKEND, "the test backend")
        program = self.box.service("late", harness.ACT["binds itself after 2 s"])
        broker = self.box.launch_mode()
        reply = self.assertNegotiated(say_hello(broker.socket, "late", "1.0.0"))
        self.assertEqual(harness.probe(reply.backend_pipe).pid, self.box.backend_pids(program)[0])
        broker.stop()


if __name__ == "__main__":
    harness.main()
