# SPDX-License-Identifier: Apache-2.0
"""What different registries do with an upload session. Each class plays one, and says first how the
real one behaves; what no source tells is chosen so that it is hard on the client."""

import base64
import hashlib
import itertools
import json
import re
import urllib.parse

from sessions import Model, span
from stored import Draft, Ended, Refused

MIB = 1 << 20


class V2(Model):
    """distribution 2.8 (registry:2, Harbor, most appliances). Location is absolute and its `_state`
    holds an offset. Every request with a session, GET and DELETE included, first compares it with what
    is stored: where they differ the answer is 404 BLOB_UPLOAD_INVALID and the session is deleted. A cut
    body keeps the bytes that came, so the next request ends the session. PATCH does not look at
    Content-Range. A PUT adds its body; another digest deletes the session. (In a plain folder the real
    one keeps the session after a stale `_state`, for whoever has the right one; after a cut body nobody
    has.)"""

    location = "absolute"
    drains = True

    def query(self, upload):
        state = {"Name": upload.repository, "UUID": upload.name, "Offset": upload.size}
        text = base64.urlsafe_b64encode(b"signature " + json.dumps(state).encode())
        return "?_state=" + urllib.parse.quote(text.decode())

    def offset(self, h, upload):
        """That of the `_state` in the URL."""
        try:
            text = base64.urlsafe_b64decode(h.query["_state"])
            state = json.loads(text.partition(b" ")[2])
            if (state["Name"], state["UUID"]) == (upload.repository, upload.name):
                return state["Offset"]
        except (KeyError, ValueError):
            pass
        raise Refused(404, "BLOB_UPLOAD_INVALID", "invalid state")

    def check(self, h, upload):
        if self.offset(h, upload) != upload.size:
            h.registry.close_upload(upload)
            raise Refused(404, "BLOB_UPLOAD_INVALID", "blob upload invalid")

    add = Model.append

    def check_range(self, h, upload):
        if h.headers.get("Content-Type") not in (None, "application/octet-stream"):
            raise Refused(500, "UNKNOWN", "bad Content-Type")

    def put(self, h, upload):
        self.digest(h)
        super().put(h, upload)


class V3(V2):
    """distribution 3. As 2.8, but GET does not look at `_state` and answers 204 with Location and Range
    as they are: after a cut PATCH, of which the bytes are kept, the upload goes on at any byte. A stale
    `_state` gets PATCH, PUT and DELETE a 416 without Location and Range, and the session stays.
    Content-Range is checked: a wrong offset is 416, a length other than that of the body 400
    SIZE_INVALID."""

    def check(self, h, upload):
        if h.command != "GET" and self.offset(h, upload) != upload.size:
            raise Refused(416, "RANGE_INVALID", "invalid content range")

    def check_range(self, h, upload):
        super().check_range(h, upload)
        try:
            wanted = span(h)
        except ValueError:
            raise Refused(500, "UNKNOWN", "Content-Range is not a-b") from None
        if not wanted:
            return
        if wanted[0] > wanted[1] or wanted[0] != upload.size:
            raise Refused(416, "RANGE_INVALID", "invalid content range")
        if wanted[1] - wanted[0] + 1 != h.length():
            raise Refused(400, "SIZE_INVALID", "provided length did not match content length")


