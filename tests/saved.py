#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a saved image's tar to stdout: saved.py CASE; or several to files: saved.py --into FOLDER
CASE... The cases are the functions below; each says what is odd about its tar. All hold one image,
example.com/t:1, with two small layers, unless said otherwise."""
import gzip
import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
import zlib

OUT = sys.stdout.buffer


def sha(data):
    return hashlib.sha256(data).hexdigest()


def layer(name, text="hello\n"):
    """A layer: a plain tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        data = text.encode() if isinstance(text, str) else text
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed(data):
    return gzip.compress(data, 6, mtime=0)


def packed_zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


A, B = layer("a"), layer("b", "world\n" * 1000)


class Tar:
    """A tar whose members may be anything."""

    def __init__(self, form=tarfile.GNU_FORMAT):
        self.tar = tarfile.open(fileobj=OUT, mode="w|", format=form)

    def file(self, name, data, kind=tarfile.REGTYPE, **pax):
        info = tarfile.TarInfo(name)
        info.size, info.type, info.pax_headers = len(data), kind, pax
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def link(self, name, target, kind=tarfile.SYMTYPE):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        self.tar.addfile(info)
        return self

    def folder(self, name):
        info = tarfile.TarInfo(name)
        info.type = tarfile.DIRTYPE
        self.tar.addfile(info)
        return self

    def end(self):
        self.tar.close()


def config(layers, **more):
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(d) for d in layers]},
                       **more}).encode()


def manifest(paths, name="c.json", tags=("example.com/t:1",), **more):
    return json.dumps([{"Config": name, "RepoTags": tags and list(tags), "Layers": paths, **more}]).encode()


CONFIG = config([A, B])


def good():
    Tar().file("a/layer.tar", A).file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def manifest_first():
    Tar().file("manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).file("c.json", CONFIG).file(
        "a/layer.tar", A).file("b/layer.tar", B).end()


def dotted():
    "names with ./ and double slashes"
    Tar().folder("./").file("./a//layer.tar", A).file("./b/./layer.tar", B).file("./c.json", CONFIG).file(
        "./manifest.json", manifest(["a/layer.tar", "./b/layer.tar"])).end()


def old_type():
    "the type of regular files before POSIX: NUL"
    Tar().file("a/layer.tar", A, tarfile.AREGTYPE).file("b/layer.tar", B, tarfile.AREGTYPE).file(
        "c.json", CONFIG, tarfile.AREGTYPE).file(
            "manifest.json", manifest(["a/layer.tar", "b/layer.tar"]), tarfile.AREGTYPE).end()


def no_end():
    "no blocks of zeros at the end"
    tar = Tar().file("a/layer.tar", A).file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"]))
    tar.tar.fileobj.close()


def hard_link_before():
    "the second layer is the first, by a hard link that stands before it"
    Tar().link("b/layer.tar", "a/layer.tar", tarfile.LNKTYPE).file("a/layer.tar", A).file(
        "c.json", config([A, A])).file("manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def hard_link_after():
    Tar().file("a/layer.tar", A).link("b/layer.tar", "a/layer.tar", tarfile.LNKTYPE).file(
        "c.json", config([A, A])).file("manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def symlink_after():
    Tar().file("a/layer.tar", A).link("b/layer.tar", "../a/layer.tar").file("c.json", config([A, A])).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def symlink_chain():
    Tar().link("b/layer.tar", "../x").link("x", "./a/layer.tar").file("a/layer.tar", A).file(
        "c.json", config([A, A])).file("manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def nix():
    "as dockerTools streams it"
    Tar().file(sha(A) + "/layer.tar", A).file(sha(B) + "/layer.tar", B).file(sha(CONFIG) + ".json", CONFIG).file(
        "manifest.json", manifest([sha(A) + "/layer.tar", sha(B) + "/layer.tar"], sha(CONFIG) + ".json")).end()


def kaniko():
    "a colon in the config's name, gzip'd layers"
    a, b = packed(A), packed(B)
    Tar().file("sha256:" + sha(CONFIG), CONFIG).file(sha(a) + ".tar.gz", a).file(sha(b) + ".tar.gz", b).file(
        "manifest.json", manifest([sha(a) + ".tar.gz", sha(b) + ".tar.gz"], "sha256:" + sha(CONFIG), None)).end()


def jib():
    "config.json, and gzip'd layers that are named by their digest"
    a, b = packed(A), packed(B)
    Tar().file(sha(a) + ".tar.gz", a).file(sha(b) + ".tar.gz", b).file("config.json", CONFIG).file(
        "manifest.json", manifest([sha(a) + ".tar.gz", sha(b) + ".tar.gz"], "config.json")).end()


def rules_oci():
    "blobs/sha256/<hex>.tar.gz, one of them not gzip'd whatever its name says"
    b = packed(B)
    Tar().file("blobs/sha256/" + sha(CONFIG), CONFIG).file("blobs/sha256/%s.tar.gz" % sha(A), A).file(
        "blobs/sha256/%s.tar.gz" % sha(b), b).file("manifest.json", manifest(
            ["blobs/sha256/%s.tar.gz" % sha(A), "blobs/sha256/%s.tar.gz" % sha(b)],
            "blobs/sha256/" + sha(CONFIG))).end()


def long_names():
    "GNU long names"
    far = "d" * 120 + "/" + "e" * 120 + "/layer.tar"
    Tar().file(far, A).file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest([far, "b/layer.tar"])).end()


def pax_names():
    far = "d" * 120 + "/" + "é" * 60 + "/layer.tar"
    Tar(tarfile.PAX_FORMAT).file(far, A).file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest([far, "b/layer.tar"])).end()


def ustar_prefix():
    far = "d" * 90 + "/" + "e" * 60 + "/layer.tar"
    Tar(tarfile.USTAR_FORMAT).file(far, A).file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest([far, "b/layer.tar"])).end()


