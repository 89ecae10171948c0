# SPDX-License-Identifier: MIT
"""Launching backends: what the child is given, who waits for it, how it fails, and what is left afterwards."""
import fcntl
import json
import os
import shutil
import signal
import stat
import threading
import time

import harness
from harness import (ACT, RATE_LIMITED, SPAWN_FAILED, Conn, hello_frame, parse_hello_reply, pid_alive, say_hello,
                     wait_for)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FAILED = "backend spawn failed: "


class Launch(harness.Case):
    options = ("--hello-rate-limit", "0")

    def setUp(self):
        super().setUp()
        harness.need(harness.TEST_BACKEND, "the test backend")

    def start(self, *args, **env):
        broker = self.box.launch_mode(*self.options, *args, env=self.box.env(**env))
        harness.settle(self.box, broker)
        self.base_fds = broker.fd_count()
        return broker

    def finish(self, broker, backends=0):
        """Nothing of a launch stays: one pidfd a live backend at most, no zombie, no socket without its owner."""
        wait_for(lambda: broker.fd_count() <= self.base_fds + 3 * backends, "descriptors back (%d, %d now: %r)" % (
            self.base_fds, broker.fd_count(), harness.proc_fds(broker.pid)))
        wait_for(lambda: broker.zombies() == [], "no zombie")
        wait_for(lambda: len(self.sockets()) == backends, "sockets left: %r" % self.sockets())
        broker.stop()

    def sockets(self):
        if not os.path.isdir(self.box.broker_dir):
            return []
        return [name for name in os.listdir(self.box.broker_dir) if "-be-" in name]

    def negotiate(self, broker, service, version="1.0.0", **fields):
        return self.assertNegotiated(say_hello(broker.socket, service, version, **fields), version)


