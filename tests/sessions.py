# SPDX-License-Identifier: Apache-2.0
"""What an upload session is to a registry: the steps that the models have in common, and Plain, which
is none in particular.

A model gets the request as H, a Handler. It reads the body where the real one does: what is left
unread is answered early.
"""

import re

from stored import Draft, Refused


def span(h):
    """(first, last) of Content-Range, None without one, ValueError if it is not `a-b`."""
    text = h.headers.get("Content-Range")
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if not match:
        raise ValueError(text)
    return int(match[1]), int(match[2])


class Model:
    """What they share."""

    segment = "uploads"  # of the path of a session
    location = "path"  # shape of Location, see Handler.location
    drains = False  # a refused body is read up to 256 KiB, then Connection: close, as servers in Go do
    no_length = (411, "SIZE_INVALID")  # for a body without Content-Length
    missing_blob = (404, "MANIFEST_BLOB_UNKNOWN")  # for a manifest
    needs_media_type = False
    needs_subject = False
    empty_range = "0-0"

    def __init__(self, options):
        self.options = options

    # --- parts of answers

    def unknown(self, _method):
        return Refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")

    def query(self, _upload):
        """Of the Location, with its question mark."""
        return ""

    def path(self, h, upload):
        name = f"/v2/{upload.repository}/blobs/{self.segment}/{upload.name}"
        return {"Location": h.location(name, self.query(upload))}

    def range(self, h, upload):
        """Range as a PATCH or GET has it; --range has its way."""
        last = {
            None: upload.size - 1,
            "high": upload.size,
            "frozen": upload.parts[0] - 1 if upload.parts else 0,
            "chunk": h.length() - 1,
        }
        if self.options.range == "none":
            return {}
        if upload.size == 0:
            return {"Range": self.empty_range}
        return {"Range": f"0-{last[self.options.range]}"}

    def where(self, h, upload):
        return {**self.path(h, upload), **self.range(h, upload), "Docker-Upload-UUID": upload.name}

    # --- what comes to a session

    def start(self, h, upload):
        h.answer(202, {**self.where(h, upload), **self.announced()})

    def announced(self):
        lengths = {"Min": self.options.min_chunk, "Max": self.options.max_chunk}
        return {f"OCI-Chunk-{k}-Length": str(v) for k, v in lengths.items() if v is not None}

    def check(self, h, upload):
        """Before every request with a session."""

    def status(self, h, upload):
        h.answer(204, self.where(h, upload))

    def cancel(self, h, upload):
        h.registry.close_upload(upload)
        h.answer(204)

    def patch(self, h, upload):
        self.check_range(h, upload)
        self.add(h, upload)
        upload.state += 1
        h.answer(self.options.patch_status, self.where(h, upload))

    def put(self, h, upload):
        if h.length():
            self.add(h, upload)
        self.finish(h, upload)

    # --- steps

    def check_range(self, h, upload):
        """Content-Range, if there is one, begins where the session ends."""
        try:
            wanted = span(h)
        except ValueError:
            raise Refused(416, "RANGE_INVALID", "Content-Range is not a-b") from None
        if wanted and wanted[0] != upload.size:
            raise Refused(416, "RANGE_INVALID", f"have {upload.size} bytes")

    def add(self, h, upload):
        """All of the body or nothing."""
        draft = Draft(upload)
        h.read_body(draft.write)
        draft.parts.append(draft.size - draft.begin)
        upload.take(draft)

    def append(self, h, upload):
        """What comes of the body."""
        at = upload.size

        def take(block):
            nonlocal at
            upload.write(at, block)
            at += len(block)

        h.read_body(take)
        upload.parts.append(h.length())

    def digest(self, h):
        digest = h.query.get("digest", "")
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise Refused(400, "DIGEST_INVALID", "no digest")
        return digest

    def finish(self, h, upload):
        """Another digest ends the session."""
        digest = self.digest(h)
        h.wait_put()
        if digest != upload.digest():
            h.registry.close_upload(upload)
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        h.commit(upload, digest)


class Plain(Model):
    """None in particular: the distribution specification, read strictly. No status of an upload."""

    segment = "upload"

    def query(self, upload):
        # Signed, in an order of its own, with an escape: opaque to the client.
        return f"?_state=b%2fA==&a=1&_n={upload.state}" if self.options.location == "state" else ""

    def where(self, h, upload):
        headers = self.path(h, upload)
        if not self.options.empty_range:
            headers.update(self.range(h, upload))
        elif upload.size == 0:
            headers["Range"] = "bytes=0--1"
        return headers

    def check(self, h, upload):
        if self.options.location == "state" and not re.fullmatch(
            rf"_state=b%2fA==&a=1&_n={upload.state}(&digest=sha256:[0-9a-f]{{64}})?", h.raw_query
        ):
            raise Refused(404, "BLOB_UPLOAD_INVALID", "invalid state")

    def status(self, h, upload):
        raise Refused(405, "UNSUPPORTED", "no such verb")

    add = Model.append

    def check_type(self, h):
        if h.headers.get("Content-Type") != "application/octet-stream":
            raise Refused(415, "UNSUPPORTED", "Content-Type is not application/octet-stream")

    def check_range(self, h, upload):
        self.check_type(h)
        match = re.fullmatch(r"(\d+)-(\d+)", h.headers.get("Content-Range") or "")
        if not match:
            raise Refused(416, "RANGE_INVALID", "no Content-Range of the form a-b")
        first, last = int(match[1]), int(match[2])
        if first != upload.size or last - first + 1 != h.length() or last <= first:
            raise Refused(416, "RANGE_INVALID", f"have {upload.size} bytes")

    def put(self, h, upload):
        if h.length():
            self.check_type(h)
            if upload.size:
                raise Refused(400, "SIZE_INVALID", "a body in the PUT after PATCHes")
            self.add(h, upload)
        if upload.size == 0:
            h.registry.close_upload(upload)
            raise Refused(500, "UNKNOWN", "an empty blob")
        self.finish(h, upload)