def pax_size():
    "sizes that stand in a pax header only, and a global header"
    OUT.write(tarfile.TarInfo.create_pax_global_header({"comment": "x"}))
    Tar(tarfile.PAX_FORMAT).file("a/layer.tar", A, size=str(len(A))).file("b/layer.tar", B, size=str(len(B))).file(
        "c.json", CONFIG).file("manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def long_links(form=tarfile.GNU_FORMAT):
    far = "d" * 120 + "/" + "e" * 120 + "/layer.tar"
    Tar(form).link("b/layer.tar", "../" + far).link("l", far, tarfile.LNKTYPE).file(far, A).file(
        "c.json", config([A, A, A])).file("manifest.json", manifest([far, "b/layer.tar", "l"])).end()


def pax_links():
    long_links(tarfile.PAX_FORMAT)


def no_tags():
    "RepoTags is [], as podman writes it"
    Tar().file("a/layer.tar", A).file("c.json", config([A])).file("manifest.json", manifest(["a/layer.tar"], tags=())).end()


def zstd_layer():
    Tar().file("a.tar", packed_zstd(A)).file("b.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a.tar", "b.tar"])).end()


def windows():
    text = config([A], **{"os": "windows", "os.version": "10.0.20348.1"})
    Tar().file("a/layer.tar", A).file("c.json", text).file("manifest.json", manifest(["a/layer.tar"])).end()


def docker25(index, more=()):
    "the graph driver's form with an index.json beside manifest.json that is wrong"
    tar = Tar().folder("blobs/").folder("blobs/sha256/")
    for data in (A, B, CONFIG) + more:
        tar.file("blobs/sha256/" + sha(data), data)
    tar.file("index.json", json.dumps(index).encode()).file("manifest.json", manifest(
        ["blobs/sha256/" + sha(A), "blobs/sha256/" + sha(B)], "blobs/sha256/" + sha(CONFIG))).file(
            "oci-layout", b'{"imageLayoutVersion":"1.0.0"}').end()


def docker25_null():
    "moby#47210"
    docker25({"schemaVersion": 2, "manifests": None})


def docker25_no_layers():
    "moby#47065"
    wrong = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "config": descriptor(CONFIG, "config.v1+json"), "layers": []}).encode()
    docker25({"schemaVersion": 2, "manifests": [descriptor(wrong, "manifest.v1+json", **NAMED)]}, (wrong,))


def foreign():
    "a foreign layer: in LayerSources with urls, not in the tar"
    source = {"sha256:" + sha(A): {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                                   "size": 1234, "digest": "sha256:" + "1" * 64, "urls": ["https://example.com/l"]}}
    Tar().file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"], LayerSources=source)).end()


def junk():
    "files that no image needs"
    Tar().file("a/VERSION", b"1.0").file("a/json", b"{}").file("a/layer.tar", A).file("z/layer.tar", layer("z")).file(
        "b/layer.tar", B).file("c.json", CONFIG).file("manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).file(
            "repositories", b"{}").end()


def empty_layer():
    "a layer of 1024 zero bytes, and one of no bytes at all"
    Tar().file("a/layer.tar", bytes(1024)).file("b/layer.tar", b"").file("c.json", config([bytes(1024), b""])).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def layer_of_a_terabyte():
    "the second layer is a hole: for a file, not for a pipe"
    info = tarfile.TarInfo("b/layer.tar")
    info.size = 1 << 40
    OUT.write(info.tobuf(tarfile.GNU_FORMAT))
    OUT.seek(info.size, io.SEEK_CUR)
    Tar().file("a/layer.tar", A).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def trailing_garbage():
    good()
    OUT.write(b"garbage" * 1000)


