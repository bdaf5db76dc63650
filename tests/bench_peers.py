# SPDX-License-Identifier: Apache-2.0
"""The servers of tests/bench, each on loopback or a private socket, with its data in the bench's own folder:
Debian's docker-registry, what stands before it, and the engines that hold images."""
import glob
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time


class Server:
    """A process that writes FOLDER/log. close() ends it and removes FOLDER."""

    def __init__(self, folder, command):
        self.folder = folder
        with open(f"{folder}/log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        with open(f"{self.folder}/log", errors="replace") as file:
            return file.read()

    def wait_until(self, is_there):
        """Returns what IS_THERE returned, if anything. Who is stopped meanwhile leaves no server."""
        end = time.monotonic() + 60
        try:
            while not (found := is_there()):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{self.process.args[0]} does not start")
                time.sleep(0.05)
        except BaseException:
            self.close()
            raise
        return found

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Registry(Server):
    """Debian's docker-registry, empty. With FRONT, "delay" or "tls", that is what has the port; the registry
    has a socket, so that only what comes from a tool goes over loopback."""

    def __init__(self, work, front, tls):
        folder = tempfile.mkdtemp(dir=work)
        self.front, address, net = None, "127.0.0.1:0", "tcp"
        if front:
            self.sockets = tempfile.mkdtemp(prefix="bench.", dir="/tmp")  # a socket's path is short
            address, net = f"{self.sockets}/registry", "unix"
        with open(f"{folder}/config.yml", "w") as file:
            file.write(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: '{folder}/data'}}}}\n"
                       f"http: {{net: {net}, addr: '{address}'}}\n")
        super().__init__(folder, ["docker-registry", "serve", f"{folder}/config.yml"])
        self.host = self.wait_until(lambda: re.search(r'listening on ([^ "]+)', self.log()))[1]
        if front:
            self.front = Delay(address, 0.05) if front == "delay" else tls.serve(work, address)
            self.host = self.front.host

    def requests(self):
        """Of tools, once no more comes: a request may be logged after its answer."""
        count, before = -1, -2
        while count != before:
            count, before = len(re.findall(r'"(?:HEAD|GET|POST|PATCH|PUT) /v2/', self.log())), count
            time.sleep(0.05)
        return count

    def close(self):
        if self.front:
            self.front.close()
        super().close()
        if hasattr(self, "sockets"):
            shutil.rmtree(self.sockets)


class Delay:
    """A proxy before the socket TARGET that holds back every answer for SECONDS."""

    def __init__(self, target, seconds):
        self.target, self.seconds = target, seconds
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host = "127.0.0.1:%d" % self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.server.accept()[0]
            except OSError:
                return
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            threading.Thread(target=self.pump, args=(near, far, 0), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, self.seconds), daemon=True).start()

    def pump(self, source, target, seconds):
        try:
            while data := source.recv(1 << 18):
                time.sleep(seconds)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


