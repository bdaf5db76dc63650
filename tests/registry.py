#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scripted OCI registry for tests: strict about the protocol, with the behaviour and the faults of real
ones on demand, and a log of every request. Standard library only; listens on loopback only.

    registry.py --port-file F --log F [--model NAME] [--store DIR] [fault...]

The log has one JSON object a line, written before the answer is sent: method, path, query, headers
(names in lower case), contentLength, bodyBytes (received), status (of the answer; 0 without one),
connection (the number of the TCP connection). A request that was cut here has cut true, and lost, the
status of the answer that was not sent; faults are the options of what a request met on order. Of blobs only digest and size are kept, or, with --store, the bytes as
DIR/<hex>; those of one repository are those of all, but for --mount.

The parts: verbs.py (a request), manifests.py, sessions.py and models.py (uploads as of different
registries), faults.py (which request meets what), stored.py (what is there).
"""

import argparse
import os
import socket
import ssl
import sys
import threading
import time
from http.server import ThreadingHTTPServer

from faults import Faults, add_options
from models import MODELS
from sessions import Plain
from stored import Registry
from verbs import PIECE, Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, options, registry):
        """Several may listen for one registry."""
        self.registry, self.faults, self.model = registry, registry.faults, registry.model
        self.open_sockets = set()
        self.outage = 0  # seconds, of the one that is to come
        self.context = None
        if options.tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*options.tls)
            if options.client_ca:
                self.context.load_verify_locations(options.client_ca)
                self.context.verify_mode = ssl.CERT_REQUIRED
        if ":" in options.address:
            self.address_family = socket.AF_INET6
        super().__init__((options.address, 0 if registry.ports else options.port), Handler)
        registry.ports.append(self.server_address[1])

    def server_bind(self):
        size = self.registry.options.receive_buffer
        if size:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, PIECE)
        super().server_bind()

    def finish_request(self, request, client_address):
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context:
            if request.recv(1, socket.MSG_PEEK) not in (b"\x16", b""):
                # Something came in the clear: that is all there is to say.
                self.registry.write_log({"method": "CLEAR"})
                return
            request = self.context.wrap_socket(request, server_side=True)
        self.open_sockets.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.open_sockets.discard(request)

    def go_down(self, seconds):
        """Ends all connections, and takes none for so long. What is stored stays."""
        self.outage = seconds
        for request in list(self.open_sockets):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.shutdown()

    def come_back(self):
        self.socket.close()
        time.sleep(self.outage)
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()
        self.server_activate()

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, ssl.SSLError, OSError)):
            super().handle_error(request, client_address)


def parse_options():
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--address", default="127.0.0.1", help="another one than this needs a network of its own")
    add("--port", type=int, default=0)
    add("--port-file", required=True, help="gets the port once the server listens")
    add("--log", required=True)
    add("--tls", nargs=2, metavar=("CERT", "KEY"))
    add("--store", metavar="DIR", help="keep blobs, as DIR/<hex>")
    add("--model", choices=MODELS, help="the registry that is played; see models.py")
    add("--blob", action="append", default=[], metavar="DIGEST[@REPOSITORY]",
        help="there from the start")
    add("--location", help="shape of Location: path, relative, absolute, noscheme,"
        " downgrade (http:// where https is meant), port (spelled out), wrong (ftp),"
        " state (signed query), other (host), door (another port, which asks for no credentials)")
    add("--max-body", type=int, help="larger ones get the 413 page of a proxy, unread")
    add("--min-chunk", type=int, help="OCI-Chunk-Min-Length")
    add("--max-chunk", type=int, help="OCI-Chunk-Max-Length")
    add("--part-min", type=int, default=5 << 20, metavar="BYTES",
        help="smallest part of serverless and ecr, 5 MiB")
    add("--patch-max", type=int, default=4 << 20, metavar="BYTES",
        help="largest PATCH of ghcr, 4 MiB")
    add("--read-first", type=int, default=0, metavar="BYTES", help="of them, so much is read")
    add_options(add)
    add("--html-failures", action="store_true", help="failures as ordered are pages")
    add("--patch-status", type=int, default=202)
    add("--put-status", type=int, default=201)
    add("--put-drop", action="store_true", help="commit, then drop the connection")
    add("--put-answer", type=int, metavar="STATUS", help="commit, then answer with a failure")
    add("--put-lose", action="store_true", help="store nothing")
    add("--delay-put", type=float, metavar="SECONDS")
    add("--throttle", type=float, metavar="BYTES", help="a second, of blob bodies")
    add("--receive-buffer", type=int, metavar="BYTES",
        help="of a connection, read in small pieces; segments are small too, so that its other end keeps little")
    add("--range", choices=("none", "high", "frozen", "chunk", "minus"),
        help="Range of PATCH and GET: none, one too high, that of the first chunk, of this chunk")
    add("--get-status", type=int, metavar="STATUS", help="GET of a session is refused")
    add("--empty-range", action="store_true", help="Range: bytes=0--1, later none")
    add("--head-redirect", action="store_true", help="HEAD of a blob redirects to a store")
    add("--head-status", type=int, metavar="STATUS", help="HEAD of a blob is refused")
    add("--head-no-length", action="store_true", help="HEAD of a blob is 200 without a length")
    add("--head-later", type=float, metavar="SECONDS", help="a blob shows so long after its commit")
    add("--mount", metavar="201|202|401|403|404|405|drop", help="what a mount gets: 201 where the"
        " blob is in that repository, else an upload. Blobs are then those of their repository. Without"
        " it only a mount from the repository itself gets 201")
    add("--redirect", type=int, metavar="STATUS", help="every path moves to /moved/PATH")
    add("--no-content-digest", action="store_true")
    add("--wrong-content-digest", action="store_true")
    add("--blob-unknown", type=int, default=0, metavar="COUNT",
        help="so many manifests miss blobs that are there")
    add("--immutable-tags", type=int, nargs="?", const=409, metavar="STATUS",
        help="a tag that is there and names another digest stays (409)")
    add("--immutable-same", action="store_true", help="with it, stays even as it is")
    add("--forget-manifest", type=int, default=0, metavar="COUNT",
        help="so many manifests that were put by digest are gone after their 201")
    add("--rival", type=int, default=0, metavar="COUNT",
        help="so many times another client's index replaces that of a sha256-... tag after its PUT")
    add("--any-child", action="store_true", help="an index may name manifests that are not there")
    add("--tag-is-digest", action="store_true", help="sha256-HEX is the manifest sha256:HEX unless there is such a tag")
    add("--refuse-type", action="append", default=[], metavar="TEXT[:STATUS]",
        help="manifests with TEXT in their type are refused (400)")
    add("--subject", default="absent", choices=("absent", "api", "lying", "empty"),
        help="OCI-Subject and the referrers API: neither, both, only the header, or only an API that"
        " knows nothing")
    add("--redirect-to", metavar="URL", help="all but GET moves to another server, with 307")
    add("--basic", metavar="USER:PASSWORD", help="Basic credentials that are let in")
    add("--bearer", action="store_true", help="tokens of tokens.py are let in")
    add("--own-token", action="append", default=[], help="a bearer token that is let in")
    add("--challenge", action="append", default=[], metavar="TEXT",
        help="a line of WWW-Authenticate; {scope} is that of the request, {count} one of its own")
    add("--expire-at", metavar="METHOD:N", help="the token of the Nth such request is no longer let in")
    add("--auth-only", metavar="METHODS", help="only these ask for credentials")
    add("--token-path", metavar="PATH", help="where GET has the first --own-token")
    add("--client-ca", metavar="FILE", help="clients need a certificate of this CA")
    add("--401", dest="unauthorized", action="store_true")
    add("--html", action="store_true", help="200 and a page for everything")
    add("--not-found", action="store_true", help="404 and a page for everything")
    return parser.parse_args()


def main():
    options = parse_options()
    registry = Registry(options, Faults(options), MODELS.get(options.model, Plain)(options))
    server = Server(options, registry)
    if options.location == "door":
        threading.Thread(target=Server(options, registry).serve_forever, daemon=True).start()
    temporary = options.port_file + ".tmp"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(f"{server.server_address[1]}\n")
    os.rename(temporary, options.port_file)
    while True:
        server.serve_forever(poll_interval=0.05)
        server.come_back()


main()
