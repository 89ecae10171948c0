# SPDX-License-Identifier: MIT
"""The admin verbs over the socket and from the command line: healthz, readyz, status, shutdown, and all the rest."""
import json
import os
import signal
import time

import harness
from harness import ask_admin, pid_alive, say_hello, wait_for

STATUS_KEYS = {"accepting_hello", "backends", "broker_instance", "broker_pid", "command", "connections_open",
               "fd_pressure", "generated_at_unix_ms", "inode_pressure", "schema_version", "uptime_seconds"}
ROW_KEYS = {"backend_pipe", "last_active_unix_ms", "pid", "service_name", "service_version", "state"}


class Verbs(harness.Case):
    def setUp(self):
        super().setUp()
        self.broker = self.box.launch_mode()

    def status(self):
        reply = ask_admin(self.broker.socket, 1, json=True)
        self.assertEqual((reply.kind, reply.content_type, reply.exit_code), (1, "application/json", 0))
        document = json.loads(reply.body)
        # compact and sorted; reals are compared as they stand, since their number of digits is the writer's choice
        again = json.dumps(json.loads(reply.body, parse_float=lambda digits: "@" + digits + "@"), sort_keys=True,
                           separators=(",", ":"), ensure_ascii=False)
        self.assertEqual(reply.body, again.replace('"@', "").replace('@"', ""))
        self.assertTrue(STATUS_KEYS <= set(document), STATUS_KEYS - set(document))
        return document

    def test_status_values(self):
        before = int(time.time() * 1000)
        document = self.status()
        after = int(time.time() * 1000)
        self.assertEqual(document["command"], "status")
        self.assertEqual(document["schema_version"], 1)
        self.assertIs(document["accepting_hello"], True)
        self.assertEqual(document["backends"], [])
        self.assertEqual(document["broker_instance"], "launch")
        if not harness.VALGRIND:
            self.assertEqual(document["broker_pid"], self.broker.pid)
        self.assertEqual(document["connections_open"], 1)
        self.assertEqual(document["fd_pressure"], {"demoted": False})
        self.assertTrue(before - 1 <= document["generated_at_unix_ms"] <= after + 1)
        self.assertIsInstance(document["uptime_seconds"], float)
        later = self.status()
        self.assertGreater(later["uptime_seconds"], document["uptime_seconds"])
        self.broker.stop()

    def test_status_counts_open_connections(self):
        held = [harness.Conn(self.broker.socket) for _ in range(5)]
        wait_for(lambda: self.status()["connections_open"] == 6, "six connections")
        for conn in held:
            conn.close()
        wait_for(lambda: self.status()["connections_open"] == 1, "one connection")
        self.broker.stop()

    def test_inode_pressure(self):
        block = self.status()["inode_pressure"]
        facts = os.statvfs(self.box.home)
        if facts.f_files == 0:
            self.assertEqual(block, {"detail": "inode accounting not applicable on this filesystem", "supported": False})
        else:
            self.assertEqual(set(block), {"inodes_free", "inodes_total", "inodes_used", "supported", "used_ratio"})
            self.assertEqual(block["inodes_total"], facts.f_files)
            self.assertEqual(block["inodes_used"], block["inodes_total"] - block["inodes_free"])
            self.assertAlmostEqual(block["used_ratio"], block["inodes_used"] / block["inodes_total"], 9)
        self.assertFalse(os.path.exists(os.path.join(self.box.home, "state/running-process")), "status created a directory")
        self.broker.stop()

    def test_backend_rows(self):
        harness.need(harness.TEST_BACKEND, "the test backend")
        for name in ("zz", "aa", "mm"):
            self.box.service(name)
            self.assertNegotiated(say_hello(self.broker.socket, name, "2.0.0"))
        reply = self.assertNegotiated(say_hello(self.broker.socket, "aa", "1.0.0"))
        rows = self.status()["backends"]
        self.assertEqual([(r["service_name"], r["service_version"]) for r in rows],
                         [("aa", "1.0.0"), ("aa", "2.0.0"), ("mm", "2.0.0"), ("zz", "2.0.0")])
        for row in rows:
            self.assertTrue(ROW_KEYS <= set(row))
            self.assertEqual(row["state"], "running")
            self.assertTrue(pid_alive(row["pid"]))
            self.assertLess(abs(row["last_active_unix_ms"] - time.time() * 1000), 60000 * harness.SLOW)
        self.assertEqual(rows[0]["backend_pipe"], reply.backend_pipe)
        os.kill(rows[0]["pid"], signal.SIGKILL)
        wait_for(lambda: len([r for r in self.status()["backends"] if r["state"] == "running"]) == 3, "a row less")
        self.broker.stop()

    def test_other_verbs_are_unsupported(self):
        for verb in (0, 11, 20, 22):
            reply = ask_admin(self.broker.socket, verb)
            self.assertEqual((reply.kind, reply.body, reply.exit_code, reply.content_type),
                             (0, "unsupported admin verb\n", 2, "text/plain"))
        self.broker.stop()

    def test_admin_is_not_rate_limited(self):
        for _ in range(400):
            self.assertEqual(ask_admin(self.broker.socket, 4).body, "ok\n")
        self.broker.stop()

    def test_shutdown_by_verb(self):
        with harness.Conn(self.broker.socket) as idle:
            reply = ask_admin(self.broker.socket, 21)
            self.assertEqual((reply.body, reply.exit_code), ("broker shutting down\n", 0))
            self.assertEqual(self.broker.wait(), 0)
            self.assertTrue(idle.is_closed_now())
        self.assertFalse(os.path.lexists(self.broker.socket))
        self.assertTrue(os.path.exists(self.broker.socket + ".lock"), "the lock file is never removed")

    def test_shutdown_ends_a_launch_under_way(self):
        harness.need(harness.TEST_BACKEND, "the test backend")
        program = self.box.service("slow", harness.ACT["never binds"])
        with harness.Conn(self.broker.socket) as waiting:
            waiting.send(harness.hello_frame("slow", "1.0.0"))
            wait_for(lambda: self.box.backend_pids(program), "the child")
            self.assertEqual(ask_admin(self.broker.socket, 21, drain_deadline_ms=5000).exit_code, 0)
            got = harness.parse_hello_reply(waiting.read_all())
            self.assertRefused(got, harness.SHUTTING_DOWN, "broker is shutting down", 1000)
        self.assertEqual(self.broker.wait(), 0)
        wait_for(lambda: not self.box.backend_pids(program), "the half-launched child gone")