class Answers(Launch):
    def test_cold_then_warm(self):
        program = self.box.service("svc")
        broker = self.start()
        cold = self.negotiate(broker, "svc")
        pids = self.box.backend_pids(program)
        warm = self.negotiate(broker, "svc")
        self.assertEqual(warm.backend_pipe, cold.backend_pipe)
        self.assertEqual((cold.connection_id, warm.connection_id), (1, 2))
        self.assertEqual(self.box.backend_pids(program), pids)
        self.assertEqual(harness.probe(cold.backend_pipe).pid, pids[0])
        self.finish(broker, 1)

    def test_text_and_binary_definitions(self):
        for form in ("txtpb", "servicedef", "servicedef.v2"):
            name = form.replace(".", "-")
            program = self.box.install_program(name, config={})
            if form == "txtpb":
                self.box.definition_bytes(name, (
                    'service_name: "%s" binary_path: "%s"\nper_version_binary_dir: "%s"\nisolation: SHARED_BROKER\n' %
                    (name, program, self.box.bin)).encode(), form)
            else:
                self.box.definition(name, program, form=form)
        broker = self.start()
        for name in ("txtpb", "servicedef", "servicedef-v2"):
            self.negotiate(broker, name)
        self.finish(broker, 3)

    def test_refused_hellos_take_no_ids(self):
        self.box.service("svc")
        broker = self.start()
        self.negotiate(broker, "svc")
        for _ in range(5):
            say_hello(broker.socket, "nosuch")
        self.assertEqual(self.negotiate(broker, "svc").connection_id, 2)
        self.finish(broker, 1)

    def test_64_at_once_in_an_empty_runtime_directory(self):
        program = self.box.service("svc")
        self.assertEqual(os.listdir(self.box.runtime), [])
        broker = self.box.launch_mode()
        conns = [Conn(broker.socket) for _ in range(64)]
        for conn in conns:
            conn.send(hello_frame("svc", "1.0.0"))
        replies = [self.assertNegotiated(parse_hello_reply(conn.read_all())) for conn in conns]
        for conn in conns:
            conn.close()
        self.assertEqual(len(self.box.backend_pids(program)), 1)
        self.assertEqual({r.backend_pipe for r in replies}, {replies[0].backend_pipe})
        self.assertEqual(sorted(r.connection_id for r in replies), list(range(1, 65)))
        self.assertEqual(broker.zombies(), [])
        broker.stop()

    def test_64_threads_at_once(self):
        program = self.box.service("svc")
        broker = self.start()
        gate = threading.Barrier(64)
        replies = []

        def client():
            gate.wait()
            replies.append(say_hello(broker.socket, "svc", "1.0.0"))
        threads = [threading.Thread(target=client) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len([r for r in replies if harness.is_negotiated(r)]), 64)
        self.assertEqual(len(self.box.backend_pids(program)), 1)
        self.finish(broker, 1)

    def test_a_slow_launch_does_not_delay_another(self):
        slow = self.box.service("slow", ACT["never binds"])
        self.box.service("quick")
        broker = self.start()
        with Conn(broker.socket) as waiting:
            waiting.send(hello_frame("slow", "1.0.0"))
            wait_for(lambda: self.box.backend_pids(slow), "the slow one")
            self.negotiate(broker, "quick")
            self.negotiate(broker, "quick")
            self.assertFalse(waiting.is_closed_now())
            self.box.kill_backends(slow)
            self.assertRefused(parse_hello_reply(waiting.read_all()), SPAWN_FAILED, prefix=FAILED, retry=1000)
        self.finish(broker, 1)

    def test_two_services_launch_side_by_side(self):
        names = ("one", "two")
        programs = [self.box.service(name, ACT["never binds"]) for name in names]
        broker = self.start()
        conns = [Conn(broker.socket).send(hello_frame(name, "1.0.0")) for name in names]
        wait_for(lambda: all(self.box.backend_pids(p) for p in programs), "both children at the same time")
        for program in programs:
            self.box.kill_backends(program)
        for conn in conns:
            self.assertRefused(parse_hello_reply(conn.read_all()), SPAWN_FAILED)
            conn.close()
        self.finish(broker)

    def test_versions_are_different_backends(self):
        program = self.box.service("svc")
        broker = self.start()
        pipes = {self.negotiate(broker, "svc", version).backend_pipe for version in ("1.0.0", "2.0.0", "1.0.0-rc.1")}
        self.assertEqual(len(pipes), 3)
        self.assertEqual(len(self.box.backend_pids(program)), 3)
        self.finish(broker, 3)

    def test_instances_are_different_backends(self):
        for name, fields in (("mine", dict(isolation=0)), ("ours", dict(isolation=2, explicit_instance="ci")),
                             ("all", dict(isolation=1))):
            self.box.service(name, **fields)
        broker = self.start()
        for name, instance in (("mine", "private:mine"), ("ours", "explicit:ci"), ("all", "shared")):
            reply = self.negotiate(broker, name)
            self.assertEqual(harness.probe(reply.backend_pipe).ipc_endpoint.namespace_id, instance)
        self.finish(broker, 3)

    def test_waiter_that_goes_away_does_not_stop_the_launch(self):
        gate = os.path.join(self.box.dir, "gate")
        program = self.box.service("svc", {"wait_file": gate})
        broker = self.start()
        with Conn(broker.socket) as conn:
            conn.send(hello_frame("svc", "1.0.0"))
            wait_for(lambda: self.box.backend_pids(program), "the child")
        wait_for(lambda: json.loads(harness.ask_admin(broker.socket, 1, json=True).body)["connections_open"] == 1,
                 "the waiter gone")
        with open(gate, "w"):
            pass
        self.assertEqual(self.negotiate(broker, "svc").connection_id, 1)
        self.assertEqual(len(self.box.backend_pids(program)), 1)
        self.finish(broker, 1)