class Serverless(Model):
    """cloudflare/serverless-registry, on R2. Location is relative; its `_stateHash` changes with every
    PATCH, and a stale one or a wrong offset gets a 416 with Location and Range as they are. GET needs
    only the id. Parts are equal and of --part-min (5 MiB) at least, only the last is smaller: other
    sizes get a 416 that repeats Location and Range of the client, except ever smaller parts, which get
    202 each and a 500 at PUT for good. A part of one byte with Content-Range is 416. An unknown id is
    500, of GET 404. A cut PATCH leaves nothing and the old Location stays valid; one that ends late,
    after others, moves the session back. PUT ignores a body after parts; repeated it is 500, as after a
    failure. Errors come before the body is read, then a reset without Connection: close."""

    MOST_PARTS = 10000
    needs_media_type = True
    needs_subject = True
    missing_blob = (400, "BLOB_UNKNOWN")
    versions = itertools.count(1)

    def hash(self, upload):
        return hashlib.sha256(f"{upload.name} {upload.state}".encode()).hexdigest()

    def query(self, upload):
        return "?_stateHash=" + self.hash(upload)

    def range(self, h, upload):
        return {"Range": f"0-{upload.size - 1}"}

    def announced(self):
        most = self.options.max_chunk or 100000000
        least = self.options.part_min
        return {"OCI-Chunk-Min-Length": str(least), "OCI-Chunk-Max-Length": str(most)}

    def start(self, h, upload):
        ranges = {"Range": "0-0", "Content-Range": "0-0"}
        h.answer(202, {**self.where(h, upload), **self.announced(), **ranges})

    def status(self, h, upload):
        h.answer(204, {**self.where(h, upload), **self.announced()})

    def unknown(self, method):
        if method == "GET":
            return Refused(404, "BLOB_UPLOAD_UNKNOWN", "")
        return Refused(500, "INTERNAL_ERROR", "internal error")

    def elsewhere(self, h, upload):
        return Refused(416, "RANGE_ERROR", "stateHash does not match state", self.where(h, upload))

    def check(self, h, upload):
        if h.command not in ("PATCH", "PUT"):
            return
        if upload.dead or "_stateHash" not in h.query:
            raise self.unknown(h.command)
        if h.query["_stateHash"] != self.hash(upload):
            raise self.elsewhere(h, upload)

    def check_range(self, h, upload):
        try:
            wanted = span(h)
        except ValueError:
            raise self.elsewhere(h, upload) from None
        if wanted and (wanted[0] != upload.size or wanted[0] >= wanted[1]):
            raise self.elsewhere(h, upload)
        if len(upload.parts) >= self.MOST_PARTS:
            raise self.unknown(h.command)
        if not self.fits(upload.parts, h.length()):
            raise self.elsewhere(h, upload)

    def fits(self, parts, length):
        """Whether a part of LENGTH is taken now, which does not mean that the blob can end well."""
        is_whole = length >= self.options.part_min
        if not parts:
            return True
        is_even = len(set(parts)) == 1 and parts[0] >= self.options.part_min
        if length == parts[-1] and is_even and is_whole:
            return True
        return length < parts[-1] or (not is_whole and is_even)

    def patch(self, h, upload):
        self.check_range(h, upload)
        self.add(h, upload)
        upload.state = next(self.versions)
        h.answer(202, self.where(h, upload))

    def put(self, h, upload):
        digest = self.digest(h)
        if upload.parts:
            first, last = upload.parts[0], upload.parts[-1]
            rest = upload.parts[:-1]
            is_sound = last <= first and all(one == first >= self.options.part_min for one in rest)
            upload.dead = not is_sound or digest != upload.digest()
        elif not h.length():
            raise self.unknown("PUT")
        else:
            draft = Draft(upload)
            h.read_body(draft.write)
            if digest != "sha256:" + draft.sha.hexdigest():
                raise self.unknown("PUT")
            upload.take(draft)
        h.wait_put()
        if upload.dead:
            raise self.unknown("PUT")
        h.commit(upload, digest)


class Ecr(Model):
    """Amazon ECR. PATCH answers 201, and Range stays at the end of the first part though all are
    stored. A part that is smaller than --part-min (5 MiB) must be the last: the next body is 400
    BLOB_UPLOAD_INVALID. After several PATCHes an empty PUT is 500, a PUT with the last part is right. A
    wrong offset is 416 BLOB_UPLOAD_INVALID without a word on the right one. A cut PATCH leaves nothing,
    the session stays."""

    def range(self, h, upload):
        return {"Range": f"0-{upload.parts[0] - 1 if upload.parts else 0}"}

    def check_range(self, h, upload):
        try:
            wanted = span(h)
        except ValueError:
            raise Refused(400, "BLOB_UPLOAD_INVALID", "Content-Range is not a-b") from None
        if wanted and wanted[0] != upload.size:
            raise Refused(416, "BLOB_UPLOAD_INVALID", "the part does not follow the one before")
        if upload.parts and upload.parts[-1] < self.options.part_min:
            text = "layer part is smaller than the minimum"
            raise Refused(400, "BLOB_UPLOAD_INVALID", text)

    def patch(self, h, upload):
        self.check_range(h, upload)
        self.add(h, upload)
        h.answer(201, self.where(h, upload))

    def put(self, h, upload):
        if h.length():
            self.check_range(h, upload)
        elif len(upload.parts) > 1:
            raise Refused(500, "UNKNOWN", "empty PUT after PATCHes")
        super().put(h, upload)


class Ghcr(Model):
    """GitHub's ghcr.io. A PATCH of more than --patch-max (4 MiB) is 416, which means 413; one PUT with
    all is taken. The path of a session ends in /blobs/upload/ID."""

    segment = "upload"

    def check_range(self, h, upload):
        most = self.options.patch_max
        if h.length() > most:
            text = f"body too large: {h.length()} bytes, maximum is {most / MIB:.2f}MiB"
            raise Refused(416, "REQUESTED_RANGE_NOT_SATISFIABLE", text)
        super().check_range(h, upload)


class Google(Model):
    """Google's gcr.io and Artifact Registry. One body only: a PUT with all, or one PATCH and an empty
    PUT. A second PATCH is 400, also after one that was cut."""

    def check_range(self, h, upload):
        if upload.state:
            raise Refused(400, "UNSUPPORTED", "chunked uploads are not supported")
        upload.state = 1
        super().check_range(h, upload)

    def put(self, h, upload):
        if h.length() and upload.state:
            raise Refused(400, "UNSUPPORTED", "chunked uploads are not supported")
        super().put(h, upload)


