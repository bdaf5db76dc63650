#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A token service for tests: the token endpoint of the distribution spec, GET and OAuth2 POST, at
/token. Tokens are JWTs, signed with RS256 by openssl, whose header carries the certificate (x5c) as
docker-registry wants it. Standard library only; listens on loopback only.

    tokens.py --port-file F --log F [--sign CERT KEY] [option...]

The log has one JSON object a line, written before the answer is sent: method, path, query, scope
(list), service, account, authorization (there was one), user (of it), form (names of the fields), status.
"""

import argparse
import base64
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTML = b"<html><body>A page for people</body></html>\n"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    @property
    def options(self):
        return self.server.options

    def answer(self, status, body, content_type="application/json", headers=None):
        with self.server.lock:
            self.server.log_file.write(json.dumps({**self.record, "status": status}) + "\n")
            self.server.log_file.flush()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, text):
        self.answer(status, json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": text}]}).encode())

    def run(self):
        path, _, self.raw_query = self.path.partition("?")
        query = urllib.parse.parse_qs(self.raw_query)
        form = {}
        length = int(self.headers.get("Content-Length") or 0)
        if length:
            form = urllib.parse.parse_qs(self.rfile.read(length).decode(), strict_parsing=True)
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        basic = base64.b64decode(value).decode() if scheme == "Basic" else ""
        scopes = query.get("scope", []) + " ".join(form.get("scope", [])).split()
        self.service = (query.get("service") or form.get("service") or [""])[0]
        self.record = {
            "method": self.command,
            "path": path,
            "query": self.raw_query,
            "scope": scopes,
            "service": self.service,
            "account": (query.get("account") or [""])[0],
            "authorization": bool(scheme),
            "user": basic.partition(":")[0],
            "form": sorted(form),
        }
        if not path.startswith("/token") or not self.play_faults(basic):
            return
        user = self.who(basic, form)
        if user is None:
            self.refuse(401, "incorrect username or password")
        else:
            self.answer(200, self.grant(user, scopes))

    do_GET = do_POST = run

    def play_faults(self, basic):
        """Returns whether the request is to be answered as it should be."""
        options, kind = self.options, self.options.fail
        time.sleep(options.delay)
        if self.command == "POST" and options.post_status:
            self.refuse(options.post_status, "no POST here")
        elif options.redirect_to and not self.path.startswith("/token/moved"):
            self.answer(307, b"", headers={"Location": options.redirect_to})
        elif kind == "html":
            self.answer(200, HTML, "text/html")
        elif kind == "500":
            self.answer(500, b"it broke\n", "text/plain")
        elif kind == "empty":
            self.answer(200, b"")
        elif kind == "nothing":
            self.close_connection = True
        elif kind == "huge":
            self.answer(200, b'{"token":"' + b"a" * 10_000_000 + b'"}')
        elif kind == "unusable":
            self.answer(200, json.dumps({"token": "a\r\nX-Evil: 1"}).encode())
        elif kind == "echo":
            self.answer(401, f"not let in: {basic}\n".encode(), "text/plain")
        elif kind == "hang":
            time.sleep(600)
        else:
            return True
        return False

    def who(self, basic, form):
        """The user that a token is for, "" for anonymous, None for nobody."""
        if self.command == "POST":
            good = [self.options.refresh] == form.get("refresh_token") and form.get("client_id")
            return "refreshed" if good and form.get("grant_type") == ["refresh_token"] else None
        if not basic:
            return ""
        return basic.partition(":")[0] if basic in self.options.users else None

    def grant(self, user, scopes):
        options = self.options
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            actions = actions.split(",")
            if options.subset:
                actions = [action for action in actions if action == "pull"]
            if user or not options.users:
                access.append({"type": kind, "name": name, "actions": actions})
        now = int(time.time())
        claims = {
            "iss": options.issuer,
            "sub": user,
            "aud": self.service,
            "nbf": now - 10,
            "iat": now,
            "exp": now + options.life,
            "jti": os.urandom(8).hex(),
            "access": access,
        }
        document = {options.key: self.server.sign(claims)}
        if not options.no_expires:
            document["expires_in"] = options.life
        return json.dumps(document).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.log_file = open(options.log, "a", encoding="utf-8")
        self.header = {"typ": "JWT", "alg": "RS256"}
        if options.sign:
            with open(options.sign[0], encoding="ascii") as file:
                pem = file.read()
            self.header["x5c"] = [base64.b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode()]
        super().__init__(("127.0.0.1", 0), Handler)
        if options.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*options.tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def sign(self, claims):
        text = ".".join(encode(json.dumps(part).encode()) for part in (self.header, claims))
        signature = b"not signed"
        if self.options.sign:
            command = ["openssl", "dgst", "-sha256", "-sign", self.options.sign[1]]
            signature = subprocess.run(
                command, input=text.encode(), stdout=subprocess.PIPE, check=True
            ).stdout
        return text + "." + encode(signature)

    def handle_error(self, request, client_address):
        pass


def parse_options():
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--port-file", required=True, help="gets the port once the server listens")
    add("--log", required=True)
    add("--sign", nargs=2, metavar=("CERT", "KEY"), help="sign with KEY; else tokens have no signature")
    add("--tls", nargs=2, metavar=("CERT", "KEY"))
    add("--issuer", default="tests")
    add("--users", action="append", default=[], metavar="USER:PASSWORD",
        help="who gets more than an empty token; without it everybody")
    add("--refresh", metavar="TOKEN", help="the identity token that POST takes")
    add("--life", type=int, default=300, metavar="SECONDS")
    add("--delay", type=float, default=0, metavar="SECONDS", help="before every answer")
    add("--no-expires", action="store_true", help="no expires_in in the answer")
    add("--key", default="token", help="token or access_token")
    add("--subset", action="store_true", help="grant pull alone")
    add("--post-status", type=int, metavar="STATUS", help="POST is refused")
    add("--redirect-to", metavar="URL", help="every request is redirected")
    add("--fail", help="html, 500, empty, nothing, huge, unusable, echo (of the credentials), hang")
    return parser.parse_args()


def main():
    options = parse_options()
    server = Server(options)
    temporary = options.port_file + ".tmp"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(f"{server.server_address[1]}\n")
    os.rename(temporary, options.port_file)
    server.serve_forever()


main()