class Child(Launch):
    """What the process gets (spec 03 §3.2, §3.3)."""

    def launched(self, *args, hello_fields=None, **env):
        self.program = self.box.service("svc")
        self.broker = self.start(*args, **env)
        self.reply = parse_hello_reply(harness.exchange(self.broker.socket, hello_frame("svc", "1.2.3", **(
            hello_fields or {}))))
        self.assertNegotiated(self.reply)
        self.pid = self.box.backend_pids(self.program)[0]
        return harness.proc_environ(self.pid)

    def test_environment(self):
        import pwd
        env = self.launched(TZ="UTC", LC_ALL="C", LC_TIME="de", TMPDIR="/tmp", SECRET="x", SSH_AUTH_SOCK="/x",
                            PWD="/nowhere", LANG="C.UTF-8")
        user = pwd.getpwuid(os.getuid())
        listener = env.pop("RUNNING_PROCESS_BROKER_LISTENER_FD")
        env.pop("RUNNING_PROCESS_BROKER_V1_HANDOFF_FD", None)
        want = {"USER": user.pw_name, "LOGNAME": user.pw_name, "HOME": user.pw_dir, "SHELL": user.pw_shell,
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC",
                "TMPDIR": "/tmp", "XDG_RUNTIME_DIR": self.box.runtime, "LC_ALL": "C", "LC_TIME": "de",
                "RUNNING_PROCESS_BROKER_V1_SERVICE_NAME": "svc", "RUNNING_PROCESS_BROKER_V1_SERVICE_VERSION": "1.2.3",
                "RUNNING_PROCESS_BROKER_V1_BACKEND_PIPE": self.reply.backend_pipe,
                "RUNNING_PROCESS_BROKER_V1_BACKEND_NAMESPACE": "shared", "RUNNING_PROCESS_BROKER_V1_INSTANCE": "shared",
                "RUNNING_PROCESS_IS_DAEMON": "1"}
        if not user.pw_shell:
            del want["SHELL"]
        self.assertEqual(env, want)
        self.assertTrue(listener.isdigit())
        self.finish(self.broker, 1)

    def test_descriptors_directory_session(self):
        env = self.launched()
        fds = harness.proc_fds(self.pid)
        named = {int(env["RUNNING_PROCESS_BROKER_LISTENER_FD"])}
        if "RUNNING_PROCESS_BROKER_V1_HANDOFF_FD" in env:
            named.add(int(env["RUNNING_PROCESS_BROKER_V1_HANDOFF_FD"]))
        self.assertEqual({fd: fds[fd] for fd in (0, 1, 2)}, dict.fromkeys((0, 1, 2), "/dev/null"))
        ours = harness.proc_fds(self.broker.pid)
        shared = [t for fd, t in fds.items() if fd > 2 and t in ours.values() and t.startswith(("socket:", "pipe:"))]
        self.assertEqual(shared, [], "a descriptor of the broker leaked")
        self.assertTrue(named <= set(fds), fds)
        self.assertEqual(os.readlink("/proc/%d/cwd" % self.pid), "/")
        info = harness.proc_stat(self.pid)
        self.assertEqual((info["session"], info["pgrp"]), (self.pid, self.pid))
        with open("/proc/%d/cmdline" % self.pid, "rb") as data:
            self.assertEqual(data.read(), self.program.encode() + b"\0")
        with open("/proc/%d/status" % self.pid) as text:
            self.assertIn("SigBlk:\t0000000000000000", text.read())
        self.finish(self.broker, 1)

    def test_what_the_broker_inherited_stays_with_it(self):
        program = self.box.service("svc")
        with open(os.path.join(self.box.home, "inherited"), "w") as inherited:
            high = fcntl.fcntl(inherited, fcntl.F_DUPFD_CLOEXEC, 100)    # low numbers are reused for named descriptors
            broker = self.box.launch_mode(pass_fds=(high,))
            os.close(high)
        self.negotiate(broker, "svc")
        self.assertFalse([t for t in harness.proc_fds(self.box.backend_pids(program)[0]).values() if "inherited" in t])
        broker.stop()

    def test_endpoint_that_would_be_too_long(self):
        """It moves to the fallback directory (decision 9b); tried as a user that has none yet."""
        if os.geteuid() != 0:
            self.skipTest("needs root to be a user without directories in /tmp")
        uid = 1811200000 + os.getpid()    # nobody else's, in no other run of this test either
        home = "/tmp/running-process-%d" % uid
        shutil.rmtree(home, ignore_errors=True)
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        runtime = os.path.join(self.box.dir, "runtime-that-is-long")
        os.mkdir(runtime, 0o700)
        self.box.service("svc")
        program = os.path.join(self.box.dir, "broker")
        shutil.copyfile(harness.DAEMON, program)
        os.chmod(program, 0o755)
        for directory in (runtime, self.box.defs, self.box.sockets, self.box.home):
            os.chown(directory, uid, uid)
        os.chown(os.path.join(self.box.defs, "svc.servicedef"), uid, uid)
        as_user = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
        broker = self.box.daemon("--serve-launch", self.box.socket, "--service-def-dir", self.box.defs, program=program,
                                 prefix=as_user, env=self.box.env(XDG_RUNTIME_DIR=runtime)).ready()
        got = self.box.run("--socket", self.box.socket, "hello", "svc", "1.0.0", "--json", program=program, prefix=as_user)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        pipe = json.loads(got.stdout)["backend_pipe"]
        self.assertTrue(pipe.startswith(home + "/broker/rpb-v1-"), pipe)
        self.assertLessEqual(len(pipe), 107)
        for path in (home, home + "/broker"):
            self.assertEqual((os.stat(path).st_uid, stat.S_IMODE(os.stat(path).st_mode)), (uid, 0o700))
        broker.stop()

    def test_socket_and_its_directory(self):
        self.launched()
        facts = os.lstat(self.reply.backend_pipe)
        self.assertTrue(stat.S_ISSOCK(facts.st_mode))
        self.assertEqual(stat.S_IMODE(facts.st_mode), 0o600)
        self.assertEqual(os.path.dirname(self.reply.backend_pipe), self.box.broker_dir)
        for path in (self.box.broker_dir, os.path.dirname(self.box.broker_dir)):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700)
        self.finish(self.broker, 1)

    @harness.bare_only
    def test_limits_are_those_that_the_broker_was_given(self):
        program = self.box.service("svc")
        broker = self.box.launch_mode(nofile=(300, 1000))
        self.negotiate(broker, "svc")
        with open("/proc/%d/limits" % self.box.backend_pids(program)[0]) as text:
            limits = text.read()
        self.assertRegex(limits, r"Max open files\s+300\s+1000\s")
        self.assertRegex(limits, r"Max data size\s+unlimited\s")
        with open("/proc/%d/limits" % broker.pid) as text:
            self.assertRegex(text.read(), r"Max open files\s+1000\s+1000\s")
        broker.stop()

    def test_trace_is_handed_on_when_well_formed(self):
        env = self.launched(hello_fields=dict(traceparent=TRACE, tracestate="rp=1,a=b"))
        self.assertEqual(env["RUNNING_PROCESS_BROKER_V1_TRACEPARENT"], TRACE)
        self.assertEqual(env["RUNNING_PROCESS_BROKER_V1_TRACESTATE"], "rp=1,a=b")
        self.finish(self.broker, 1)

    def test_trace_is_left_out_when_not(self):
        for traceparent, tracestate in ((TRACE.upper(), "a\nb"), (TRACE + "0", "é"), (TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), "x" * 513),
                                        (TRACE.replace("00f067aa0ba902b7", "0" * 16), "\x7f")):
            env = self.launched(hello_fields=dict(traceparent=traceparent, tracestate=tracestate))
            self.assertNotIn("RUNNING_PROCESS_BROKER_V1_TRACEPARENT", env)
            self.assertNotIn("RUNNING_PROCESS_BROKER_V1_TRACESTATE", env)
            self.broker.stop()
            self.box.kill_backends()

    def test_without_broker_owned_bind(self):
        for value in ("", "0", "false", "No", " off "):
            env = self.launched(RUNNING_PROCESS_BROKER_OWNED_BIND=value)
            self.assertNotIn("RUNNING_PROCESS_BROKER_LISTENER_FD", env)
            self.assertEqual(harness.probe(self.reply.backend_pipe).pid, self.pid)
            self.broker.stop()
            self.box.kill_backends()

    def test_backends_outlive_the_broker(self):
        for args, lives in (((), True), (("--backend-lifetime", "detached"), True), (("--backend-lifetime", "bound"), False)):
            self.launched(*args)
            self.broker.stop()
            if lives:
                self.assertTrue(pid_alive(self.pid))
                self.assertEqual(harness.probe(self.reply.backend_pipe).pid, self.pid)
                os.kill(self.pid, signal.SIGKILL)
            wait_for(lambda: not pid_alive(self.pid), "the backend gone")

    def test_a_link_to_the_program(self):
        program = self.box.install_program("real", config={})
        link = os.path.join(self.box.bin, "link")
        os.symlink("real", link)
        self.box.definition("svc", link)
        broker = self.start()
        self.negotiate(broker, "svc")
        pid = self.box.backend_pids(program)[0]
        with open("/proc/%d/cmdline" % pid, "rb") as data:
            self.assertEqual(data.read(), program.encode() + b"\0")
        self.finish(broker, 1)


