# SPDX-License-Identifier: MIT
"""A server in a cgroup as Kubernetes names it: its container and its pod, wherever the server is told."""
import contextlib
import json
import os
import re
import tempfile

from daemon import Daemon, wait_until
from load_client import Connection
from servers import TruthServer, wait_acknowledged
from test_otlp_daemon import Collector
from test_schema import load, validator
from tracer import Skip, require_tailrace, run_to_end

UID, ID = "2c48913c-b29f-11e7-9350-0209681477%02x", "%064x"


@contextlib.contextmanager
def cgroup(*names):
    """A cgroup of that path below the root of v2, for as long as it is needed; gives a function that moves a process into it."""
    roots = [root for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(root + "/cgroup.procs")]
    mount = None
    if not roots:
        mount = tempfile.mkdtemp(prefix="tailrace-cgroup-")
        if os.system("mount -t cgroup2 none %s 2>/dev/null" % mount):
            os.rmdir(mount)
            raise Skip("cgroup2 cannot be mounted here")
        roots = [mount]
    made, moved, path = [], [], roots[0]

    def move(pid, to=None):
        with open((to or path) + "/cgroup.procs", "w") as file:
            file.write(str(pid))
        moved.append(pid)

    try:
        for name in names:
            path += "/" + name
            if not os.path.isdir(path):
                os.mkdir(path)
                made.append(path)
        yield move
    finally:
        for pid in set(moved):
            with contextlib.suppress(OSError):
                move(pid, roots[0])
        for path in reversed(made):
            os.rmdir(path)
        if mount:
            os.system("umount %s" % mount)
            os.rmdir(mount)


def pod_cgroup(uid, container):
    low = uid.replace("-", "_")
    return cgroup("kubepods.slice", "kubepods-burstable.slice", "kubepods-burstable-pod%s.slice" % low, "cri-containerd-%s.scope" % container)


def logs(root, namespace, pod, uid, containers, links=()):
    """As a node has them; `links`: of which container there is one."""
    for name in containers:
        os.makedirs(os.path.join(root, "pods", "%s_%s_%s" % (namespace, pod, uid), name))
    os.makedirs(os.path.join(root, "containers"), exist_ok=True)
    for name, container in links:
        os.symlink("/nowhere", os.path.join(root, "containers", "%s_%s_%s-%s.log" % (pod, namespace, name, container)))


def ask_for(server, path):
    connection = Connection("127.0.0.1", server.port)
    connection.request("/length/1x100/" + path)
    connection.close()
    wait_acknowledged(server.port)


def test_a_server_is_told_with_its_container_and_pod():
    require_tailrace()
    uid, container = UID % 1, ID % (os.getpid() << 200)
    hostile = "ev\x1b[31mil"
    checker = validator(load())
    with tempfile.TemporaryDirectory(prefix="tailrace-logs-") as root, tempfile.TemporaryDirectory(prefix="tailrace-flight-") as flight, \
            TruthServer() as server, Collector() as collector, pod_cgroup(uid, container) as move:
        logs(root, "shop", "web-0", uid, ("app", hostile), [("app", container)])
        move(server.pid)
        settings = ["flight-directory = " + flight, "otlp-endpoint = " + collector.endpoint, "otlp-spans = all", "otlp-interval = 1s"]
        with Daemon(server.port, settings=settings, environment={"TAILRACE_TEST_LOG_ROOT": root}) as daemon, daemon.listen() as stream:
            ask_for(server, "x")
            response = wait_until(lambda: stream.of_type("response"), what="a response")[0]
            wanted = {"id": container, "name": "app", "pod": "web-0", "namespace": "shop", "pod_uid": uid}
            assert response["server"]["container"] == wanted, response["server"]
            for item in stream.objects:
                assert checker.is_valid(item), item
            held = Connection("127.0.0.1", server.port).open()
            held.request("/length/1x100/held")
            rows = wait_until(lambda: daemon.ask("/v1/servers")["servers"], what="a server with a connection")
            held.close()
            assert rows[0]["server"]["container"] == wanted, rows
            metrics = daemon.get("/metrics").body.decode()
            assert re.search(r'^tailrace_responses_total{[^}]*cgroup="shop/web-0/app"', metrics, re.MULTILINE), [
                line for line in metrics.split("\n") if line.startswith("tailrace_responses_total")]
            wait_until(lambda: collector.bodies["/v1/traces"] and len(collector.bodies["/v1/metrics"]) > 1, 20, "what is sent")
            daemon.stop()
        check_sent(collector, wanted)
        exported = [json.loads(line) for line in run_to_end("export", flight, "--format", "ndjson").stdout.splitlines()]
    told = [item["server"]["container"] for item in exported if item["type"] == "response"]
    assert told == [wanted] * 2, "the recording has %s" % told


def check_sent(collector, wanted):
    def attributes(body, kind):
        return [{item["key"]: item["value"].get("stringValue") for item in part["resource"]["attributes"]} for part in json.loads(body)[kind]]

    span = attributes(collector.bodies["/v1/traces"][0], "resourceSpans")[0]
    assert (span["container.id"], span["container.name"], span["k8s.pod.uid"]) == (wanted["id"], "app", wanted["pod_uid"]), span
    names = ("k8s.namespace.name", "k8s.pod.name", "container.name")
    assert any(tuple(part.get(name) for name in names) == ("shop", "web-0", "app")
               for body in collector.bodies["/v1/metrics"] for part in attributes(body, "resourceMetrics"))


def test_what_the_logs_do_not_say_is_null_and_what_they_say_is_harmless():
    require_tailrace()
    uid, container = UID % 2, ID % (os.getpid() << 180)
    with tempfile.TemporaryDirectory(prefix="tailrace-logs-") as root, TruthServer() as server, pod_cgroup(uid, container) as move:
        move(server.pid)
        for made, wanted in (((), (None, None)), (("a", "b"), (None, "p\x1b[31m\u202e")), (("only",), ("only", "p\x1b[31m\u202e"))):
            if made:
                os.system("rm -rf %s/pods" % root)
                logs(root, "n", "p\x1b[31m\u202e", uid, made)
            with Daemon(server.port, environment={"TAILRACE_TEST_LOG_ROOT": root}) as daemon, daemon.listen() as stream:
                ask_for(server, "x")
                response = wait_until(lambda: stream.of_type("response"), what="a response")[0]
                told = response["server"]["container"]
                assert (told["id"], told["pod_uid"], told["name"], told["pod"]) == (container, uid, *wanted), told
                raw = b"".join(reply for reply in (stream.raw, daemon.get("/metrics").body))
                assert b"\x1b" not in raw and "\u202e".encode() not in raw, "text from outside went through"
                daemon.stop()
    with TruthServer() as server, Daemon(server.port) as daemon, daemon.listen() as stream:
        ask_for(server, "x")
        assert wait_until(lambda: stream.of_type("response"), what="a response")[0]["server"]["container"] is None
