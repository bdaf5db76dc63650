# SPDX-License-Identifier: Apache-2.0
"""What the scripted registry holds: blobs, manifests, tags, upload sessions, its log. With a store the
bytes of a blob are a file, DIR/<hex>, written while they come; without they are only hashed."""

import hashlib
import json
import os
import threading
import time


class Refused(Exception):
    """An answer other than success: status, code of the specification, message."""

    def __init__(self, status, code="UNKNOWN", message="refused", headers=None):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}


class Answered(Exception):
    """The request is dealt with."""


class Ended(Exception):
    """The body of a request did not come to its end."""


class Upload:
    """An upload session: how much is there, and its running digest."""

    def __init__(self, name, repository, store):
        self.name, self.repository = name, repository
        self.size = 0
        self.sha = hashlib.sha256()
        self.state = 0  # changes with every PATCH; models make the query of Location of it
        self.parts = []  # sizes of the bodies of PATCHes
        self.dead = False  # no PUT of it can succeed any more
        self.overlapped = False
        self.lock = threading.RLock()
        self.path = os.path.join(store, "upload-" + name) if store else None
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) if store else -1

    def write(self, at, block):
        """Stores BLOCK at offset AT, which is not beyond the end. Two requests may do so at a time, as
        with a file: what is there is written again, and hashed again at the end (in a store only)."""
        with self.lock:
            self.keep(at, block)
            if at < self.size:
                self.overlapped = True
            if at + len(block) > self.size:
                self.sha.update(block[self.size - at :])
                self.size = at + len(block)

    def keep(self, at, block):
        with self.lock:
            if self.file >= 0:
                os.pwrite(self.file, block, at)

    def take(self, draft):
        """Puts what DRAFT gathered in the place of what is there."""
        with self.lock:
            self.size, self.sha, self.parts = draft.size, draft.sha, draft.parts

    def digest(self):
        if self.overlapped and self.file >= 0:
            self.sha = hashlib.sha256()
            for at in range(0, self.size, 1 << 20):
                self.sha.update(os.pread(self.file, min(1 << 20, self.size - at), at))
        return "sha256:" + self.sha.hexdigest()

    def close(self, digest=None):
        """Ends the session. The bytes stay as those of DIGEST, if given."""
        with self.lock:
            if self.file < 0:
                return
            os.ftruncate(self.file, self.size)
            os.close(self.file)
            self.file = -1
        if digest:
            os.rename(self.path, os.path.join(os.path.dirname(self.path), digest.split(":")[1]))
        else:
            os.unlink(self.path)


class Draft:
    """Bytes that are behind those of a session once they are all there, and nowhere if not."""

    def __init__(self, upload):
        self.upload = upload
        self.size, self.sha = upload.size, upload.sha.copy()
        self.begin, self.parts = upload.size, list(upload.parts)

    def write(self, block):
        self.upload.keep(self.size, block)
        self.sha.update(block)
        self.size += len(block)


class Registry:
    """What is stored, of all requests, and what they meet."""

    def __init__(self, options, faults, model):
        self.options, self.faults, self.model = options, faults, model
        self.ports = []  # that are listened on
        self.lock = threading.RLock()
        self.log_file = open(options.log, "a", encoding="utf-8")
        self.blobs = {}  # digest: size
        self.owners = set()  # (repository, digest); looked at only with --mount
        self.committed = {}  # digest: when
        self.manifests = {}  # (repository, digest): (media type, bytes)
        self.tags = {}  # (repository, tag): digest
        self.uploads = {}  # id: Upload, or the status with which a lost one is unknown
        self.uploads_made = 0
        self.connections = 0
        self.challenges = 0
        self.sent = 0  # requests of the method that --expire-at names
        self.expired = None  # a token that is no longer let in
        self.unknown_manifests = 0
        self.forgotten = 0  # manifests
        self.rivals = 0  # that came between
        if options.store:
            os.makedirs(options.store, exist_ok=True)
        for text in options.blob:
            digest, _, repository = text.partition("@")
            self.blobs[digest] = 1
            self.owners.add((repository, digest))

    def write_log(self, record):
        with self.lock:
            self.log_file.write(json.dumps(record) + "\n")
            self.log_file.flush()

    def open_upload(self, repository):
        with self.lock:
            self.uploads_made += 1
            name = f"u{self.uploads_made}"
            self.uploads[name] = upload = Upload(name, repository, self.options.store)
        return upload

    def close_upload(self, upload, digest=None):
        with self.lock:
            known = self.uploads.pop(upload.name, None)
            if known is upload:
                upload.close(digest)

    def add_blob(self, repository, digest, size):
        with self.lock:
            self.blobs[digest] = size
            self.owners.add((repository, digest))
            self.committed.setdefault(digest, time.monotonic())

    def delete_blob(self, digest):
        with self.lock:
            self.blobs.pop(digest, None)

    def blob_size(self, repository, digest):
        """Without --mount the blobs of one repository are those of all."""
        with self.lock:
            if self.options.mount and not {(repository, digest), ("", digest)} & self.owners:
                return None
            return self.blobs.get(digest)

    def is_late(self, digest):
        """With --head-later: whether the blob does not show yet."""
        wait = self.options.head_later
        return wait and time.monotonic() < self.committed.get(digest, 0) + wait