# OCI layouts

def descriptor(data, kind, **more):
    return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + sha(data), "size": len(data),
            **more}


class Oci:
    """A tar that is an OCI layout."""

    def __init__(self):
        self.blobs = {}

    def put(self, data, kind, **more):
        self.blobs[sha(data)] = data
        return descriptor(data, kind, **more)

    def image(self, layers, types, text=None, **more):
        text = text or config([gzip.decompress(d) if d[:2] == b"\x1f\x8b" else d for d in layers])
        body = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": self.put(text, "config.v1+json"),
                "layers": [self.put(d, t) for d, t in zip(layers, types)]}
        return self.put(json.dumps(body).encode(), "manifest.v1+json", **more)

    def index(self, manifests, **more):
        body = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
        return self.put(json.dumps(body).encode(), "index.v1+json", **more)

    def end(self, manifests, extra=(), drop=()):
        tar = Tar().folder("blobs/").folder("blobs/sha256/")
        for name in sorted(self.blobs):
            if name not in drop:
                tar.file("blobs/sha256/" + name, self.blobs[name])
        tar.file("index.json", json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())
        for name, data in extra:
            tar.file(name, data)
        tar.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}').end()


NAMED = {"annotations": {"org.opencontainers.image.ref.name": "example.com/t:1"}}
TAR, GZIP = "layer.v1.tar", "layer.v1.tar+gzip"


def oci_plain():
    "an oci-archive with plain layers: they stay plain"
    oci = Oci()
    oci.end([oci.image([A, B], [TAR, TAR], **NAMED)])


def oci_gzip():
    oci = Oci()
    oci.end([oci.image([packed(A), packed(B)], [GZIP, GZIP], **NAMED)])


def oci_unnamed():
    oci = Oci()
    oci.end([oci.image([packed(A)], [GZIP])])


def oci_two_tags():
    oci = Oci()
    one = oci.image([packed(A)], [GZIP])
    oci.end([{**one, "annotations": {"org.opencontainers.image.ref.name": n}} for n in ("x:1", "x:2")])


def oci_empty_name():
    "a name that is there and empty"
    oci = Oci()
    oci.end([oci.image([packed(A)], [GZIP], annotations={"org.opencontainers.image.ref.name": ""})])


def oci_empty_name_too():
    oci = Oci()
    oci.end([oci.image([packed(B)], [GZIP], annotations={"org.opencontainers.image.ref.name": ""})])


def oci_two_images():
    "two images that share a layer"
    oci = Oci()
    oci.end([oci.image([packed(A), packed(d)], [GZIP, GZIP],
                       annotations={"org.opencontainers.image.ref.name": "example.com/%s:1" % n})
             for n, d in (("x", B), ("y", layer("y")))])


def oci_foreign():
    "a foreign layer: with urls, and no blob"
    oci = Oci()
    body = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": oci.put(CONFIG, "config.v1+json"),
            "layers": [descriptor(packed(A), "layer.nondistributable.v1.tar+gzip", urls=["https://example.com/l"]),
                       oci.put(packed(B), GZIP)]}
    oci.end([oci.put(json.dumps(body).encode(), "manifest.v1+json", **NAMED)])


def platform(arch):
    return {"platform": {"os": "linux", "architecture": arch}}


def many(oci):
    amd = oci.image([packed(A)], [GZIP], **platform("amd64"))
    arm = oci.image([packed(B)], [GZIP], **platform("arm64"))
    ppc = oci.image([packed(layer("p"))], [GZIP], **platform("ppc64le"))
    note = b'{"predicateType":"x"}'
    attestation = oci.image([note], ["x"], json.dumps(
        {"architecture": "unknown", "os": "unknown", "config": {},
         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(note)]}}).encode(),
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest"})
    return [amd, arm, ppc, attestation]


def attestations():
    "as the containerd store saves it: nested index, attestation, manifest.json for one platform"
    oci = Oci()
    children = many(oci)
    root = oci.index(children, annotations={"io.containerd.image.name": "example.com/t:1",
                                            "org.opencontainers.image.ref.name": "1"})
    layers = ["blobs/sha256/" + sha(packed(A))]
    oci.end([root], [("manifest.json", manifest(layers, "blobs/sha256/" + sha(config([A]))))])


