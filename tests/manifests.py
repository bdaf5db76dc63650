# SPDX-License-Identifier: Apache-2.0
"""Manifests, tags and referrers of the scripted registry, with the faults they have on bad days."""

import hashlib
import json

from stored import Refused

INDEX = "application/vnd.oci.image.index.v1+json"


class Manifests:
    """The part of a Handler that serves /manifests/ and /referrers/."""

    def manifest(self, repository, name):
        if self.command == "PUT":
            self.put_manifest(repository, name)
        elif self.command in ("HEAD", "GET"):
            self.get_manifest(repository, name)
        elif self.command == "DELETE":
            with self.registry.lock:
                self.registry.manifests.pop((repository, name), None)
            self.answer(202)
        else:
            raise Refused(405, "UNSUPPORTED", "no such verb")

    def digest_header(self, digest):
        if self.options.no_content_digest:
            return {}
        if self.options.wrong_content_digest:
            digest = "sha256:" + "0" * 64
        return {"Docker-Content-Digest": digest}

    def get_manifest(self, repository, name):
        registry = self.registry
        with registry.lock:
            if self.options.tag_is_digest and (repository, name) not in registry.tags:
                name = name.replace("sha256-", "sha256:")
            digest = registry.tags.get((repository, name), name)
            found = registry.manifests.get((repository, digest))
        if not found:
            raise Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, data = found
        self.answer(200, {"Content-Type": media_type, **self.digest_header(digest)}, data)

    def put_manifest(self, repository, name):
        registry = self.registry
        data = bytearray()
        self.read_body(data.extend)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        media_type = self.headers.get("Content-Type")
        try:
            document = json.loads(data)
        except ValueError:
            raise Refused(400, "MANIFEST_INVALID", "not JSON") from None
        self.check_type_of(document, media_type)
        if name.startswith("sha256:") and name != digest:
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match")
        self.check_tag(repository, name, digest)
        self.check_references(repository, document)
        with registry.lock:
            self.store(repository, name, digest, (media_type, bytes(data)))
        headers = {"Location": f"/v2/{repository}/manifests/{digest}", **self.digest_header(digest)}
        if document.get("subject") and self.options.subject in ("api", "lying"):
            headers["OCI-Subject"] = document["subject"]["digest"]
        self.answer(201, headers)

    def store(self, repository, name, digest, manifest):
        registry = self.registry
        is_tag = not name.startswith("sha256:")
        if not is_tag and registry.forgotten < self.options.forget_manifest:
            registry.forgotten += 1
            return
        registry.manifests[(repository, digest)] = manifest
        if is_tag:
            registry.tags[(repository, name)] = digest
        if name.startswith("sha256-") and registry.rivals < self.options.rival:
            registry.rivals += 1
            other = {"mediaType": INDEX, "size": 1, "digest": f"sha256:{registry.rivals:064d}"}
            data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other]}).encode()
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            registry.manifests[(repository, digest)] = (INDEX, data)
            registry.tags[(repository, name)] = digest

    def check_type_of(self, document, media_type):
        if document.get("mediaType", media_type) != media_type:
            raise Refused(400, "MANIFEST_INVALID", "Content-Type is not the mediaType")
        if "mediaType" not in document and self.model.needs_media_type:
            raise Refused(400, "MANIFEST_INVALID", "no mediaType")
        for text in self.options.refuse_type:
            part, _, status = text.partition(":")
            if part in media_type:
                raise Refused(int(status or 400), "MANIFEST_INVALID", f"no {media_type} here")

    def check_tag(self, repository, name, digest):
        with self.registry.lock:
            there = self.registry.tags.get((repository, name))
        status = self.options.immutable_tags
        stays = there and (there != digest or self.options.immutable_same)
        if status and stays:
            raise Refused(status, "TAG_INVALID", f"the tag {name} is immutable and there already")

    def check_references(self, repository, document):
        registry, (status, code) = self.registry, self.model.missing_blob
        named = list(document.get("layers") or [])
        if "config" in document:
            named.append(document["config"])
        blobs = [blob["digest"] for blob in named if not blob.get("urls")]
        with registry.lock:
            for child in document.get("manifests") or []:
                is_there = (repository, child["digest"]) in registry.manifests
                if not is_there and not self.options.any_child:
                    raise Refused(404, "MANIFEST_UNKNOWN", "child: " + child["digest"])
            subject = (document.get("subject") or {}).get("digest")
            if subject and self.model.needs_subject and (repository, subject) not in registry.manifests:
                raise Refused(400, "BLOB_UNKNOWN", "subject: " + subject)
            registry.unknown_manifests += 1
            is_early = blobs and registry.unknown_manifests <= self.options.blob_unknown
        for digest in blobs:
            if is_early or registry.blob_size(repository, digest) is None:
                raise Refused(status, code, "blob: " + digest)

    def referrers(self, repository, digest):
        """The API for manifests with this subject: as --subject says."""
        if self.options.subject not in ("api", "empty"):
            raise Refused(404, "NOT_FOUND", "no referrers here")
        found = []
        with self.registry.lock:
            for (owner, name), (media_type, data) in self.registry.manifests.items():
                document = json.loads(data)
                if owner == repository and (document.get("subject") or {}).get("digest") == digest:
                    found.append({"mediaType": media_type, "digest": name, "size": len(data)})
        if self.options.subject == "empty":
            found = []
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}
        self.answer(200, {"Content-Type": INDEX}, json.dumps(index).encode())