class SelfBinding(Launch):
    """Backends that ignore the inherited listener (decision 12a)."""

    def test_binds_late(self):
        program = self.box.service("svc", ACT["binds itself after 2 s"])
        broker = self.start()
        begun = time.monotonic()
        conns = [Conn(broker.socket).send(hello_frame("svc", "1.0.0")) for _ in range(5)]
        replies = [self.assertNegotiated(parse_hello_reply(conn.read_all())) for conn in conns]
        self.assertGreater(time.monotonic() - begun, 1.9)
        pid = self.box.backend_pids(program)
        self.assertEqual(len(pid), 1)
        self.assertEqual(harness.probe(replies[0].backend_pipe).pid, pid[0])
        self.negotiate(broker, "svc")
        for conn in conns:
            conn.close()
        self.finish(broker, 1)
        self.assertTrue(os.path.lexists(replies[0].backend_pipe), "the backend's own socket was removed")

    def test_binds_at_once(self):
        program = self.box.service("svc", ACT["binds itself"])
        broker = self.start()
        reply = self.negotiate(broker, "svc")
        self.assertEqual(harness.probe(reply.backend_pipe).pid, self.box.backend_pids(program)[0])
        self.finish(broker, 1)


class Failures(Launch):
    def refuse(self, broker, service="svc", version="1.0.0", words=""):
        reply = say_hello(broker.socket, service, version)
        self.assertRefused(reply, SPAWN_FAILED, prefix=FAILED, retry=1000)
        self.assertIn(words, reply.reason)
        return reply.reason

    def test_paths_that_are_no_text(self):
        """A path may be any bytes, and a long one is cut: the reply can be decoded all the same."""
        broker = self.start()
        self.box.definition("cut", "/" + "\u00e9" * 120, per_version_binary_dir="/")
        self.refuse(broker, "cut", words="\u00e9\ufffd could not be canonicalized")
        program = os.path.join(os.fsencode(self.box.dir), b"caf\xe9")
        os.mkdir(program)
        os.symlink(program, os.path.join(self.box.bin, "link"))
        self.box.definition("bytes", os.path.join(self.box.bin, "link"), per_version_binary_dir=self.box.bin)
        self.refuse(broker, "bytes", words="caf\ufffd is outside")
        self.finish(broker)

    def test_files_that_cannot_be_run(self):
        broker = self.start()
        path = os.path.join(self.box.bin, "svc")
        self.box.definition("svc", path)
        self.refuse(broker, version="1.0.0")
        with open(path, "w") as out:
            out.write("not a program, but the kernel has to say so itself\n")
        os.chmod(path, 0o644)
        self.refuse(broker, version="1.0.1")
        os.chmod(path, 0o755)
        self.refuse(broker, version="1.0.2")
        with open(path, "w") as out:
            out.write("#!/bin/sh\nexec /bin/cat <&3\n")
        self.refuse(broker, version="1.0.3")
        os.unlink(path)
        os.mkdir(path)
        self.refuse(broker, version="1.0.4")
        os.rmdir(path)
        os.symlink("/bin/true", path)
        self.refuse(broker, version="1.0.5")
        self.finish(broker)

    def test_roots(self):
        broker = self.start()
        program = self.box.install_program("prog/x" if os.mkdir(self.box.bin + "/prog") else "prog/x", config={})
        for number, root in enumerate(("/nonexistent", self.box.bin + "/pro", self.box.home, "")):
            self.box.definition("svc", program, per_version_binary_dir=root)
            self.refuse(broker, version="1.0.%d" % number)
        for number, root in enumerate((self.box.bin, self.box.bin + "/prog", self.box.bin + "/../bin/prog")):
            self.box.definition("svc", program, per_version_binary_dir=root)
            self.negotiate(broker, "svc", "2.0.%d" % number)
        self.finish(broker, 3)

    def test_what_others_can_write_is_not_run(self):
        broker = self.start()
        program = self.box.service("svc")
        os.chmod(program, 0o757)
        self.refuse(broker, version="1.0.0")
        os.chmod(program, 0o755)
        os.chmod(self.box.bin, 0o777)
        self.refuse(broker, version="1.0.1")
        os.chmod(self.box.bin, 0o755)
        if os.geteuid() == 0:
            os.chown(program, 65534, 65534)
            self.refuse(broker, version="1.0.2")
            os.chown(program, 0, 0)
        self.negotiate(broker, "svc", "1.0.3")
        self.finish(broker, 1)

    def test_exits_early(self):
        broker = self.start()
        for number, program in enumerate(("/bin/true", "/bin/false")):
            name = "svc%d" % number
            self.box.service(name, source=program)
            begun = time.monotonic()
            self.refuse(broker, name)
            self.assertLess(time.monotonic() - begun, 20, "the exit was not noticed, the client's time was over")
        for name, act in (("code", "exits with 3"), ("crash", "crashes")):
            self.box.service(name, ACT[act])
            self.refuse(broker, name)
        self.finish(broker)

    def test_never_binds_until_the_client_has_no_time_left(self):
        program = self.box.service("svc", ACT["never binds"])
        broker = self.start(RUNNING_PROCESS_BROKER_HELLO_TIMEOUT_MS=str(2000 * harness.SLOW))
        begun = time.monotonic()
        reply = say_hello(broker.socket, "svc", "1.0.0")
        took = time.monotonic() - begun
        self.assertRefused(reply, RATE_LIMITED, "backend spawn already in progress", 1000)
        self.assertTrue(1.0 * harness.SLOW < took < 20, took)
        self.assertEqual(len(self.box.backend_pids(program)), 1, "the launch goes on")
        self.assertRefused(say_hello(broker.socket, "svc", "1.0.0"), RATE_LIMITED, "backend spawn already in progress")
        self.assertEqual(len(self.box.backend_pids(program)), 1)
        self.box.kill_backends(program)
        self.finish(broker)

    def test_wrong_identity(self):
        broker = self.start()
        for field in ("pid", "exe_path", "exe_hash", "boot_id", "namespace", "path"):
            self.box.service("svc-" + field.replace("_", "-"), {"wrong": field})
            self.refuse(broker, "svc-" + field.replace("_", "-"))
            wait_for(lambda: not self.box.backend_pids(), "the liar killed: " + field)
        self.finish(broker)

    def test_rubbish_instead_of_an_answer(self):
        self.box.service("svc", ACT["answers rubbish"])
        broker = self.start()
        self.refuse(broker)
        wait_for(lambda: not self.box.backend_pids(), "the backend killed")
        self.finish(broker)

    def test_what_a_failed_backend_started_goes_with_it(self):
        self.box.service("svc", ACT["exits, leaves a child"])
        broker = self.start()
        self.refuse(broker)
        wait_for(lambda: not self.box.backend_pids(), "its process group killed")
        self.finish(broker)

    def test_budget(self):
        self.box.service("svc", source="/bin/false")
        broker = self.start()
        for _ in range(3):
            self.refuse(broker)
        for _ in range(3):
            reply = say_hello(broker.socket, "svc", "1.0.0")
            self.assertRefused(reply, RATE_LIMITED, "backend spawn budget exhausted")
            self.assertTrue(1 <= reply.retry_after_ms <= 30000, reply.retry_after_ms)
        self.refuse(broker, version="1.0.1")
        self.box.install_program("svc", config={})
        self.negotiate(broker, "svc")    # another executable is another key
        self.finish(broker, 1)

    def test_budget_counts_launches_not_waiters(self):
        self.box.service("svc", source="/bin/false")
        broker = self.start()
        for _ in range(3):
            conns = [Conn(broker.socket).send(hello_frame("svc", "1.0.0")) for _ in range(10)]
            for conn in conns:
                self.assertIn(parse_hello_reply(conn.read_all()).code, (SPAWN_FAILED, RATE_LIMITED))
                conn.close()
        self.assertRefused(say_hello(broker.socket, "svc", "1.0.0"), RATE_LIMITED, "backend spawn budget exhausted")
        self.finish(broker)

    def test_missing_binary_spends_the_budget_too(self):
        self.box.definition("svc")
        broker = self.start()
        for _ in range(3):
            self.refuse(broker)
        self.assertRefused(say_hello(broker.socket, "svc", "1.0.0"), RATE_LIMITED, "backend spawn budget exhausted")
        self.finish(broker)

    def test_policy_refusals_spend_nothing(self):
        self.box.service("svc", min_version="2.0.0")
        broker = self.start()
        for _ in range(10):
            self.assertRefused(say_hello(broker.socket, "svc", "1.0.0"), harness.VERSION_BLOCKED)
        self.negotiate(broker, "svc", "2.0.0")
        self.finish(broker, 1)