class CommandLine(harness.Case):
    def setUp(self):
        super().setUp()
        self.broker = self.box.launch_mode()

    def expect(self, args, stdout, status=0, **env):
        got = self.box.run(*args, env=self.box.env(**env))
        self.assertEqual((got.stdout, got.returncode), (stdout, status), got.stderr)
        return got

    def test_forms(self):
        sock = self.broker.socket
        self.expect(["--socket", sock, "healthz"], "ok\n")
        self.expect(["healthz", "--socket", sock], "ok\n")
        self.expect(["--socket=" + sock, "healthz"], "ok\n")
        self.expect(["healthz"], "ok\n", RUNNING_PROCESS_BROKER_V1_SOCKET=sock)
        self.expect(["--socket", sock, "healthz"], "ok\n", RUNNING_PROCESS_BROKER_V1_SOCKET="/nonexistent/x")
        self.expect(["--socket", sock, "readyz"], "ready\n")
        self.expect(["--socket", sock, "status"], "broker_instance: launch\naccepting_hello: true\n")
        self.broker.stop()

    def test_status_json(self):
        got = self.box.run("--socket", self.broker.socket, "status", "--json")
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertTrue(got.stdout.endswith("}\n"))
        self.assertTrue(STATUS_KEYS <= set(json.loads(got.stdout)))
        self.broker.stop()

    def test_unknown_options_are_usage_errors(self):
        for args in (["healthz", "--bogus"], ["status", "extra"], ["readyz", "--json=1"]):
            got = self.box.run("--socket", self.broker.socket, *args)
            self.assertEqual(got.returncode, 2, (args, got.stdout, got.stderr))
        self.broker.stop()

    def test_json_and_effective_are_known_to_all(self):
        for args in (["healthz", "--json"], ["readyz", "--effective", "--json"], ["status", "--effective"]):
            self.assertEqual(self.box.run("--socket", self.broker.socket, *args).returncode, 0, args)
        self.broker.stop()

    def test_no_broker(self):
        self.broker.stop()
        for args in (["--socket", self.broker.socket, "healthz"], ["--socket", self.broker.socket, "status", "--json"]):
            got = self.box.run(*args)
            self.assertEqual((got.returncode, got.stdout), (1, ""), args)
            self.assertIn(self.broker.socket, got.stderr)
        for command in ("healthz", "readyz", "status"):
            got = self.box.run(command)
            self.assertEqual((got.returncode, got.stdout), (1, ""), command)
            self.assertIn("no broker is running at " + self.box.broker_dir, got.stderr)

    def test_local(self):
        self.broker.stop()
        self.expect(["healthz", "--local"], "ok\n")
        self.expect(["readyz", "--local"], "not ready\n", 1)
        self.expect(["status", "--local"], "broker_instance: local\naccepting_hello: false\n")
        got = self.box.run("status", "--json", "--local")
        document = json.loads(got.stdout)
        self.assertEqual((got.returncode, document["broker_instance"], document["accepting_hello"],
                          document["connections_open"], document["uptime_seconds"]), (0, "local", False, 0, 0.0))

    def test_shutdown(self):
        got = self.box.run("--socket", self.broker.socket, "shutdown", "--deadline-ms", "2000")
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertFalse(os.path.lexists(self.broker.socket))
        self.assertEqual(self.broker.wait(), 0)
        got = self.box.run("--socket", self.broker.socket, "shutdown")
        self.assertEqual(got.returncode, 1)
        self.assertEqual(self.box.run("--socket", self.broker.socket, "shutdown", "--deadline-ms", "soon").returncode, 2)

    def test_canonical_socket_is_the_default(self):
        self.broker.stop()
        path = self.box.run("endpoint").stdout.strip()
        self.assertTrue(path.startswith(self.box.broker_dir + "/rpb-v1-") and path.endswith("-shared.sock"), path)
        daemon = self.box.daemon("serve", socket=path).ready()
        self.expect(["readyz"], "ready\n")
        got = self.box.run("status")
        self.assertEqual(got.stdout, "broker_instance: shared\naccepting_hello: true\n")
        self.assertEqual(self.box.run("shutdown").returncode, 0)
        self.assertEqual(daemon.wait(), 0)


if __name__ == "__main__":
    harness.main()