class Quay(Model):
    """Quay. Range is `bytes=0--1` of POST, `0-N` of PATCH, `bytes=0-COUNT`, one too high and without
    Location, of GET, and `0-COUNT`, one too high, with a 416. A chunk that begins at an offset above 0
    and below the end has what is there skipped; beyond the end it is 416. One that begins at 0 is
    appended, which shows in the digest only. A PUT that fails ends the session. A cut PATCH leaves
    nothing."""

    location = "absolute"

    def start(self, h, upload):
        h.answer(202, {**self.where(h, upload), "Range": "bytes=0--1"})

    def status(self, h, upload):
        h.answer(204, {"Range": f"bytes=0-{upload.size}", "Docker-Upload-UUID": upload.name})

    def add(self, h, upload):
        try:
            wanted = span(h) or (0, 0)
        except ValueError:
            raise Refused(400, "INVALID_REQUEST", "Invalid range header") from None
        if wanted[0] > upload.size:
            headers = {**self.path(h, upload), "Range": f"0-{upload.size}"}
            raise Refused(416, "RANGE_INVALID", "beyond the end", headers)
        skip = upload.size - wanted[0] if wanted[0] else 0
        draft = Draft(upload)

        def take(block):
            nonlocal skip
            if skip < len(block):
                draft.write(block[skip:])
            skip = max(skip - len(block), 0)

        h.read_body(take)
        upload.take(draft)

    def check_range(self, h, upload):
        """See add."""

    def put(self, h, upload):
        try:
            super().put(h, upload)
        except (Ended, Refused):
            h.registry.close_upload(upload)
            raise


class Gitea(Model):
    """Gitea and Forgejo. A second PATCH without Content-Range is 400; one that begins elsewhere than at
    the end is 416 without Range. A cut PATCH leaves its bytes in a file of which the session knows
    nothing: all that follow are 500. PUT adds its body without a look at Content-Range; one that fails
    leaves the session. No Range on PATCH as of 1.24.1, or 0--1 where empty as of 1.24.0 (--range
    minus)."""

    drains = True

    def range(self, h, upload):
        if self.options.range == "minus":
            return {"Range": f"0-{upload.size - 1}"}
        if h.command == "PATCH" and self.options.range is None:
            return {}
        return super().range(h, upload)

    def check_range(self, h, upload):
        try:
            wanted = span(h)
        except ValueError:
            raise Refused(400, "BLOB_UPLOAD_INVALID", "Content-Range is not a-b") from None
        if wanted and wanted[0] != upload.size:
            raise Refused(416, "BLOB_UPLOAD_INVALID", "")
        if not wanted and upload.size:
            text = "Stream uploads after first write are not allowed"
            raise Refused(400, "BLOB_UPLOAD_INVALID", text)

    def check(self, h, upload):
        if upload.dead and h.command in ("PATCH", "PUT"):
            raise Refused(500, "UNKNOWN", "offset mismatch between file and state")

    def add(self, h, upload):
        try:
            super().add(h, upload)
        except Ended:
            upload.dead = h.received > 0
            raise

    def finish(self, h, upload):
        digest = self.digest(h)
        h.wait_put()
        if digest != upload.digest():
            raise Refused(400, "DIGEST_INVALID", "")
        h.commit(upload, digest)


class Zot(Model):
    """zot. A body that ends early deletes the session, 404 from then on. A PUT with a body but without
    Content-Range after PATCHes is 416. Errors have no Range. (--range chunk: Range of older ones.)"""

    drains = True

    def add(self, h, upload):
        try:
            super().add(h, upload)
        except Ended:
            h.registry.close_upload(upload)
            raise

    def put(self, h, upload):
        if h.length():
            self.check_range(h, upload)
            if upload.size and not h.headers.get("Content-Range"):
                raise Refused(416, "BLOB_UPLOAD_INVALID", "no Content-Range")
        super().put(h, upload)


class Acr(Model):
    """Azure's registry. A body without Content-Length is 400 CONTENT_LENGTH_INVALID, and so is `bytes `
    in Content-Range (400). --max-body is where a proxy has its 413. The query of Location has to come
    back. A cut PATCH leaves nothing."""

    no_length = (400, "CONTENT_LENGTH_INVALID")

    def query(self, upload):
        return f"?_nouploadcache=false&_state=s{upload.state}%3D"

    def check(self, h, upload):
        if h.command != "GET" and h.query.get("_state") != f"s{upload.state}=":
            raise Refused(404, "BLOB_UPLOAD_INVALID", "blob upload invalid")

    def check_range(self, h, upload):
        if not re.fullmatch(r"\d+-\d+", h.headers.get("Content-Range") or "0-0"):
            raise Refused(400, "BLOB_UPLOAD_INVALID", "Content-Range is not a-b")
        super().check_range(h, upload)


MODELS = {
    "v2": V2,
    "v3": V3,
    "serverless": Serverless,
    "ecr": Ecr,
    "ghcr": Ghcr,
    "google": Google,
    "quay": Quay,
    "gitea": Gitea,
    "zot": Zot,
    "acr": Acr,
}