class Limits(Launch):
    """Decision 10: how many wait, launch and live at once. No refusal of these spends an attempt."""

    def in_progress(self, reply):
        self.assertRefused(reply, RATE_LIMITED, "backend spawn already in progress", 1000)

    def test_256_waiters_a_key(self):
        program = self.box.service("svc", ACT["never binds"])
        broker = self.start()
        conns = [Conn(broker.socket).send(hello_frame("svc", "1.0.0")) for _ in range(260)]
        wait_for(lambda: sum(conn.has_bytes_now() for conn in conns) == 4, "four refusals")
        for conn in conns:
            if conn.has_bytes_now():
                self.in_progress(parse_hello_reply(conn.read_all()))
        wait_for(lambda: self.box.kill_backends(program), "the child")
        answers = [conn.read_all() for conn in conns]
        self.assertEqual(sum(bool(a) and parse_hello_reply(a).code == SPAWN_FAILED for a in answers), 256)
        for conn in conns:
            conn.close()
        self.finish(broker)

    def test_8_launches_at_once(self):
        names = ["svc%d" % number for number in range(8)]
        programs = [self.box.service(name, ACT["never binds"]) for name in names]
        self.box.service("ninth")
        broker = self.start()
        conns = [Conn(broker.socket).send(hello_frame(name, "1.0.0")) for name in names]
        wait_for(lambda: all(self.box.backend_pids(p) for p in programs), "eight children")
        for _ in range(5):
            self.in_progress(say_hello(broker.socket, "ninth", "1.0.0"))
        self.box.kill_backends()
        for conn in conns:
            self.assertRefused(parse_hello_reply(conn.read_all()), SPAWN_FAILED)
            conn.close()
        self.negotiate(broker, "ninth")
        self.finish(broker, 1)

    def test_16_backends_a_service(self):
        program = self.box.service("svc")
        self.box.service("other")
        broker = self.start()
        for number in range(16):
            self.negotiate(broker, "svc", "1.0.%d" % number)
        for number in range(16, 20):
            self.assertRefused(say_hello(broker.socket, "svc", "1.0.%d" % number), RATE_LIMITED, "backend limit reached",
                               1000)
        self.negotiate(broker, "svc", "1.0.7")
        self.negotiate(broker, "other")
        os.kill(self.box.backend_pids(program)[0], signal.SIGKILL)
        wait_for(lambda: harness.is_negotiated(say_hello(broker.socket, "svc", "1.0.16")), "a free place")
        self.finish(broker, 17)


