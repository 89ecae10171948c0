# SPDX-License-Identifier: MIT
"""The command line as people and scripts meet it: words, exit statuses, `hello`, `endpoint`, `servicedef …`."""
import hashlib
import json
import os
import socket
import stat
import subprocess

import harness
from google.protobuf import text_format
from harness import pb


class Usage(harness.Case):
    def check(self, args, status, stdout=None, stderr=None, **env):
        got = self.box.run(*args, env=self.box.env(**env))
        self.assertEqual(got.returncode, status, (args, got.stdout, got.stderr))
        if stdout is not None:
            self.assertRegex(got.stdout, stdout)
        if stderr is not None:
            self.assertIn(stderr, got.stderr)
        return got

    def test_version_and_help(self):
        for flag in ("--version", "-V"):
            self.check([flag], 0, r"\Arunning-process-broker-v1 \d+\.\d+\.\d+\S*\n\Z")
        for flag in ("--help", "-h"):
            self.check([flag], 0, "serve")

    def test_usage_errors(self):
        self.check([], 2, "serve", "no broker command provided")
        self.check(["--bogus"], 2, "serve", 'unsupported argument "--bogus"')
        self.check(["bogus"], 2, "serve", 'unsupported argument "bogus"')
        self.check(["--socket"], 2, None, "--socket requires a socket path or pipe name")
        self.check(["status", "--socket", ""], 2, None, "--socket requires a non-empty socket path or pipe name")
        self.check(["--socket", "/a", "status", "--socket", "/b"], 2, None, "--socket may only be provided once")
        self.check(["--help", "--socket"], 2, None, "--socket requires a socket path or pipe name")
        self.check(["--serve"], 2, None, "--serve requires a socket path or pipe name")
        self.check(["--serve-once"], 2, None, "--serve-once requires a socket path or pipe name")
        self.check(["--serve-launch"], 2, None, "--serve-launch requires a socket path or pipe name")
        sock = self.box.socket
        self.check(["--serve", sock], 2, None, "--service is required for --serve")
        self.check(["--serve", sock, "--service", "a"], 2, None, "--version is required for --serve")
        self.check(["--serve", sock, "--service", "a", "--version", "1.0.0"], 2, None,
                   "--backend-endpoint is required for --serve")
        self.check(["--serve-launch", sock, "--max-connections", "x"], 2, None,
                   '--max-connections must be a positive integer, got "x"')
        self.check(["--serve-launch", sock, "--max-connections", "0"], 2, None,
                   "--max-connections must be greater than zero")
        self.check(["--serve-launch", sock, "--bogus"], 2)
        self.check(["--serve-launch", sock, "--service-def-dir", "--max-connections"], 2)
        self.check(["--serve-launch", sock, "--instance", "nonsense"], 2)
        self.check(["--serve-launch", sock, "--hello-rate-limit", "-1"], 2)
        self.assertFalse(os.path.lexists(sock))

    def test_arguments_that_are_no_text(self):
        got = subprocess.run([harness.DAEMON, b"\xff\xfe"], env=self.box.env(), capture_output=True)
        self.assertEqual(got.returncode, 2)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            got = subprocess.run([harness.DAEMON, "--version"], env=self.box.env(), stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(got.returncode, 1)

    def test_root_is_refused_in_serve_modes_only(self):
        if os.geteuid() != 0:
            self.skipTest("only root can be refused")
        for value in (None, "", "0", "yes", "11"):
            env = dict(RUNNING_PROCESS_BROKER_ALLOW_PRIVILEGED=value)
            for args in (["serve"], ["--serve-launch", self.box.socket], ["--serve-once", self.box.socket]):
                self.check(args, 1, None, "refuses to run as root (effective uid 0) by default", **env)
            self.check(["--version"], 0, **env)
        self.assertFalse(os.path.lexists(self.box.socket))

    def test_endpoint(self):
        with open("/etc/machine-id") if os.path.exists("/etc/machine-id") else open("/dev/null") as text:
            machine = text.read().strip()
        if not machine:
            with open("/proc/sys/kernel/random/boot_id") as text:
                machine = "boot:" + text.read().strip()
        try:
            summed = subprocess.run(["b3sum", "--no-names"], input=("%d:%s" % (os.getuid(), machine)).encode(),
                                    capture_output=True, check=True).stdout.decode()[:16]
        except FileNotFoundError:
            self.skipTest("b3sum is not installed")
        base = self.box.broker_dir + "/rpb-v1-" + summed
        for args, leaf in (([], "-shared"), (["--instance", "shared"], "-shared"),
                           (["--instance", "private:zccache"], "-svc-zccache"),
                           (["--instance", "explicit:ci-trusted"], "-inst-ci-trusted")):
            got = self.check(["endpoint"] + args, 0)
            self.assertEqual(got.stdout, base + leaf + ".sock\n")
        self.assertFalse(os.path.exists(self.box.broker_dir), "a derivation created something")
        got = self.check(["endpoint"], 0, XDG_RUNTIME_DIR=None)
        self.assertEqual(got.stdout, "/tmp/running-process-%d/broker/rpb-v1-%s-shared.sock\n" % (os.getuid(), summed))
        self.assertEqual(self.check(["endpoint"], 0, XDG_RUNTIME_DIR="").stdout, got.stdout)
        self.check(["endpoint"], 1, XDG_RUNTIME_DIR="relative/dir")
        self.check(["endpoint", "--instance", "private:BAD"], 2)
        self.check(["endpoint"], 1, None, "107", XDG_RUNTIME_DIR="/tmp/" + "x" * 90)


class Elsewhere(harness.Case):
    def test_a_socket_of_another_user(self):
        """Nothing is said to whoever made a socket that is not of this user's broker."""
        if os.geteuid() != 0:
            self.skipTest("only root can listen as somebody else")
        path = os.path.join(self.box.dir, "theirs.sock")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.seteuid(65534)
            try:
                listener.listen()
            finally:
                os.seteuid(0)
            for args in (["status"], ["shutdown"], ["hello", "svc", "1.0.0"]):
                got = self.box.run("--socket", path, *args)
                self.assertEqual((got.returncode, got.stdout), (1, ""))
                self.assertIn("uid 65534 listens there, and a broker serves its own user only: this is uid 0", got.stderr)
                connection, _ = listener.accept()
                with connection:
                    self.assertEqual(connection.recv(1), b"")


class HelloCommand(harness.Case):
    def test_refused(self):
        broker = self.box.launch_mode()
        got = self.box.run("--socket", broker.socket, "hello", "nosuch", "1.0.0")
        self.assertEqual(got.returncode, 1, got.stderr)
        self.assertIn("service definition was not found", got.stdout + got.stderr)
        got = self.box.run("--socket", broker.socket, "hello", "nosuch", "1.0.0", "--json")
        document = json.loads(got.stdout)
        self.assertEqual((got.returncode, document["result"], document["code"], document["reason"]),
                         (1, "refused", document["code"], "service definition was not found"))
        self.assertIn(document["code"], (2, "ERROR_SERVICE_UNKNOWN"))
        for args in ([], ["a"], ["a", "1.0.0", "extra"], ["a", "1.0.0", "--bogus"]):
            self.assertEqual(self.box.run("--socket", broker.socket, "hello", *args).returncode, 2, args)
        broker.stop()
        self.assertEqual(self.box.run("--socket", broker.socket, "hello", "a", "1.0.0").returncode, 1)

    def test_negotiated(self):
        harness.need(harness.TEST_BACKEND, "the test backend")
        self.box.service("greeter")
        broker = self.box.launch_mode()
        got = self.box.run("--socket", broker.socket, "hello", "greeter", "1.2.3")
        self.assertEqual(got.returncode, 0, got.stderr)
        got = self.box.run("hello", "greeter", "1.2.3", "--json",
                           env=self.box.env(RUNNING_PROCESS_BROKER_V1_SOCKET=broker.socket))
        document = json.loads(got.stdout)
        self.assertEqual((got.returncode, document["result"], document["daemon_version"], document["connection_id"],
                          document["negotiated_protocol"]), (0, "negotiated", "1.2.3", 2, 1))
        self.assertEqual(harness.probe(document["backend_pipe"]).pid, self.box.backend_pids()[0])
        broker.stop()

    def test_the_page_long_client(self):
        harness.need(harness.RAW_CLIENT, "the example client")
        broker = self.box.launch_mode()
        got = self.box.run(broker.socket, "nosuch", "1.0.0", program=harness.RAW_CLIENT)
        self.assertEqual((got.returncode, got.stdout), (1, "refused: service definition was not found (code 2)\n"))
        if os.access(harness.TEST_BACKEND, os.X_OK):
            self.box.service("greeter")
            got = self.box.run(broker.socket, "greeter", "1.0.0", program=harness.RAW_CLIENT)
            self.assertEqual(got.returncode, 0, got.stderr)
            self.assertRegex(got.stdout, r"^negotiated: 1\.0\.0 at /\S+\.sock\n$")
        broker.stop()
        got = self.box.run(broker.socket, "nosuch", "1.0.0", program=harness.RAW_CLIENT)
        self.assertEqual(got.returncode, 2)


TEXT = """# the builder
service_name: "svc"
binary_path: "/opt/svc/bin/svc"   # where it is
isolation: SHARED_BROKER
per_version_binary_dir: "/opt/svc"
min_version: "1.2.0"
version_allow_list: ["1.2.0", "1.3.0"]
labels { key: "b" value: "2" }
labels { key: "a" value: "1" }
"""


class Servicedef(harness.Case):
    def sd(self, *args, **kw):
        return self.box.run("servicedef", *args, **kw)

    def file(self, name, data):
        path = os.path.join(self.box.home, name)
        with open(path, "wb") as out:
            out.write(data if isinstance(data, bytes) else data.encode())
        return path

    def ok(self, got):
        self.assertEqual(got.returncode, 0, got.stderr + got.stdout)
        return got

    def test_install(self):
        fresh = os.path.join(self.box.dir, "fresh/services")
        got = self.ok(self.sd("install", "--service", "svc", "--binary-path", "/opt/svc/bin/svc", "--isolation", "shared",
                              "--per-version-binary-dir", "/opt/svc", "--min-version", "1.2.0", "--allow-version",
                              "1.2.0", "--allow-version", "1.3.0", "--label", "a=1", "--service-def-dir", fresh, "--json"))
        path = fresh + "/svc.servicedef"
        self.assertEqual(got.stdout, json.dumps({"dir": fresh, "dir_source": "flag:--service-def-dir", "path": path,
                                                 "service_name": "svc"}, separators=(",", ":"), sort_keys=True) + "\n")
        with open(path, "rb") as data:
            message = pb.ServiceDefinition.FromString(data.read())
        self.assertEqual(message, pb.ServiceDefinition(
            service_name="svc", binary_path="/opt/svc/bin/svc", isolation=1, per_version_binary_dir="/opt/svc",
            min_version="1.2.0", version_allow_list=["1.2.0", "1.3.0"], labels={"a": "1"}))
        self.assertEqual(stat.S_IMODE(os.stat(fresh).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(os.listdir(fresh), ["svc.servicedef"], "something was left behind")
        got = self.ok(self.sd("install", "--service", "other", "--binary-path", "/opt/x"))
        self.assertEqual(got.stdout, "installed %s/other.servicedef (service-definition dir source: "
                         "env:RUNNING_PROCESS_SERVICE_DEF_DIR)\n" % self.box.defs)
        os.chmod(self.box.defs, 0o755)
        self.ok(self.sd("install", "--service", "again", "--binary-path", "/opt/x"))
        self.assertEqual(stat.S_IMODE(os.stat(self.box.defs).st_mode), 0o700, "install repairs a lax directory")
        got = self.ok(self.sd("install", "--service", "svc", "--binary-path", "/opt/x",
                              env=self.box.env(RUNNING_PROCESS_SERVICE_DEF_DIR=None)))
        self.assertIn("(service-definition dir source: platform-default)", got.stdout)
        self.assertTrue(os.path.exists(os.path.join(self.box.home, "config/running-process/services/svc.servicedef")))

    def test_install_refusals(self):
        def check(status, words, *args):
            got = self.sd("install", *args)
            self.assertEqual(got.returncode, status, (args, got.stderr))
            self.assertIn(words, got.stderr)
        check(2, "--service is required")
        check(2, "--binary-path is required", "--service", "svc")
        check(2, '--isolation must be private, shared, or explicit; got "x"', "--service", "svc", "--binary-path", "/x",
              "--isolation", "x")
        base = ["--service", "svc", "--binary-path"]
        check(1, "must be absolute", *base, "relative")
        check(1, "servicedef install failed: ", *base, "/x", "--min-version", "1.0")
        check(1, "servicedef install failed: ", *base, "/x", "--allow-version", "v1.0.0")
        check(1, "servicedef install failed: ", *base, "/x", "--isolation", "explicit")
        check(1, "servicedef install failed: ", *base, "/x", "--explicit-instance", "ci")
        check(1, "servicedef install failed: ", "--service", "Bad", "--binary-path", "/x")
        self.assertEqual(os.listdir(self.box.defs), [])
        for args in ([], ["bogus"]):
            self.assertEqual(self.sd(*args).returncode, 2)
        self.assertEqual(self.sd("--help").returncode, 0)

    def test_check(self):
        good = self.file("svc.txtpb", TEXT)
        binary = self.file("svc.servicedef", pb.ServiceDefinition(service_name="svc", binary_path="/x").SerializeToString())
        got = self.ok(self.sd("check", good, binary))
        self.assertEqual((got.stdout, got.stderr), ("", ""))
        bad = self.file("bad.txtpb", 'service_name: "bad"\nbinary_pth: "/x"\nisolation: SHARED\nmin_version: "1.0.0\n')
        got = self.sd("check", bad)
        self.assertEqual(got.returncode, 1)
        for words in ("bad.txtpb:2:1", "binary_path", "bad.txtpb:3:12", "SHARED_BROKER", "bad.txtpb:4:14", "^"):
            self.assertIn(words, got.stderr)
        self.assertEqual(self.sd("check", good, bad).returncode, 1)
        self.assertEqual(self.sd("check", self.box.home + "/nosuch.txtpb").returncode, 1)
        self.assertEqual(self.sd("check").returncode, 2)
        wrong_name = self.file("other.txtpb", TEXT)
        self.assertEqual(self.sd("check", wrong_name).returncode, 1)

    def test_compile_means_what_protoc_says(self):
        source = self.file("svc.txtpb", TEXT)
        self.ok(self.sd("compile", source))
        with open(os.path.join(self.box.home, "svc.servicedef"), "rb") as data:
            ours = data.read()
        theirs = subprocess.run(["protoc", "--encode=running_process.broker.v1.ServiceDefinition", "--proto_path=" +
                                 os.path.join(harness.TOP, "proto"), "broker_v1_service_def.proto"],
                                input=TEXT.encode(), capture_output=True, check=True).stdout
        message = pb.ServiceDefinition.FromString(theirs)
        self.assertEqual(pb.ServiceDefinition.FromString(ours), message)
        self.assertEqual(ours, message.SerializeToString(deterministic=True), "canonical: labels sorted by key")
        out = os.path.join(self.box.home, "out.bin")
        self.ok(self.sd("compile", source, "--output", out))
        with open(out, "rb") as data:
            self.assertEqual(data.read(), ours)
        got = subprocess.run([harness.DAEMON, "servicedef", "compile", source, "--output", "-"], env=self.box.env(),
                             capture_output=True)
        self.assertEqual((got.returncode, got.stdout), (0, ours))
        got = subprocess.run([harness.DAEMON, "servicedef", "compile", "-", "--output", "-"], env=self.box.env(),
                             capture_output=True, input=TEXT.encode())
        self.assertEqual((got.returncode, got.stdout), (0, ours))

    def test_show(self):
        source = self.file("svc.txtpb", TEXT)
        want = text_format.Parse(TEXT, pb.ServiceDefinition())
        self.assertEqual(text_format.Parse(self.ok(self.sd("show", source)).stdout, pb.ServiceDefinition()), want)
        document = json.loads(self.ok(self.sd("show", source, "--json")).stdout)
        self.assertEqual((document["service_name"], document["version_allow_list"], document["labels"]),
                         ("svc", ["1.2.0", "1.3.0"], {"a": "1", "b": "2"}))
        self.box.definition_bytes("svc", want.SerializeToString())
        got = self.ok(self.sd("show", "svc", "--service-def-dir", self.box.defs))
        self.assertEqual(text_format.Parse(got.stdout, pb.ServiceDefinition()), want)
        self.assertEqual(self.sd("show", "nosuch").returncode, 1)

    def test_fmt(self):
        source = self.file("svc.txtpb", TEXT)
        first = self.ok(self.sd("fmt", source)).stdout
        self.assertEqual(text_format.Parse(first, pb.ServiceDefinition()), text_format.Parse(TEXT, pb.ServiceDefinition()))
        self.assertIn("# the builder", first)
        self.assertIn("# where it is", first)
        digest = hashlib.sha256(first.encode()).hexdigest()
        if first != TEXT:
            self.assertEqual(self.sd("fmt", source, "--check").returncode, 1)
        self.ok(self.sd("fmt", source, "--write"))
        with open(source, "rb") as data:
            self.assertEqual(hashlib.sha256(data.read()).hexdigest(), digest)
        self.ok(self.sd("fmt", source, "--check"))
        self.assertEqual(self.ok(self.sd("fmt", source)).stdout, first, "formatting twice changes nothing")
        self.assertEqual(self.sd("fmt", self.file("bad.txtpb", "x")).returncode, 1)

    def test_list(self):
        self.assertEqual(self.ok(self.sd("list")).returncode, 0)
        self.box.definition_bytes("svc", TEXT.encode(), "txtpb")
        self.box.definition("svc", "/other", min_version="9.0.0")
        self.box.definition("zz", "/zz")
        text = self.ok(self.sd("list")).stdout
        for words in ("svc", "svc.txtpb", "zz", "zz.servicedef", "min_version"):
            self.assertIn(words, text)
        json.loads(self.ok(self.sd("list", "--json")).stdout)


if __name__ == "__main__":
    harness.main()
