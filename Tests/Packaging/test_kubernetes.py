# SPDX-License-Identifier: MIT
"""The manifest by Kubernetes' own schemas, and by what it promises."""
import os
import re
import subprocess
import sys
import tempfile

from artifacts import CONTAINER, MANIFEST, PACKAGING, SCHEMAS, default_keys, require_built, unit_values, version

REGISTRY = re.compile(r"^[^/]*[.:][^/]*/")  # a first part with a dot or a port is a host


def validated(path):
    """(exit code, what was said) for each release of Kubernetes whose schema is there, oldest supported and newest."""
    require_built(SCHEMAS / "kubernetes_validate", "kubernetes-schemas")
    environment = dict(os.environ, PYTHONPATH=str(SCHEMAS), PYTHONDONTWRITEBYTECODE="1")
    for release in ("1.30", "1.37"):
        done = subprocess.run([sys.executable, "-m", "kubernetes_validate", "--strict", "-k", release, path],
                              capture_output=True, text=True, env=environment)
        yield done.returncode, done.stdout + done.stderr


def documents():
    require_built(SCHEMAS / "yaml", "kubernetes-schemas")
    if str(SCHEMAS) not in sys.path:
        sys.path.append(str(SCHEMAS))
    import yaml

    return {document["kind"]: document for document in yaml.safe_load_all(MANIFEST.read_text())}


def pod():
    return documents()["DaemonSet"]["spec"]["template"]["spec"]


def test_the_schemas_have_nothing_against_it():
    """And see two planted faults: a word that does not exist, and a number that should be a text."""
    for code, text in validated(str(MANIFEST)):
        assert code == 0, text
    for right, wrong in (("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"), ('prometheus.io/port: "9842"', "prometheus.io/port: 9842")):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as spoilt:
            assert right in MANIFEST.read_text()
            spoilt.write(MANIFEST.read_text().replace(right, wrong))
            spoilt.flush()
            for code, text in validated(spoilt.name):
                assert code != 0, "%s passes" % wrong


def test_it_asks_for_no_right_too_many():
    specification, container = pod(), pod()["containers"][0]
    rights = container["securityContext"]
    assert rights["capabilities"]["drop"] == ["ALL"], rights
    unit = [name.replace("CAP_", "") for name in unit_values("CapabilityBoundingSet")[0].split()]
    assert sorted(rights["capabilities"]["add"]) == sorted(unit), "the unit has %s" % unit
    assert not rights["privileged"] and not rights["allowPrivilegeEscalation"] and rights["readOnlyRootFilesystem"]
    assert not specification.get("hostNetwork") and not specification.get("hostIPC")
    assert not specification["automountServiceAccountToken"]
    writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    for volume in specification["volumes"]:
        assert volume["name"] not in writable or volume["emptyDir"]["sizeLimit"], "%s has no limit" % volume["name"]
    assert container["resources"]["limits"]["memory"] and container["resources"]["limits"]["cpu"]


def test_its_parts_fit_together():
    specification, container = pod(), pod()["containers"][0]
    keys = dict(line.split(" = ") for line in documents()["ConfigMap"]["data"]["tailrace.conf"].splitlines())
    unknown = set(keys) - set(default_keys())
    assert not unknown, "no settings: %s" % unknown
    port = container["ports"][0]["containerPort"]
    assert keys["metrics-listen"].endswith(":%d" % port), keys
    annotations = documents()["DaemonSet"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port), annotations
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in specification["volumes"]}, mounts
    assert container["args"][-1].startswith(mounts["settings"]) and keys["flight-directory"] == mounts["recordings"]
    assert container["image"] == "tailrace:" + version(), container["image"]
    require_built(CONTAINER, "container-root")
    for path in ("/run/tailrace", "/var/lib/tailrace", "/etc/tailrace"):
        assert (CONTAINER / path[1:]).is_dir(), "the image has no %s" % path


def test_no_registry_is_named():
    assert REGISTRY.match("registry.example/tailrace:1") and not REGISTRY.match("tailrace:1")
    images = [pod()["containers"][0]["image"]]
    images += re.findall(r"^FROM (\S+)", (PACKAGING / "container" / "Containerfile").read_text(), re.M)
    assert images == ["tailrace:" + version(), "scratch"] and not any(map(REGISTRY.match, images)), images
