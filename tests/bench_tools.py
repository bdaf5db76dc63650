# SPDX-License-Identifier: Apache-2.0
"""What tests/bench compares: for each task the command line of each tool that can do it, and how it is
measured. A tool that is not in PATH is left out."""
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

# {blobs} are the digests of config and layers, {files} their paths, {ref} is {repository}:1 and {repository}
# {host}/bench/image. {name} is the image in an engine; in docker it has the name {ref} too.
CONVERT = {
    "cog-push": "oci-from-dockertar -f {tar} {out}",
    "skopeo": "skopeo --insecure-policy copy docker-archive:{tar} oci:{out}:x",
    "regctl": "regctl image import ocidir://{out}:x {tar}",
}
PUSH_LAYOUT = {
    "cog-push": "cog-push {layout} {ref}",
    "oci-blob-upload": "oci-blob-upload {layout} {repository} {blobs}",
    "skopeo": "skopeo --insecure-policy copy --dest-tls-verify=false oci:{layout} docker://{ref}",
    "crane": "crane push --insecure {layout} {ref}",
    "oras": "oras cp --to-plain-http --from-oci-layout {layout}@{digest} {ref}",
    "regctl": "regctl --host reg={host},tls=disabled image copy ocidir://{layout}@{digest} {ref}",
    "curl": "{tests}/bench_curl {layout} http://{host}/v2/bench/image 1",
}
PUSH_TLS = {
    "cog-push": "cog-push --cacert {certs}/ca.crt {layout} {ref}",
    "oci-blob-upload": "oci-blob-upload --cacert {certs}/ca.crt {layout} {repository} {blobs}",
    "skopeo": "skopeo --insecure-policy copy --dest-cert-dir {certs} oci:{layout} docker://{ref}",
    "crane": "env SSL_CERT_FILE={certs}/ca.crt crane push {layout} {ref}",
    "oras": "oras cp --to-ca-file {certs}/ca.crt --from-oci-layout {layout}@{digest} {ref}",
    "regctl": "env SSL_CERT_FILE={certs}/ca.crt regctl image copy ocidir://{layout}@{digest} {ref}",
    "curl": "{tests}/bench_curl {layout} https://{host}/v2/bench/image 1 --cacert {certs}/ca.crt",
}
PUSH_TAR = {
    "cog-push": "cog-push {tar} {ref}",
    "skopeo": "skopeo --insecure-policy copy --dest-tls-verify=false docker-archive:{tar} docker://{ref}",
    "crane": "crane push --insecure {tar} {ref}",
    "regctl": "regctl --host reg={host},tls=disabled image import {ref} {tar}",
}
PUSH_SMALL = {
    **PUSH_TAR,
    "oras": PUSH_LAYOUT["oras"],  # which takes no tar, and so has less to do
    "curl": PUSH_LAYOUT["curl"],
}
PUSH_DOCKER = {
    "cog-push": "cog-push --engine docker {name} {ref}",
    "docker": "docker push {ref}",
}
PUSH_NEW_LAYER = {
    **PUSH_DOCKER,
    "docker save": "docker save {name}",  # and nothing else
}
PUSH_PODMAN = {
    "cog-push": "cog-push --engine podman {name} {ref}",
    "podman": "podman push --tls-verify=false {name} docker://{ref}",
    "buildah": "buildah push --tls-verify=false {name} docker://{ref}",
}
# What the machine can do, each part alone and on one thread.
FLOOR = {
    "dd read": "dd if={tar} of=/dev/null bs=1M status=none",
    "openssl hash layers": "openssl dgst -sha256 {tar}",
    "igzip deflate": "igzip -1 -c {tar}",
    "openssl hash blobs": "openssl dgst -sha256 {files}",
    "dd write": "dd if=/dev/zero of={out} bs=1M count={blob_mib} status=none",
}

LONGEST = 1800  # seconds that a tool may take


class Failed(Exception):
    """Its text is the tool's last line."""


def installed(commands, env):
    return [tool for tool in commands if shutil.which(tool.split()[0], path=env["PATH"])]


class Values(dict):
    """Of the names in a command line. What is not given is the image's, and made only then."""

    def __init__(self, image, **given):
        super().__init__(given)
        self.image = image

    def __missing__(self, name):
        return getattr(self.image, name)


def command_line(template, values):
    """The words of TEMPLATE. A name that stands alone may be a list, and gives several."""
    words = []
    for word in shlex.split(template):
        alone = re.fullmatch(r"{(\w+)}", word)
        value = values[alone[1]] if alone else word.format_map(values)
        words += value if isinstance(value, list) else [str(value)]
    return words


def loopback_bytes():
    with open("/proc/self/net/dev") as file:
        line = next(line for line in file if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


def run(command, env):
    """Its own processes end with it, whatever happens."""
    process = subprocess.Popen(command, env=env, cwd=env["TMPDIR"], start_new_session=True, text=True, errors="replace",
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        said = process.communicate(timeout=LONGEST)[1]
    except BaseException as cause:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        if isinstance(cause, subprocess.TimeoutExpired):
            raise Failed(f"takes more than {LONGEST} s") from None
        raise
    if process.returncode:
        raise Failed((said.strip().splitlines() or [f"status {process.returncode}"])[-1])


def measure(command, env, registry=None, daemon=None):
    """The figures of one run. time(1) is between, or the child would begin with the peak of this process. What
    others have written is on the disk before: it would be written while this one runs."""
    os.sync()
    figures = f"{env['TMPDIR']}/figures"
    if daemon:
        daemon.reset_peak()
    daemon_cpu = daemon.cpu() if daemon else 0
    requests = registry.requests() if registry else 0
    sent, begin = loopback_bytes(), time.monotonic()
    run(["time", "-q", "-o", figures, "-f", "%U %S %M", *command], env)
    wall, sent = time.monotonic() - begin, loopback_bytes() - sent
    with open(figures) as file:
        user, system, peak = map(float, file.read().split())
    return {"wall": wall, "cpu": user + system + (daemon.cpu() - daemon_cpu if daemon else 0),
            "peak": max(peak, daemon.peak() if daemon else 0) / 1024, "sent": sent / 1e6,
            "requests": registry.requests() - requests if registry else 0}