def containerd_large():
    "a layer of the containerd store that takes long enough for convert records"
    oci = Oci()
    big = layer("zeros", bytes(160_000_000))
    slow = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY)
    small = slow.compress(big) + slow.flush()
    image = oci.image([small], [GZIP], config([big]), **NAMED)
    layers = ["blobs/sha256/" + sha(small)]
    oci.end([image], [("manifest.json", manifest(layers, "blobs/sha256/" + sha(config([big]))))])


def sparse_several():
    "an index of three platforms, one of them absent"
    oci = Oci()
    children = many(oci)
    oci.end([oci.index(children, **NAMED)], drop=[children[2]["digest"][7:]])


def sparse_one():
    "an index of three platforms and an attestation, one platform there"
    oci = Oci()
    children = many(oci)
    oci.end([oci.index(children, **NAMED)], drop=[children[1]["digest"][7:], children[2]["digest"][7:]])


def oci_wrong_blob():
    "a blob whose bytes are not its name"
    oci = Oci()
    one = oci.image([packed(A), packed(B)], [GZIP, GZIP], **NAMED)
    oci.blobs[sha(packed(A))] = packed(layer("c"))
    oci.end([one])


def oci_missing_blob():
    oci = Oci()
    one = oci.image([packed(A), packed(B)], [GZIP, GZIP], **NAMED)
    oci.end([one], drop=[sha(packed(A))])


def oci_missing_config():
    oci = Oci()
    one = oci.image([packed(A), packed(B)], [GZIP, GZIP], **NAMED)
    oci.end([one], drop=[sha(CONFIG)])


def oci_missing_manifest():
    oci = Oci()
    one = oci.image([packed(A), packed(B)], [GZIP, GZIP], **NAMED)
    oci.end([one], drop=[one["digest"][7:]])


def oci_cut_layer():
    "a layer that has its digest and can't be unpacked"
    oci = Oci()
    oci.end([oci.image([packed(A)[:-9], packed(B)], [GZIP, GZIP], CONFIG, **NAMED)])


def oci_no_gzip_layer():
    "a layer that has its digest and is nothing of what its media type says"
    oci = Oci()
    oci.end([oci.image([b"no gzip", packed(B)], [GZIP, GZIP], CONFIG, **NAMED)])


def oci_wrong_size():
    oci = Oci()
    one = oci.image([packed(A), packed(B)], [GZIP, GZIP], **NAMED)
    oci.end([{**one, "size": one["size"] + 1}])


def oci_index(text):
    Tar().file("index.json", text).file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}').end()


def oci_index_null():
    oci_index(b"null")


def oci_index_no_json():
    oci_index(b'{"manifests":[')


def oci_index_empty():
    oci_index(b'{"schemaVersion":2,"manifests":[]}')


def oci_index_bad_digest():
    oci_index(b'{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":1}]}')


def oci_diff_id():
    "an image whose config names other layers"
    oci = Oci()
    oci.end([oci.image([packed(A), packed(B)], [GZIP, GZIP], config([B, A]), **NAMED)])


def index_bomb():
    "an index of 3,000 times an index of 3,000 times an index of 3,000 times a manifest"
    oci = Oci()
    one = oci.image([packed(A)], [GZIP])
    for _ in range(3):
        one = oci.index([one] * 3000)
    oci.end([{**one, **NAMED}])


def sparse_nested():
    "an index in an index, one platform of three absent"
    oci = Oci()
    children = many(oci)
    oci.end([oci.index([oci.index(children)], **NAMED)], drop=[children[2]["digest"][7:]])


# What is wrong

def nested_deep():
    "2,000 indexes, each in the next, that do not say what they are"
    oci = Oci()
    one = {"digest": "sha256:" + "0" * 64, "size": 1}
    for _ in range(2000):
        one = oci.index([one])
        del one["mediaType"]
    oci.end([{**one, **NAMED}])


def no_manifest():
    Tar().file("a/layer.tar", A).end()


def manifest_null():
    Tar().file("a/layer.tar", A).file("manifest.json", b"null").end()


def manifest_no_json():
    Tar().file("a/layer.tar", A).file("manifest.json", b"[{").end()


def manifest_empty():
    Tar().file("a/layer.tar", A).file("manifest.json", b"[]").end()


def manifest_object():
    Tar().file("a/layer.tar", A).file("manifest.json", b"{}").end()


def layer_missing():
    Tar().file("a/layer.tar", A).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def config_missing():
    Tar().file("a/layer.tar", A).file("manifest.json", manifest(["a/layer.tar"])).end()