class Replacement(Launch):
    def test_killed_and_launched_again(self):
        program = self.box.service("svc")
        broker = self.start()
        first = self.negotiate(broker, "svc")
        self.box.kill_backends(program)
        second = self.negotiate(broker, "svc")
        self.assertNotEqual(second.backend_pipe, first.backend_pipe)
        self.assertEqual(len(self.box.backend_pids(program)), 1)
        self.assertEqual(harness.probe(second.backend_pipe).pid, self.box.backend_pids(program)[0])
        self.finish(broker, 1)

    def test_a_dead_endpoint_is_never_given_out(self):
        program = self.box.service("svc")
        broker = self.start()
        for number in range(3):
            reply = self.negotiate(broker, "svc", "1.0.%d" % number)
            self.box.kill_backends(program)
            again = self.negotiate(broker, "svc", "1.0.%d" % number)
            self.assertNotEqual(again.backend_pipe, reply.backend_pipe)
            harness.probe(again.backend_pipe)
            self.box.kill_backends(program)
        wait_for(lambda: broker.zombies() == [], "no zombie")
        broker.stop()

    def test_replaced_on_disk(self):
        program = self.box.service("svc")
        broker = self.start()
        old = self.negotiate(broker, "svc")
        old_pid = self.box.backend_pids(program)[0]
        self.box.install_program("svc", config={})
        with open(program, "ab") as out:
            out.write(b"another build")
        new = self.negotiate(broker, "svc")
        self.assertNotEqual(new.backend_pipe, old.backend_pipe)
        self.assertTrue(pid_alive(old_pid), "the old build serves its clients on")
        self.assertEqual(harness.probe(old.backend_pipe).pid, old_pid)
        self.assertEqual(len(self.box.backend_pids()), 2)
        self.finish(broker, 2)

    def test_same_bytes_again_is_the_same_backend(self):
        self.box.service("svc")
        broker = self.start()
        first = self.negotiate(broker, "svc")
        self.box.install_program("svc", config={})
        self.assertEqual(self.negotiate(broker, "svc").backend_pipe, first.backend_pipe)
        self.finish(broker, 1)

    def test_written_while_launched(self):
        """ETXTBSY: the file is still open for writing; the broker tries again until the writer is done."""
        self.box.service("svc")
        path = os.path.join(self.box.bin, "svc")
        broker = self.start()
        with open(path, "ab"), Conn(broker.socket) as conn:
            conn.send(hello_frame("svc", "1.0.0"))
            wait_for(lambda: not conn.unread(), "the Hello read")
        self.negotiate(broker, "svc")
        self.finish(broker, 1)

    def test_runtime_directory_removed_while_running(self):
        self.box.service("svc")
        broker = self.start()
        self.negotiate(broker, "svc")
        shutil.rmtree(self.box.broker_dir)
        self.negotiate(broker, "svc", "2.0.0")
        self.assertEqual(stat.S_IMODE(os.stat(self.box.broker_dir).st_mode), 0o700)
        broker.stop()


