# SPDX-License-Identifier: Apache-2.0
"""One request to the scripted registry: how it is read, logged, let in, failed on order, answered."""

import base64
import json
import os
import re
import socket
import ssl
import struct
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

from manifests import Manifests
from stored import Answered, Ended, Refused

BLOCK = 1 << 20
DRAIN = 1 << 18
PIECE = 256  # bytes of a segment, and of what is read at once, with --receive-buffer
HTML = b"<html><head><title>nginx</title></head><body><h1>A page</h1></body></html>\n"
NAME = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
DIGEST = r"sha256:[0-9a-f]{64}"


class Handler(Manifests, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "scripted"
    sys_version = ""

    # --- connection and log

    def setup(self):
        self.registry, self.options = self.server.registry, self.server.registry.options
        self.model = self.server.model
        with self.registry.lock:
            self.registry.connections += 1
            self.connection_number = self.registry.connections
        self.block = None
        if self.options.receive_buffer:
            self.rbufsize = PIECE
        super().setup()

    def handle(self):
        if not self.options.tls:
            try:
                if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
                    # A TLS greeting; this server speaks none.
                    self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nno TLS here\n")
                    return
            except OSError:
                return
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            pass

    def log_message(self, format, *args):
        pass

    def run(self):
        self.received = 0
        self.answered = None
        self.lingers = False
        self.url_path, _, self.raw_query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))
        self.plan = self.server.faults.plan(self.command, self.url_path, self.length())
        try:
            try:
                if self.plan.cut_after == 0:
                    raise Ended()
                self.check_transport()
                self.play_faults()
                self.check_access()
                self.route()
            except Refused as refusal:
                self.refuse(refusal)
        except Answered:
            pass
        except (Ended, ConnectionError, ssl.SSLError):
            self.end()
        if self.lingers:
            self.linger()

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = run

    def log(self, status, **more):
        if self.answered is not None:
            return
        self.answered = status
        if self.plan.faults:
            more["faults"] = self.plan.faults
        length = self.headers.get("Content-Length")
        self.registry.write_log(
            {
                "method": self.command,
                "path": self.url_path,
                "query": self.raw_query,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "contentLength": int(length) if length is not None else None,
                "bodyBytes": self.received,
                "status": status,
                "connection": self.connection_number,
                **more,
            }
        )

    # --- the end of a connection

    def end(self, **more):
        """Ends the connection without an answer: as planned, or because the client did."""
        self.close_connection = True
        if not self.plan.cut:
            self.log(0)
            return
        self.log(0, cut=True, **more)
        if self.plan.outage is not None:
            self.server.go_down(self.plan.outage)
        if not self.plan.cut_resets:
            self.lingers = True
            return
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def linger(self):
        """Closes so that the client can read what was sent: with a FIN, and what still comes is
        read for a while, since to close with unread bytes resets the connection."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            end = time.monotonic() + 0.5
            while self.connection.recv(BLOCK) and time.monotonic() < end:
                pass
        except OSError:
            pass

    def drop(self):
        """Ends the connection without an answer."""
        self.log(0)
        self.close_connection = True
        raise Answered()

    # --- requests and answers

    def length(self):
        return int(self.headers.get("Content-Length") or 0)

    def read_some(self, most):
        """The next bytes of the body, at most MOST; they are good until the next call."""
        plan = self.plan
        if plan.cut_after is not None:
            most = min(most, plan.cut_after - self.received)
        if plan.stall and self.received <= plan.stall[0]:
            if self.received == plan.stall[0]:
                time.sleep(plan.stall[1])
                plan.stall = None
            else:
                most = min(most, plan.stall[0] - self.received)
        if most == 0:
            raise Ended()
        if self.block is None:
            self.block = memoryview(bytearray(BLOCK))
        count = self.rfile.readinto1(self.block[: min(most, BLOCK)])
        if not count:
            raise Ended()
        self.received += count
        if self.options.throttle:
            time.sleep(count / self.options.throttle)
        return self.block[:count]

    def read_body(self, take, end=None):
        """Gives the body, up to END, to TAKE in blocks. Ended if not all of it came."""
        most = BLOCK if not self.options.throttle else 1 << 16
        if self.options.receive_buffer:
            most = PIECE
        end = self.length() if end is None else min(end, self.length())
        while self.received < end:
            block = self.read_some(min(end - self.received, most))
            if self.plan.short is not None:
                block = block[: max(self.plan.short - self.received + len(block), 0)]
            if block:
                take(block)

    def discard(self, end=None):
        self.read_body(lambda block: None, end)

    def answer(self, status, headers=None, body=b""):
        headers = dict(headers or {})
        if self.model.drains and self.received < self.length():
            self.discard(self.received + DRAIN)
        if self.received < self.length():
            # What is unread would be taken for the next request.
            self.close_connection = True
            if self.model.drains:
                headers["Connection"] = "close"
                self.lingers = True
        if self.plan.cut:
            self.end(lost=status)
            raise Answered()
        if self.plan.answer:
            status, self.plan.answer = self.plan.answer, None
            headers, body = {"Content-Type": "text/plain"}, b"an answer as ordered\n"
        self.log(status)
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        if status == 204:
            del headers["Content-Length"]
        for name, values in headers.items():
            for value in values if isinstance(values, list) else [values]:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def refuse(self, refusal):
        body = json.dumps(
            {"errors": [{"code": refusal.code, "message": refusal.message}]}
        ).encode()
        headers = {"Content-Type": "application/json", **refusal.headers}
        self.answer(refusal.status, headers, body)

    def page(self, status):
        self.answer(status, {"Content-Type": "text/html; charset=utf-8"}, HTML)
        raise Answered()

    # --- what every request must keep to, and faults before it is looked at

    def check_transport(self):
        for name in ("Expect", "Transfer-Encoding"):
            if self.headers.get(name):
                raise Refused(400, "UNSUPPORTED", f"{name} was sent")
        if self.command in ("POST", "PUT", "PATCH") and self.headers.get("Content-Length") is None:
            raise Refused(*self.model.no_length, "no Content-Length")
        if not (self.headers.get("User-Agent") or "").startswith("cog-push/"):
            raise Refused(403, "DENIED", "unknown User-Agent")

    def play_faults(self):
        options = self.options
        if options.unauthorized:
            challenge = {"WWW-Authenticate": 'Basic realm="test"'}
            challenge["Docker-Distribution-Api-Version"] = "registry/2.0"
            raise Refused(401, "UNAUTHORIZED", "authentication required", challenge)
        if options.html or options.not_found:
            self.discard()
            self.page(200 if options.html else 404)
        if options.max_body is not None and self.length() > options.max_body:
            self.discard(options.read_first)
            self.page(413)
        self.play_orders()
        if options.redirect and not self.url_path.startswith("/moved/"):
            self.discard()
            self.answer(options.redirect, {"Location": "/moved" + self.path})
            raise Answered()
        if self.url_path.startswith("/moved/"):
            self.url_path = self.url_path[len("/moved") :]

    def play_orders(self):
        plan = self.plan
        if plan.early:
            self.discard(plan.early[0])
            self.page(plan.early[1])
        if plan.fail is None:
            return
        self.discard()
        if plan.fail == 0:
            self.drop()
        headers = {"Retry-After": plan.retry_after} if plan.retry_after else {}
        if plan.fail == 401:
            headers["WWW-Authenticate"] = self.challenges("")
        if self.options.html_failures:
            self.answer(plan.fail, {**headers, "Content-Type": "text/html"}, HTML)
            raise Answered()
        raise Refused(plan.fail, "UNKNOWN", "a fault as ordered", headers)

    # --- credentials

    def check_access(self):
        """With --basic or --bearer: who may come in. /elsewhere is of another host, which asks for
        nothing; nor does the token service."""
        options = self.options
        if not (options.basic or options.bearer) or self.url_path.startswith("/elsewhere/"):
            return
        if self.url_path == options.token_path:
            return
        if options.auth_only and self.command not in options.auth_only.split(","):
            return
        match = re.match(rf"/v2/({NAME})/(?:blobs|manifests|referrers)/", self.url_path)
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        if options.basic and scheme == "Basic":
            if base64.b64decode(value).decode() == options.basic:
                return
        if options.bearer and scheme == "Bearer" and self.allows(value, match, action):
            return
        scope = f"repository:{match[1]}:{'pull' if action == 'pull' else 'pull,push'}" if match else ""
        lines = {"WWW-Authenticate": self.challenges(scope)}
        raise Refused(401, "UNAUTHORIZED", "authentication required", lines)

    def challenges(self, scope):
        registry = self.registry
        with registry.lock:
            registry.challenges += 1
            count = str(registry.challenges)
        return [
            line.replace("{scope}", scope).replace("{count}", f"repository:n{count}:pull")
            for line in self.options.challenge
        ]

    def allows(self, token, match, action):
        """Whether the token, of which the signature is not looked at, lives and allows it."""
        if token in self.options.own_token:
            return True
        registry = self.registry
        with registry.lock:
            method, _, number = (self.options.expire_at or "").partition(":")
            if self.command == method:
                registry.sent += 1
                if registry.sent == int(number) and not registry.expired:
                    registry.expired = token
            if token == registry.expired:
                return False
        try:
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            return False
        if claims["exp"] <= time.time():
            return False
        return not match or any(
            one["type"] == "aws" or (one["name"] == match[1] and action in one["actions"])
            for one in claims["access"]
        )

    # --- the verbs

    def route(self):
        path, method, options = self.url_path, self.command, self.options
        if options.redirect_to and method != "GET":
            self.answer(307, {"Location": options.redirect_to + self.path})
            return
        if path == "/v2/" and method == "GET":
            version = {"Docker-Distribution-Api-Version": "registry/2.0"}
            self.answer(200, {**version, "Content-Type": "application/json"}, b"{}")
            return
        if path == options.token_path and method == "GET":
            token = json.dumps({"token": options.own_token[0]})
            self.answer(200, {"Content-Type": "application/json"}, token.encode())
            return
        if path.startswith("/store/"):
            raise Refused(403, "DENIED", "a store that takes only signed GETs")
        for pattern, handler in (
            (rf"/v2/({NAME})/blobs/({DIGEST})", self.blob),
            (rf"/v2/({NAME})/blobs/uploads/", self.start),
            (rf"/(?:v2|elsewhere)/({NAME})/blobs/uploads?/([0-9a-z]+)", self.session),
            (rf"/v2/({NAME})/manifests/([^/]+)", self.manifest),
            (rf"/v2/({NAME})/referrers/({DIGEST})", self.referrers),
        ):
            match = re.fullmatch(pattern, path)
            if match:
                handler(*match.groups())
                return
        raise Refused(404, "NAME_UNKNOWN", "no such thing here")

    def blob(self, repository, digest):
        options = self.options
        if self.command == "DELETE":
            self.registry.delete_blob(digest)
            self.answer(202)
            return
        if self.command not in ("HEAD", "GET"):
            raise Refused(405, "UNSUPPORTED", "only HEAD, GET and DELETE")
        if options.head_status:
            raise Refused(options.head_status, "UNSUPPORTED", "no HEAD here")
        size = self.registry.blob_size(repository, digest)
        if size is None or self.registry.is_late(digest):
            raise Refused(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if options.head_redirect:
            self.answer(307, {"Location": "/store/" + digest})
            return
        headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
        if options.head_no_length:
            self.close_connection = True
            self.answer(200, {**headers, "Content-Length": []})
        elif self.command == "GET" and options.store:
            with open(os.path.join(options.store, digest.split(":")[1]), "rb") as file:
                self.answer(200, headers, file.read())
        else:
            self.answer(200, {**headers, "Content-Length": str(size)})

    def start(self, repository):
        if self.command != "POST":
            raise Refused(405, "UNSUPPORTED", "only POST")
        if self.length() != 0:
            raise Refused(400, "SIZE_INVALID", "POST with a body")
        if "mount" in self.query:
            self.mount(repository)
        self.model.start(self, self.registry.open_upload(repository))

    def mount(self, repository):
        """Answers as --mount says, or returns for an upload. Without it what the repository has is
        there."""
        digest, source = self.query["mount"], self.query.get("from", "")
        kind = self.options.mount or ("201" if source == repository else "202")
        if kind == "drop":
            self.drop()
        if kind not in ("201", "202"):
            headers = {"WWW-Authenticate": self.challenges("")} if kind == "401" else {}
            raise Refused(int(kind), "DENIED", "no mount here", headers)
        size = self.registry.blob_size(source, digest)
        if kind == "201" and size is not None and not self.registry.is_late(digest):
            self.registry.add_blob(repository, digest, size)
            location = f"/v2/{repository}/blobs/{digest}"
            self.answer(201, {"Location": location, "Docker-Content-Digest": digest})
            raise Answered()

    def session(self, _repository, name):
        registry, plan = self.registry, self.plan
        with registry.lock:
            upload = registry.uploads.get(name)
            if plan.lose:
                registry.uploads[name] = upload = plan.lose
        if isinstance(upload, int):
            code = "INTERNAL_ERROR" if upload == 500 else "BLOB_UPLOAD_UNKNOWN"
            raise Refused(upload, code, "blob upload unknown to registry")
        if upload is None:
            raise self.model.unknown(self.command)
        if self.command == "GET" and self.options.get_status:
            raise Refused(self.options.get_status, "UNSUPPORTED", "no status of an upload here")
        self.model.check(self, upload)
        verbs = {"PATCH": "patch", "PUT": "put", "DELETE": "cancel", "GET": "status"}
        if self.command not in verbs:
            raise Refused(405, "UNSUPPORTED", "no such verb")
        getattr(self.model, verbs[self.command])(self, upload)

    def location(self, path, query=""):
        """A session's URL in the shape of --location."""
        shape = self.options.location or self.model.location
        host = self.headers.get("Host")
        scheme = "https" if self.options.tls else "http"
        directory, _, name = path.rpartition("/")
        ports = self.registry.ports
        other = f"{scheme}://localhost:{ports[0]}/elsewhere"
        door = f"{scheme}://{host.partition(':')[0]}:{ports[-1]}/elsewhere"
        return {
            "path": path,
            "relative": f"../{directory.rpartition('/')[2]}/{name}" if self.command == "POST" else name,
            "absolute": f"{scheme}://{host}{path}",
            "noscheme": f"{host}{path}",
            "downgrade": f"http://{host}{path}",
            # With the port spelled out, that the client leaves out where it is the default.
            "port": f"{scheme}://{host.partition(':')[0]}:{ports[0]}{path}",
            "wrong": f"ftp://{host}{path}",
            "state": path,
            "other": other + path[len("/v2") :],
            "door": door + path[len("/v2") :],
        }[shape] + query

    def wait_put(self):
        if self.options.delay_put:
            time.sleep(self.options.delay_put)

    def commit(self, upload, digest):
        """The blob is there before the session has ended: nobody finds neither."""
        options = self.options
        with self.registry.lock:
            self.registry.close_upload(upload, None if options.put_lose else digest)
            if not options.put_lose:
                self.registry.add_blob(upload.repository, digest, upload.size)
        if options.put_drop:
            self.drop()
        if options.put_answer:
            raise Refused(options.put_answer, "UNKNOWN", "an answer as ordered")
        location = f"/v2/{upload.repository}/blobs/{digest}"
        self.answer(options.put_status, {"Location": location, "Docker-Content-Digest": digest})
