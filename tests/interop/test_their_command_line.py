# SPDX-License-Identifier: MIT
"""The reference implementation's command line pointed at our daemon, and ours at theirs."""
import json

import reference
from reference import harness


class TheirCommands(harness.Case):
    def setUp(self):
        super().setUp()
        reference.need()
        self.path = self.box.run("endpoint").stdout.strip()
        self.broker = self.box.daemon("serve", socket=self.path).ready()

    def tearDown(self):
        self.broker.stop()

    def theirs(self, *args, socket=True):
        return self.box.run(*(["--socket", self.path] if socket else []), *args, program=reference.BROKER)

    def test_healthz_and_readyz(self):
        for command, body in (("healthz", "ok\n"), ("readyz", "ready\n")):
            got = self.theirs(command)
            self.assertEqual((got.returncode, got.stdout), (0, body), got.stderr)

    def test_status(self):
        got = self.theirs("status")
        self.assertEqual((got.returncode, got.stdout), (0, "broker_instance: shared\naccepting_hello: true\n"))
        got = self.theirs("status", "--json")
        ours = json.loads(got.stdout)
        self.assertEqual(ours["broker_pid"], self.broker.pid)
        local = json.loads(self.theirs("status", "--json", socket=False).stdout)
        self.assertEqual(set(local), set(ours) & set(local), "a key of theirs is missing")
        for key, value in local.items():
            kinds = (int, float) if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)
            self.assertIsInstance(ours[key], kinds, key)

    def test_other_verbs_are_told_apart(self):
        for command in (["dump", "--json"], ["metrics"]):
            got = self.theirs(*command)
            self.assertIn(got.returncode, (0, 2), got.stderr)
            if got.returncode == 2:
                self.assertEqual(got.stdout, "unsupported admin verb\n")

    def test_doctor(self):
        """Their doctor finds our broker by the derived name and has nothing to object."""
        self.box.definition("svc", "/usr/bin/true", per_version_binary_dir="/usr/bin")
        got = self.theirs("doctor", "--json", socket=False)
        document = json.loads(got.stdout)
        checks = {check["check"]: check for check in document["checks"]}
        self.assertEqual([c for c in document["checks"] if c["status"] == "FAIL"], [])
        self.assertEqual((got.returncode, checks["broker:endpoint"]["status"]), (0, "PASS"), checks["broker:endpoint"])
        self.assertEqual(checks["servicedef:dir"]["status"], "PASS")
        self.assertEqual(checks["servicedef:svc.servicedef"]["status"], "PASS")
        self.assertEqual(harness.ask_admin(self.path, 4).body, "ok\n", "its sweep of the sockets did no harm")

    def test_a_definition_that_they_installed(self):
        got = self.box.run("servicedef", "install", "--service", "svc", "--binary-path", "/nonexistent/x",
                           "--per-version-binary-dir", "/nonexistent", "--isolation", "shared", "--min-version", "3.0.0",
                           "--service-def-dir", self.box.defs, program=reference.BROKER)
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertRefused(harness.say_hello(self.path, "svc", "1.0.0"), harness.VERSION_BLOCKED)

    def test_a_definition_that_we_compiled(self):
        source = self.box.home + "/svc.txtpb"
        with open(source, "w") as out:
            out.write('service_name: "svc"\nbinary_path: "/usr/bin/true"\nisolation: SHARED_BROKER\n'
                      'labels { key: "b" }\nlabels { key: "a" value: "x" }\n')
        got = self.box.run("servicedef", "compile", source, "--output", self.box.defs + "/svc.servicedef")
        self.assertEqual(got.returncode, 0, got.stderr)
        document = json.loads(self.theirs("doctor", "--json", "--service-def-dir", self.box.defs).stdout)
        checks = {check["check"]: check["status"] for check in document["checks"]}
        self.assertEqual(checks["servicedef:svc.servicedef"], "PASS")


class OurCommands(harness.Case):
    def test_ours_at_theirs(self):
        reference.need()
        broker = self.box.launch_mode(program=reference.BROKER)
        for args, body in ((["healthz"], "ok\n"), (["readyz"], "ready\n"),
                           (["status"], "broker_instance: launch\naccepting_hello: true\n")):
            got = self.box.run("--socket", broker.socket, *args)
            self.assertEqual((got.returncode, got.stdout), (0, body), got.stderr)
        got = self.box.run("--socket", broker.socket, "hello", "nosuch", "1.0.0")
        self.assertEqual(got.returncode, 1)
        got = self.box.run("--socket", broker.socket, "shutdown")
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertEqual(broker.wait(), 0)


if __name__ == "__main__":
    harness.main()