class Locks(Launch):
    def test_two_brokers_of_one_user(self):
        """They share the runtime directory; each has its own backends, and neither stands in the other's way."""
        program = self.box.service("svc")
        brokers = [self.start()]
        brokers.append(self.box.daemon("--serve-launch", self.box.sockets + "/2.sock", "--service-def-dir",
                                       self.box.defs).ready())
        pipes = {self.negotiate(broker, "svc").backend_pipe for broker in brokers}
        self.assertEqual(len(pipes), 2)
        self.assertEqual(len(self.box.backend_pids(program)), 2)
        locks = os.listdir(self.box.broker_dir + "/locks")
        self.assertTrue(any(name.startswith("shared.svc-1.0.0") and name.endswith(".spawn.lock") for name in locks), locks)
        self.assertEqual(stat.S_IMODE(os.stat(self.box.broker_dir + "/locks").st_mode), 0o700)
        for broker in brokers:
            broker.stop()

    def test_a_launch_by_another_process_is_in_progress(self):
        self.box.service("svc")
        broker = self.start()
        self.negotiate(broker, "svc")
        directory = self.box.broker_dir + "/locks"
        name = next(n for n in os.listdir(directory) if n.startswith("shared.svc-1.0.0"))
        self.box.kill_backends()
        with open(os.path.join(directory, name), "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for _ in range(5):
                self.assertRefused(say_hello(broker.socket, "svc", "1.0.0"), RATE_LIMITED,
                                   "backend spawn already in progress", 1000)
        self.negotiate(broker, "svc")
        self.finish(broker, 1)


if __name__ == "__main__":
    harness.main()