def wrong_diff_id():
    "the layers in the wrong order, as Docker 25.0.0 wrote them"
    Tar().file("a/layer.tar", A).file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["b/layer.tar", "a/layer.tar"])).end()


def wrong_diff_id_gzip():
    Tar().file("a.tar", packed(A)).file("b.tar", B).file("c.json", config([B, B])).file(
        "manifest.json", manifest(["a.tar", "b.tar"])).end()


def wrong_diff_id_zstd():
    Tar().file("a.tar", packed_zstd(A)).file("b.tar", B).file("c.json", config([B, B])).file(
        "manifest.json", manifest(["a.tar", "b.tar"])).end()


def wrong_config_digest():
    "a config whose bytes are not its name"
    name = "blobs/sha256/" + sha(b"x")
    Tar().file("a/layer.tar", A).file(name, config([A])).file("manifest.json", manifest(["a/layer.tar"], name)).end()


def wrong_count():
    Tar().file("a/layer.tar", A).file("c.json", CONFIG).file("manifest.json", manifest(["a/layer.tar"])).end()


def cut_gzip_layer():
    Tar().file("a/layer.tar", packed(A)[:-9]).file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def dotdot():
    Tar().file("a/../../layer.tar", A).end()


def absolute():
    Tar().file("/etc/layer.tar", A).end()


def layer_outside():
    Tar().file("c.json", CONFIG).file("manifest.json", manifest(["../../etc/passwd", "/etc/passwd"])).end()


def link_outside():
    Tar().link("a/layer.tar", "/etc/passwd").file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def link_to_itself():
    Tar().link("a/layer.tar", "layer.tar").file("b/layer.tar", B).file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def hard_link_cycle():
    Tar().link("a/layer.tar", "b/layer.tar", tarfile.LNKTYPE).link("b/layer.tar", "a/layer.tar", tarfile.LNKTYPE).file(
        "c.json", CONFIG).file("manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def link_cycle():
    Tar().link("a/layer.tar", "../b/layer.tar").link("b/layer.tar", "../a/layer.tar").file("c.json", CONFIG).file(
        "manifest.json", manifest(["a/layer.tar", "b/layer.tar"])).end()


def large_layer():
    "a layer of 12 MiB: text, then what does not compress, then zeros"
    text = b"".join(b"line %d of a file\n" % i for i in range(200000))[: 4 << 20]
    noise = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range((4 << 20) // 32))
    large = layer("file", text + noise + bytes(4 << 20))
    Tar().file("a/layer.tar", large).file("c.json", config([large])).file(
        "manifest.json", manifest(["a/layer.tar"])).end()


def slow_layer():
    "a layer of 24 MB, of which gzip:9 takes a second: digits that nothing repeats"
    slow = layer("file", random.Random(1).randbytes(12000000).hex())
    Tar().file("a/layer.tar", slow).file("c.json", config([slow])).file(
        "manifest.json", manifest(["a/layer.tar"])).end()


def large_config(mib=5):
    "a config of 5 MiB"
    info = tarfile.TarInfo("c.json")
    info.size = mib << 20
    OUT.write(info.tobuf(tarfile.GNU_FORMAT))
    OUT.write(b"{" + b" " * ((1 << 20) - 1))
    for _ in range(mib - 1):
        OUT.write(b" " * (1 << 20))
    Tar().file("a/layer.tar", A).file("manifest.json", manifest(["a/layer.tar"])).end()


def huge_config():
    "a config of 1 GB"
    large_config(1024)


def many_members():
    "100,001 members, all of them the same folder"
    info = tarfile.TarInfo("f")
    info.type = tarfile.DIRTYPE
    OUT.write(info.tobuf(tarfile.USTAR_FORMAT) * 100001)
    OUT.write(bytes(1024))


def many_files():
    "100,001 empty files"
    for i in range(100001):
        OUT.write(tarfile.TarInfo("f%d" % i).tobuf(tarfile.USTAR_FORMAT))
    OUT.write(bytes(1024))


def negative_size():
    header = bytearray(tarfile.TarInfo("a/layer.tar").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    OUT.write(bytes(header) + bytes(1024))


def control_characters():
    "a layer whose name would play with a terminal"
    Tar().file("c.json", CONFIG).file(
        "manifest.json", manifest(["\x1b[31mred\u202e\n\x07", "b/layer.tar"])).end()


if __name__ == "__main__":
    if sys.argv[1] == "--into":
        for case in sys.argv[3:]:
            with open(f"{sys.argv[2]}/{case}.tar", "wb") as OUT:
                globals()[case]()
    else:
        try:
            globals()[sys.argv[1]]()
            OUT.flush()
        except BrokenPipeError:
            sys.stderr.close()