class Tls:
    """A private CA, alone in the folder CERTS, and nginx with a certificate of it."""

    def __init__(self, work):
        self.certs, self.pair = f"{work}/certs", f"{work}/server"
        os.mkdir(self.certs)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        ca, ca_key = f"{self.certs}/ca.crt", f"{work}/ca.key"
        self.openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=bench",
                     "-addext", "keyUsage=critical,keyCertSign", "-keyout", ca_key, "-out", ca)
        self.openssl("req", *key, "-subj", "/CN=server", "-keyout", f"{self.pair}.key", "-out", f"{self.pair}.csr")
        with open(f"{self.pair}.ext", "w") as file:
            file.write("subjectAltName=IP:127.0.0.1\n")
        self.openssl("x509", "-req", "-in", f"{self.pair}.csr", "-CA", ca, "-CAkey", ca_key, "-set_serial", "7",
                     "-days", "2", "-extfile", f"{self.pair}.ext", "-out", f"{self.pair}.pem")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def serve(self, work, target):
        """nginx before the socket TARGET."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder = tempfile.mkdtemp(dir=work)
        temporary = "\n".join(f"{name}_temp_path {name};" for name in
                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        with open(f"{folder}/nginx.conf", "w") as file:
            file.write(f"""daemon off; master_process off; pid nginx.pid; {user}
                events {{}}
                http {{
                    access_log off;
                    {temporary}
                    server {{
                        listen 127.0.0.1:{port} ssl;
                        ssl_certificate "{self.pair}.pem";
                        ssl_certificate_key "{self.pair}.key";
                        client_max_body_size 0;
                        proxy_request_buffering off;
                        proxy_http_version 1.1;
                        proxy_set_header Host $http_host;
                        proxy_set_header X-Forwarded-Proto https;
                        location / {{ proxy_pass http://unix:{target}:; }}
                    }}
                }}""")
        server = Server(folder, ["nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"])
        server.host = f"127.0.0.1:{port}"
        server.wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        return server


class Docker(Server):
    """A daemon with its data in WORK, and the images that are loaded; ENV leads docker to it."""

    def __init__(self, work, env):
        folder = tempfile.mkdtemp(prefix="bench.", dir="/tmp")  # a socket's path is short
        self.data, self.env, self.loaded = f"{work}/docker", env, set()
        env["DOCKER_HOST"] = f"unix://{folder}/socket"
        with open(f"{folder}/config.json", "w") as file:
            file.write("{}")
        super().__init__(folder, [
            "dockerd", "--host", env["DOCKER_HOST"], "--config-file", f"{folder}/config.json", "--data-root", self.data,
            "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid",
            "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"])
        self.wait_until(lambda: subprocess.run(["docker", "version"], env=env, capture_output=True).returncode == 0)

    def run(self, *arguments):
        subprocess.run(["docker", *arguments], env=self.env, check=True, capture_output=True)

    def load(self, image):
        if image.name not in self.loaded:
            self.run("load", "-i", image.tar)
            self.loaded.add(image.name)

    def name(self, image, ref):
        self.run("tag", image.name, ref)

    def processes(self):
        """The daemon and what it started, containerd."""
        pids = [self.process.pid]
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                if int(stat_fields(path)[1]) == self.process.pid:
                    pids.append(int(path.split("/")[2]))
            except OSError:
                pass
        return pids

    def cpu(self):
        """Seconds so far, of ended children too."""
        ticks = sum(sum(map(int, stat_fields(f"/proc/{pid}/stat")[11:15])) for pid in self.processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def reset_peak(self):
        for pid in self.processes():
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")

    def peak(self):
        """KiB resident of the largest, since reset_peak()."""
        found = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/status") as file:
                found = max(found, int(re.search(r"VmHWM:\s*(\d+)", file.read())[1]))
        return found

    def close(self):
        super().close()
        remove_with_mounts(self.folder)
        remove_with_mounts(self.data)


class Podman:
    """A store of podman and buildah in WORK; ENV leads them to it."""

    def __init__(self, work, env):
        self.folder, self.env, self.loaded = f"{work}/podman", env, set()
        os.mkdir(self.folder)
        with open(f"{self.folder}/storage.conf", "w") as file:
            file.write(f'[storage]\ndriver = "vfs"\ngraphroot = "{self.folder}/root"\nrunroot = "{self.folder}/run"\n')
        with open(f"{self.folder}/containers.conf", "w") as file:
            file.write('[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
                       f'tmp_dir = "{self.folder}/tmp"\n')
        env["CONTAINERS_STORAGE_CONF"] = f"{self.folder}/storage.conf"
        env["CONTAINERS_CONF"] = f"{self.folder}/containers.conf"

    def load(self, image):
        if image.name not in self.loaded:
            subprocess.run(["podman", "load", "-i", image.tar], env=self.env, check=True, capture_output=True)
            self.loaded.add(image.name)

    def close(self):
        remove_with_mounts(self.folder)


def stat_fields(path):
    """Of proc(5), from the state on: the name before it may hold anything."""
    with open(path) as file:
        return file.read().rpartition(")")[2].split()


def remove_with_mounts(folder):
    with open("/proc/self/mountinfo") as file:
        places = [line.split()[4].encode().decode("unicode_escape") for line in file]
    for place in reversed(places):
        if f"{place}/".startswith(f"{folder}/"):
            subprocess.run(["umount", place], check=False)
    shutil.rmtree(folder, ignore_errors=True)
