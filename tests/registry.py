#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scripted OCI registry for tests: strict about the protocol, with the faults of real ones on
demand, and a log of every request. Standard library only; listens on loopback only.

    registry.py --port-file F --log F [fault...]

The log has one JSON object a line, written before the answer is sent: method, path, query, headers
(names in lower case), contentLength, bodyBytes (received), status (of the answer), connection (the
number of the TCP connection). Of blobs only digest and size are kept; those of one repository are those of
all.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 1 << 16
HTML = b"<html><head><title>nginx</title></head><body><h1>A page</h1></body></html>\n"
NAME = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
DIGEST = r"sha256:[0-9a-f]{64}"


class Refused(Exception):
    """An answer other than success: status, code of the specification, message."""

    def __init__(self, status, code="UNKNOWN", message="refused", headers=None):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}


class Answered(Exception):
    """The request is dealt with."""


class Registry:
    """What is stored, and the faults that are left to happen."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.log_file = open(options.log, "a", encoding="utf-8")
        self.blobs = {}  # digest: size; the bytes are hashed, not kept
        self.manifests = {}  # (repository, digest): (media type, bytes)
        self.tags = {}  # (repository, tag): digest
        self.uploads = {}  # id: Upload
        self.connections = 0
        self.uploads_made = 0
        self.challenges = 0
        self.patches = 0
        self.expired = None  # a token that is no longer let in
        self.faults = []  # [method, count left, status]
        for text in options.fail:
            method, count, status = text.split(":")
            self.faults.append([method, int(count), int(status)])

    def fault(self, method):
        """The status with which this request must fail, or None."""
        with self.lock:
            for fault in self.faults:
                if fault[0] == method and fault[1] > 0:
                    fault[1] -= 1
                    return fault[2]
        return None

    def write_log(self, record):
        with self.lock:
            self.log_file.write(json.dumps(record) + "\n")
            self.log_file.flush()


class Upload:
    """An upload session: how much is there, and its running digest."""

    def __init__(self, repository):
        self.repository = repository
        self.size = 0
        self.sha = hashlib.sha256()
        self.state = 0  # changes with every PATCH; the newest must come back with --location state


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "scripted"
    sys_version = ""

    # --- connection and log

    def setup(self):
        registry = self.server.registry
        with registry.lock:
            registry.connections += 1
            self.connection_number = registry.connections
        super().setup()

    def handle(self):
        if not self.server.registry.options.tls:
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
        parts = self.path.split("?", 1)
        self.url_path = parts[0]
        self.raw_query = parts[1] if len(parts) > 1 else ""
        self.query = dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))
        try:
            self.check_transport()
            self.play_faults()
            self.check_access()
            self.route()
        except Answered:
            pass
        except Refused as refusal:
            self.refuse(refusal)
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True
            self.log(0)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = run

    def log(self, status):
        if self.answered is not None:
            return
        self.answered = status
        length = self.headers.get("Content-Length")
        self.server.registry.write_log(
            {
                "method": self.command,
                "path": self.url_path,
                "query": self.raw_query,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "contentLength": int(length) if length is not None else None,
                "bodyBytes": self.received,
                "status": status,
                "connection": self.connection_number,
            }
        )

    # --- requests and answers

    @property
    def options(self):
        return self.server.registry.options

    def length(self):
        return int(self.headers.get("Content-Length") or 0)

    def read_body(self, take):
        """Gives the body to TAKE in blocks. Returns whether all of it came."""
        left = self.length() - self.received
        while left > 0:
            block = self.rfile.read1(min(left, BLOCK))
            if not block:
                self.close_connection = True
                return False
            self.received += len(block)
            left -= len(block)
            take(block)
        return True

    def answer(self, status, headers=None, body=b""):
        if self.received < self.length():
            # What is unread would be taken for the next request.
            self.close_connection = True
        self.log(status)
        self.send_response(status)
        headers = dict(headers or {})
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

    # --- what every request must keep to, and faults before it is looked at

    def check_transport(self):
        for name in ("Expect", "Transfer-Encoding"):
            if self.headers.get(name):
                raise Refused(400, "UNSUPPORTED", f"{name} was sent")
        if self.command in ("POST", "PUT", "PATCH") and self.headers.get("Content-Length") is None:
            raise Refused(411, "SIZE_INVALID", "no Content-Length")
        if not (self.headers.get("User-Agent") or "").startswith("cog-push/"):
            raise Refused(403, "DENIED", "unknown User-Agent")

    # --- credentials

    def check_access(self):
        """With --basic or --bearer: who may come in. /elsewhere is of another host, which asks for nothing."""
        options = self.options
        if not (options.basic or options.bearer) or self.url_path.startswith("/elsewhere/"):
            return
        if options.auth_only and self.command not in options.auth_only.split(","):
            return
        match = re.match(rf"/v2/({NAME})/(?:blobs|manifests)/", self.url_path)
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        if options.basic and scheme == "Basic":
            if base64.b64decode(value).decode() == options.basic:
                return
        if options.bearer and scheme == "Bearer" and self.allows(value, match, action):
            return
        scope = f"repository:{match[1]}:{'pull' if action == 'pull' else 'pull,push'}" if match else ""
        registry = self.server.registry
        with registry.lock:
            registry.challenges += 1
            count = str(registry.challenges)
        lines = [
            line.replace("{scope}", scope).replace("{count}", f"repository:n{count}:pull")
            for line in options.challenge
        ]
        raise Refused(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": lines})

    def allows(self, token, match, action):
        """Whether the token, of which the signature is not looked at, lives and allows it."""
        if token in self.options.own_token:
            return True
        registry = self.server.registry
        with registry.lock:
            if self.command == "PATCH":
                registry.patches += 1
            if registry.patches == self.options.expire_at and not registry.expired:
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
            one["name"] == match[1] and action in one["actions"] for one in claims["access"]
        )

    def play_faults(self):
        options = self.options
        if options.unauthorized:
            challenge = {"WWW-Authenticate": 'Basic realm="test"'}
            challenge["Docker-Distribution-Api-Version"] = "registry/2.0"
            raise Refused(401, "UNAUTHORIZED", "authentication required", challenge)
        if options.html:
            self.read_body(lambda block: None)
            self.page(200)
            raise Answered()
        if options.not_found:
            self.read_body(lambda block: None)
            self.page(404)
            raise Answered()
        if options.max_body is not None and self.length() > options.max_body:
            self.page(413)
            raise Answered()
        status = self.server.registry.fault(self.command)
        if status is not None:
            self.read_body(lambda block: None)
            if status == 0:
                self.drop()
            raise Refused(status, "UNKNOWN", "a fault as ordered")
        if options.redirect and not self.url_path.startswith("/moved/"):
            self.read_body(lambda block: None)
            self.answer(options.redirect, {"Location": "/moved" + self.path})
            raise Answered()
        if options.redirect_to and self.command != "GET":
            self.answer(307, {"Location": options.redirect_to + self.path})
            raise Answered()
        if self.url_path.startswith("/moved/"):
            self.url_path = self.url_path[len("/moved") :]

    def drop(self):
        """Ends the connection without an answer."""
        self.log(0)
        self.close_connection = True
        raise Answered()

    # --- the verbs

    def route(self):
        path, method = self.url_path, self.command
        if path == "/v2/" and method == "GET":
            version = {"Docker-Distribution-Api-Version": "registry/2.0"}
            self.answer(200, {**version, "Content-Type": "application/json"}, b"{}")
            return
        for pattern, handler in (
            (rf"/v2/({NAME})/blobs/({DIGEST})", self.blob),
            (rf"/v2/({NAME})/blobs/uploads/", self.start),
            (rf"/(?:v2|elsewhere)/({NAME})/blobs/upload/([0-9a-z]+)", self.session),
            (rf"/v2/({NAME})/manifests/([^/]+)", self.manifest),
        ):
            match = re.fullmatch(pattern, path)
            if match:
                handler(*match.groups())
                return
        raise Refused(404, "NAME_UNKNOWN", "no such thing here")

    def blob(self, _repository, digest):
        registry = self.server.registry
        if self.command not in ("HEAD", "GET"):
            raise Refused(405, "UNSUPPORTED", "only HEAD and GET")
        if self.options.head_status:
            raise Refused(self.options.head_status, "UNSUPPORTED", "no HEAD here")
        with registry.lock:
            size = registry.blobs.get(digest)
        if size is None:
            raise Refused(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if self.options.head_redirect:
            # To a store that takes only signed GETs.
            self.answer(307, {"Location": "/store/" + digest})
            return
        headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
        self.answer(200, {**headers, "Content-Length": str(size)})

    def start(self, repository):
        registry = self.server.registry
        if self.command != "POST":
            raise Refused(405, "UNSUPPORTED", "only POST")
        if self.length() != 0:
            raise Refused(400, "SIZE_INVALID", "POST with a body")
        with registry.lock:
            registry.uploads_made += 1
            name = f"u{registry.uploads_made}"
            registry.uploads[name] = upload = Upload(repository)
        headers = self.session_headers(name, upload)
        if self.options.min_chunk is not None:
            headers["OCI-Chunk-Min-Length"] = str(self.options.min_chunk)
        if self.options.max_chunk is not None:
            headers["OCI-Chunk-Max-Length"] = str(self.options.max_chunk)
        self.answer(202, headers)

    def session_headers(self, name, upload):
        shape = self.options.location
        host = self.headers.get("Host")
        scheme = "https" if self.options.tls else "http"
        path = f"/v2/{upload.repository}/blobs/upload/{name}"
        location = {
            "path": path,
            "relative": f"../upload/{name}" if self.command == "POST" else name,
            "absolute": f"{scheme}://{host}{path}",
            "noscheme": f"{host}{path}",
            "downgrade": f"http://{host}{path}",
            "wrong": f"ftp://{host}{path}",
            # Signed, in an order of its own, with an escape: opaque to the client.
            "state": f"{path}?_state=b%2fA==&a=1&_n={upload.state}",
            "other": f"{scheme}://localhost:{self.server.server_address[1]}"
            f"/elsewhere/{upload.repository}/blobs/upload/{name}",
        }[shape]
        headers = {"Location": location}
        if not self.options.empty_range:
            headers["Range"] = f"0-{max(upload.size - 1, 0)}"
        elif upload.size == 0:
            headers["Range"] = "bytes=0--1"
        return headers

    def session(self, _repository, name):
        registry = self.server.registry
        with registry.lock:
            upload = registry.uploads.get(name)
        if upload is None:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if self.options.location == "state" and not re.fullmatch(
            rf"_state=b%2fA==&a=1&_n={upload.state}(&digest={DIGEST})?", self.raw_query
        ):
            raise Refused(404, "BLOB_UPLOAD_INVALID", "invalid state")
        if self.command == "PATCH":
            self.patch(name, upload)
        elif self.command == "PUT":
            self.commit(name, upload)
        elif self.command == "DELETE":
            with registry.lock:
                registry.uploads.pop(name, None)
            self.answer(204)
        else:
            raise Refused(405, "UNSUPPORTED", "no such verb")

    def store(self, upload):
        def take(block):
            upload.sha.update(block)
            upload.size += len(block)
            if self.options.throttle:
                time.sleep(len(block) / self.options.throttle)

        if not self.read_body(take):
            self.log(0)
            raise Answered()

    def check_type(self):
        if self.headers.get("Content-Type") != "application/octet-stream":
            raise Refused(415, "UNSUPPORTED", "Content-Type is not application/octet-stream")

    def patch(self, name, upload):
        self.check_type()
        match = re.fullmatch(r"(\d+)-(\d+)", self.headers.get("Content-Range") or "")
        if not match:
            raise Refused(416, "RANGE_INVALID", "no Content-Range of the form a-b")
        first, last = int(match[1]), int(match[2])
        if first != upload.size or last - first + 1 != self.length() or last <= first:
            raise Refused(416, "RANGE_INVALID", f"have {upload.size} bytes")
        self.store(upload)
        upload.state += 1
        self.answer(self.options.patch_status, self.session_headers(name, upload))

    def commit(self, name, upload):
        registry = self.server.registry
        digest = self.query.get("digest", "")
        if self.length():
            self.check_type()
            if upload.size:
                raise Refused(400, "SIZE_INVALID", "a body in the PUT after PATCHes")
            self.store(upload)
        if self.options.delay_put:
            time.sleep(self.options.delay_put)
        with registry.lock:
            registry.uploads.pop(name, None)
        if upload.size == 0:
            raise Refused(500, "UNKNOWN", "an empty blob")
        if digest != "sha256:" + upload.sha.hexdigest():
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        if not self.options.put_lose:
            with registry.lock:
                registry.blobs[digest] = upload.size
        if self.options.put_drop:
            self.drop()
        if self.options.put_answer:
            raise Refused(self.options.put_answer, "UNKNOWN", "an answer as ordered")
        location = f"/v2/{upload.repository}/blobs/{digest}"
        self.answer(self.options.put_status, {"Location": location})

    # --- manifests

    def manifest(self, repository, name):
        if self.command == "PUT":
            self.put_manifest(repository, name)
        elif self.command in ("HEAD", "GET"):
            self.get_manifest(repository, name)
        else:
            raise Refused(405, "UNSUPPORTED", "no such verb")

    def digest_header(self, digest):
        if self.options.no_content_digest:
            return {}
        if self.options.wrong_content_digest:
            digest = "sha256:" + "0" * 64
        return {"Docker-Content-Digest": digest}

    def get_manifest(self, repository, name):
        registry = self.server.registry
        with registry.lock:
            digest = registry.tags.get((repository, name), name)
            found = registry.manifests.get((repository, digest))
        if not found:
            raise Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, data = found
        self.answer(200, {"Content-Type": media_type, **self.digest_header(digest)}, data)

    def put_manifest(self, repository, name):
        registry = self.server.registry
        data = bytearray()
        if not self.read_body(data.extend):
            self.drop()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        media_type = self.headers.get("Content-Type")
        try:
            document = json.loads(data)
        except ValueError:
            raise Refused(400, "MANIFEST_INVALID", "not JSON") from None
        if document.get("mediaType", media_type) != media_type:
            raise Refused(400, "MANIFEST_INVALID", "Content-Type is not the mediaType")
        if name.startswith("sha256:") and name != digest:
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match")
        self.check_references(repository, document)
        with registry.lock:
            registry.manifests[(repository, digest)] = (media_type, bytes(data))
            if not name.startswith("sha256:"):
                registry.tags[(repository, name)] = digest
        location = f"/v2/{repository}/manifests/{digest}"
        self.answer(201, {"Location": location, **self.digest_header(digest)})

    def check_references(self, repository, document):
        registry = self.server.registry
        with registry.lock:
            for child in document.get("manifests") or []:
                if (repository, child["digest"]) not in registry.manifests:
                    raise Refused(404, "MANIFEST_UNKNOWN", "child: " + child["digest"])
            blobs = list(document.get("layers") or [])
            if "config" in document:
                blobs.append(document["config"])
            for blob in blobs:
                if blob["digest"] not in registry.blobs and not blob.get("urls"):
                    raise Refused(404, "MANIFEST_BLOB_UNKNOWN", "blob: " + blob["digest"])


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, options):
        self.registry = Registry(options)
        self.context = None
        if options.tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*options.tls)
            if options.client_ca:
                self.context.load_verify_locations(options.client_ca)
                self.context.verify_mode = ssl.CERT_REQUIRED
        super().__init__(("127.0.0.1", options.port), Handler)

    def finish_request(self, request, client_address):
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context:
            if request.recv(1, socket.MSG_PEEK) not in (b"\x16", b""):
                # Something came in the clear: that is all there is to say.
                self.registry.write_log({"method": "CLEAR"})
                return
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, ssl.SSLError, OSError)):
            super().handle_error(request, client_address)


def parse_options():
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--port", type=int, default=0)
    add("--port-file", required=True, help="gets the port once the server listens")
    add("--log", required=True)
    add("--tls", nargs=2, metavar=("CERT", "KEY"))
    add("--blob", action="append", default=[], metavar="DIGEST", help="there from the start")
    add("--location", default="path", help="shape of Location: path, relative, absolute, noscheme,"
        " downgrade (http:// where https is meant), wrong (ftp), state (signed query), other (host)")
    add("--max-body", type=int, help="larger ones get the 413 page of a proxy, unread")
    add("--min-chunk", type=int, help="OCI-Chunk-Min-Length")
    add("--max-chunk", type=int, help="OCI-Chunk-Max-Length")
    add("--fail", action="append", default=[], metavar="METHOD:COUNT:STATUS",
        help="the first COUNT requests fail; status 0 drops the connection")
    add("--patch-status", type=int, default=202)
    add("--put-status", type=int, default=201)
    add("--put-drop", action="store_true", help="commit, then drop the connection")
    add("--put-answer", type=int, metavar="STATUS", help="commit, then answer with a failure")
    add("--put-lose", action="store_true", help="store nothing")
    add("--delay-put", type=float, metavar="SECONDS")
    add("--throttle", type=float, metavar="BYTES", help="a second, of blob bodies")
    add("--empty-range", action="store_true", help="Range: bytes=0--1, later none")
    add("--head-redirect", action="store_true", help="HEAD of a blob redirects to a store")
    add("--head-status", type=int, metavar="STATUS", help="HEAD of a blob is refused")
    add("--redirect", type=int, metavar="STATUS", help="every path moves to /moved/PATH")
    add("--no-content-digest", action="store_true")
    add("--wrong-content-digest", action="store_true")
    add("--redirect-to", metavar="URL", help="all but GET moves to another server, with 307")
    add("--basic", metavar="USER:PASSWORD", help="Basic credentials that are let in")
    add("--bearer", action="store_true", help="tokens of tokens.py are let in")
    add("--own-token", action="append", default=[], help="a bearer token that is let in")
    add("--challenge", action="append", default=[], metavar="TEXT",
        help="a line of WWW-Authenticate; {scope} is that of the request, {count} one of its own")
    add("--expire-at", type=int, metavar="N", help="the token of the Nth PATCH is no longer let in")
    add("--auth-only", metavar="METHODS", help="only these ask for credentials")
    add("--client-ca", metavar="FILE", help="clients need a certificate of this CA")
    add("--401", dest="unauthorized", action="store_true")
    add("--html", action="store_true", help="200 and a page for everything")
    add("--not-found", action="store_true", help="404 and a page for everything")
    return parser.parse_args()


def main():
    options = parse_options()
    server = Server(options)
    for digest in options.blob:
        server.registry.blobs[digest] = 1
    temporary = options.port_file + ".tmp"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(f"{server.server_address[1]}\n")
    os.rename(temporary, options.port_file)
    server.serve_forever()


main()
