# SPDX-License-Identifier: MIT
"""Service definitions as files: which of the three forms is in force, and that every Hello sees the file of its moment.

No test here needs a backend: a definition shows itself in what it refuses. FLOOR(n) blocks every version below n.0.0, so
asking for a version tells which file was read.
"""
import os
import stat
import subprocess

import harness
from google.protobuf import text_format
from harness import SERVICE_UNKNOWN, SPAWN_FAILED, VERSION_BLOCKED, Conn, hello_frame, parse_hello_reply, pb, say_hello

COULD_NOT = "service definition could not be loaded: "
NOT_FOUND = "service definition was not found"


class Definitions(harness.Case):
    def setUp(self):
        super().setUp()
        self.broker = self.box.launch_mode("--hello-rate-limit", "0")
        self.patch = 0

    def tearDown(self):
        self.broker.stop()

    def message(self, floor, service="svc", **fields):
        fields.setdefault("binary_path", "/nonexistent/backend")
        fields.setdefault("per_version_binary_dir", "/nonexistent")
        return pb.ServiceDefinition(service_name=service, isolation=1, min_version="%d.0.0" % floor, **fields)

    def put(self, floor, form, **fields):
        message = self.message(floor, **fields)
        if form == "txtpb":
            data = text_format.MessageToString(message).encode()
        else:
            data = message.SerializeToString()
        return self.box.definition_bytes("svc", data, form)

    def floor(self):
        """The floor in force, found by asking. A fresh patch number each time keeps clear of the spawn budget."""
        self.patch += 1
        for major in range(1, 10):
            reply = say_hello(self.broker.socket, "svc", "%d.0.%d" % (major, self.patch))
            if reply.code == SPAWN_FAILED:
                return major
            self.assertRefused(reply, VERSION_BLOCKED, "wanted_version is below min_version", 30000)
        self.fail("no floor found")

    def assertBroken(self, service="svc"):
        self.assertRefused(say_hello(self.broker.socket, service, "1.0.0"), SERVICE_UNKNOWN, prefix=COULD_NOT, retry=0)

    def assertMissing(self, service="svc"):
        self.assertRefused(say_hello(self.broker.socket, service, "1.0.0"), SERVICE_UNKNOWN, NOT_FOUND, 0)

    # ------------------------------------------------------------------ forms and their order
    def test_each_form_alone(self):
        for number, form in enumerate(("servicedef", "servicedef.v2", "txtpb"), 2):
            path = self.put(number, form)
            self.assertEqual(self.floor(), number, form)
            os.unlink(path)
            self.assertMissing()

    def test_order_of_the_three(self):
        first = self.put(4, "servicedef")
        self.assertEqual(self.floor(), 4)
        second = self.put(3, "servicedef.v2")
        self.assertEqual(self.floor(), 3)
        third = self.put(2, "txtpb")
        self.assertEqual(self.floor(), 2)
        os.unlink(third)
        self.assertEqual(self.floor(), 3)
        os.unlink(second)
        self.assertEqual(self.floor(), 4)
        os.unlink(first)
        self.assertMissing()

    def test_a_broken_file_in_force_is_not_skipped(self):
        self.put(4, "servicedef")
        for form, data in (("txtpb", b"service_name = 'svc'\n"), ("servicedef.v2", b"\xff\xff")):
            path = self.box.definition_bytes("svc", data, form)
            self.assertBroken()
            os.unlink(path)
            self.assertEqual(self.floor(), 4)

    def test_a_difference_below_the_one_in_force_is_no_error(self):
        self.put(2, "txtpb")
        self.box.definition_bytes("svc", b"\xff\xff", "servicedef")
        self.assertEqual(self.floor(), 2)

    def test_text_as_a_person_writes_it(self):
        self.box.definition_bytes("svc", b"""# what people write
            service_name: "s" 'vc'   binary_path:"/nonexistent/backend";
            isolation: SHARED_BROKER,
            per_version_binary_dir: "/none\\x78istent"
            min_version: '3.0.0'
            version_allow_list: ["3.0.1", "4.0.0"]
            labels { key: "a" value: "b" } labels: < key: "c" >
            """, "txtpb")
        self.assertRefused(say_hello(self.broker.socket, "svc", "2.0.0"), VERSION_BLOCKED,
                           "wanted_version is below min_version", 30000)
        self.assertRefused(say_hello(self.broker.socket, "svc", "3.0.0"), VERSION_BLOCKED,
                           "wanted_version is not in version_allow_list", 30000)
        self.assertRefused(say_hello(self.broker.socket, "svc", "3.0.1"), SPAWN_FAILED, retry=1000)

    def test_unknown_fields_are_skipped_in_binaries(self):
        data = self.message(5).SerializeToString() + b"\x52\x03abc" + b"\xa8\x01\x01" + b"\x32\x056.0.0"
        for form in ("servicedef", "servicedef.v2"):
            path = self.box.definition_bytes("svc", data, form)
            self.assertEqual(self.floor(), 6, form)  # and of a scalar written twice the last counts
            os.unlink(path)

    # ------------------------------------------------------------------ freshness
    def test_every_hello_sees_the_file_of_its_moment(self):
        for number in range(40):
            self.put(2 + number % 5, "servicedef")
            self.assertEqual(say_hello(self.broker.socket, "svc", "%d.99.%d" % (1 + number % 5, number)).code,
                             VERSION_BLOCKED)
            self.assertEqual(say_hello(self.broker.socket, "svc", "%d.99.%d" % (2 + number % 5, number)).code,
                             SPAWN_FAILED)

    def test_written_between_connect_and_hello(self):
        self.put(1, "servicedef")
        self.assertEqual(self.floor(), 1)
        with Conn(self.broker.socket) as conn:
            request = hello_frame("svc", "1.5.0")
            conn.send(request[:7])
            self.put(2, "servicedef")
            conn.send(request[7:])
            self.assertRefused(parse_hello_reply(conn.read_all()), VERSION_BLOCKED)

    def test_rewritten_in_place_with_the_same_size_and_mtime(self):
        path = self.put(2, "servicedef")
        self.assertEqual(self.floor(), 2)
        before = os.stat(path)
        data = self.message(7).SerializeToString()
        self.assertEqual(len(data), before.st_size)

        def rewrite():
            with open(path, "r+b") as out:
                out.write(data)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            return os.stat(path).st_ctime_ns != before.st_ctime_ns
        harness.wait_for(rewrite, "another change time")
        self.assertEqual(self.floor(), 7)

    def test_a_binary_that_is_just_being_written_is_read_again(self):
        # its writer truncates and writes in place; a Hello in between waits a moment instead of being refused
        data = self.message(2).SerializeToString()
        path = self.put(2, "servicedef")
        for attempt in range(1000):    # each of them late, if this machine is so slow that we are not done in that moment
            with Conn(self.broker.socket) as conn:
                with open(path, "wb", buffering=0) as out:
                    out.write(data[:len(data) - 3])
                    conn.send(hello_frame("svc", "1.0.%d" % attempt))
                    harness.wait_for(lambda: not conn.unread(), "the request to be read")
                    out.write(data[len(data) - 3:])
                if parse_hello_reply(conn.read_all()).code == VERSION_BLOCKED:
                    return
        self.fail("a file was judged while it was being written")

    def test_a_binary_that_stays_broken_is_refused_soon(self):
        self.box.definition_bytes("svc", b"\x0a\x50abc")
        self.assertBroken()

    # ------------------------------------------------------------------ the files themselves
    def test_what_is_no_definition_file(self):
        path = os.path.join(self.box.defs, "svc.servicedef")
        real = os.path.join(self.box.home, "elsewhere")
        with open(real, "wb") as out:
            out.write(self.message(1).SerializeToString())
        os.symlink(real, path)
        self.assertBroken()
        os.unlink(path)
        os.mkfifo(path, 0o600)
        self.assertBroken()
        os.unlink(path)
        os.mkdir(path, 0o700)
        self.assertBroken()
        os.rmdir(path)
        with open(path, "wb") as out:
            out.write(self.message(1, labels={"pad": "x" * 70000}).SerializeToString())
        self.assertBroken()
        os.unlink(path)
        self.assertMissing()

    def test_the_mode_of_a_file_does_not_matter(self):
        path = self.put(3, "servicedef")
        for mode in (0o600, 0o644, 0o666, 0o777):
            os.chmod(path, mode)
            self.assertEqual(self.floor(), 3, oct(mode))

    def test_a_file_of_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give a file away")
        path = self.put(3, "servicedef")
        os.chown(path, 65534, 65534)
        self.assertBroken()

    def test_lax_directory(self):
        self.put(3, "servicedef")
        for mode in (0o755, 0o770, 0o701, 0o777):
            os.chmod(self.box.defs, mode)
            self.assertBroken()
            self.assertEqual(stat.S_IMODE(os.stat(self.box.defs).st_mode), mode, "a reader repaired the directory")
        os.chmod(self.box.defs, 0o700)
        self.assertEqual(self.floor(), 3)

    def test_directory_that_comes_and_goes(self):
        away = os.path.join(self.box.dir, "away")
        os.rename(self.box.defs, away)
        self.assertMissing()
        os.mkdir(self.box.defs, 0o700)
        self.assertMissing()
        self.put(4, "servicedef")
        self.assertEqual(self.floor(), 4)
        os.unlink(os.path.join(self.box.defs, "svc.servicedef"))
        os.rmdir(self.box.defs)
        os.rename(away, self.box.defs)
        self.assertMissing()

    def test_details_name_what_is_wrong(self):
        cases = {
            "relative": (dict(binary_path="bin/x"), "must be absolute"),
            "root": (dict(per_version_binary_dir="bin"), "must be absolute"),
            "nopath": (dict(binary_path=""), "must not be empty"),
        }
        for service, (fields, words) in cases.items():
            self.box.definition_bytes(service, self.message(1, service, **fields).SerializeToString())
            reply = say_hello(self.broker.socket, service, "1.0.0")
            self.assertRefused(reply, SERVICE_UNKNOWN, prefix=COULD_NOT)
            self.assertIn(words, reply.reason)
        self.box.definition_bytes("text", b'service_name: "text"\nbinary_pth: "/x"\n', "txtpb")
        reason = say_hello(self.broker.socket, "text", "1.0.0").reason
        self.assertTrue(reason.startswith(COULD_NOT), reason)
        self.assertIn("2:1", reason)

    def test_what_protoc_writes(self):
        text = 'service_name: "svc" binary_path: "/nonexistent/x" isolation: SHARED_BROKER min_version: "8.0.0"\n' \
               'per_version_binary_dir: "/nonexistent" labels { key: "k" value: "v" }\n'
        encoded = subprocess.run(["protoc", "--encode=running_process.broker.v1.ServiceDefinition", "--proto_path=" +
                                  os.path.join(harness.TOP, "proto"), "broker_v1_service_def.proto"],
                                 input=text.encode(), capture_output=True, check=True).stdout
        self.box.definition_bytes("svc", encoded)
        self.assertEqual(self.floor(), 8)


if __name__ == "__main__":
    harness.main()
