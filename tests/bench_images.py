# SPDX-License-Identifier: Apache-2.0
"""The images of tests/bench: files of this machine, weights and noise, saved as docker save does. What is
drawn is the same each time."""
import functools
import hashlib
import itertools
import json
import os
import random
import shutil
import struct
import subprocess
import tarfile


class Image:
    """Each of its forms is made when it is first asked for: PATH.tar, and the layout PATH that
    oci-from-dockertar makes of it. MAKE_LAYERS(folder) writes the tars of its layers, 0.tar and on."""

    def __init__(self, path, name, make_layers):
        self.path, self.name, self.make_layers = path, name, make_layers

    @functools.cached_property
    def tar(self):
        folder = self.path + ".layers"
        os.mkdir(folder)
        self.make_layers(folder)
        save(self.path + ".tar", self.name, folder)
        shutil.rmtree(folder)
        return self.path + ".tar"

    @functools.cached_property
    def layout(self):
        subprocess.run(["oci-from-dockertar", "-f", self.tar, self.path], check=True, stdout=subprocess.DEVNULL)
        return self.path

    @functools.cached_property
    def digest(self):
        with open(f"{self.layout}/index.json") as file:
            return json.load(file)["manifests"][0]["digest"]

    @property
    def blobs(self):
        """The digests of config and layers."""
        digests = [f"sha256:{name}" for name in sorted(os.listdir(f"{self.layout}/blobs/sha256"))]
        return [each for each in digests if each != self.digest]

    @property
    def files(self):
        """The paths of config and layers in the layout."""
        return [f"{self.layout}/blobs/{digest.replace(':', '/')}" for digest in self.blobs]


def save(path, name, folder):
    """The saved image, in the legacy form, of the layers in FOLDER, which are removed on the way."""
    layers = [f"{n}.tar" for n in range(len(os.listdir(folder)))]
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/true"]},
              "rootfs": {"type": "layers", "diff_ids": [digest_of(f"{folder}/{each}") for each in layers]}}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": layers}]
    for member, value in ("config.json", config), ("manifest.json", manifest):
        with open(f"{folder}/{member}", "w") as file:
            json.dump(value, file)
    with tarfile.open(path, "w") as tar:
        for member in ["config.json", *layers, "manifest.json"]:
            tar.add(f"{folder}/{member}", member)
            os.remove(f"{folder}/{member}")


def digest_of(path):
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def mixed_layers(folder, megabytes):
    """Binaries, libraries and texts of this machine, weights as bf16, noise, and a small layer."""
    size = megabytes * 1e6
    layer_of_files(f"{folder}/0.tar", ["/usr/bin", "/usr/sbin"], size * 0.22)
    layer_of_files(f"{folder}/1.tar", ["/usr/lib"], size * 0.27)
    layer_of_files(f"{folder}/2.tar", ["/usr/share"], size * 0.15)
    layer_of_bytes(f"{folder}/3.tar", weights(), size * 0.25)
    layer_of_bytes(f"{folder}/4.tar", noise(1, 1 << 24), size * 0.11)
    layer_of_files(f"{folder}/5.tar", ["/usr/share"], 1 << 16)


def layers_and_new_one(folder, megabytes):
    mixed_layers(folder, megabytes)
    layer_of_bytes(f"{folder}/6.tar", noise(2, 10000000), 10000000)


def small_layers(folder, count):
    for n in range(count):
        layer_of_bytes(f"{folder}/{n}.tar", noise(n, 10000), 10000)


@functools.cache
def weights():
    draw = random.Random(1)
    return b"".join(struct.pack("<f", draw.gauss(0, 0.02))[2:] for _ in range(1 << 20))


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def files_below(folders):
    for folder in folders:
        for where, names, files in os.walk(folder):
            names.sort()
            for name in sorted(files):
                path = os.path.join(where, name)
                if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.R_OK):
                    yield path


def layer_of_files(path, folders, limit):
    """A tar of real files, of nearly LIMIT bytes: all again, by other names, when there are not as many."""
    left = limit
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, dereference=True) as tar:
        for turn in itertools.count():
            before = left
            for file in files_below(folders):
                if os.path.getsize(file) <= left:
                    tar.add(file, f"{turn}{file}")
                    left -= os.path.getsize(file)
                if left < limit * 0.02:
                    return
            if left == before:
                return


def layer_of_bytes(path, block, size):
    """A tar of one file of SIZE bytes, which repeats BLOCK; that is to be larger than what a compressor looks
    back."""
    content = path + ".content"
    with open(content, "wb") as file:
        for at in range(0, int(size), len(block)):
            file.write(block[:int(size) - at])
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar, open(content, "rb") as file:
        info = tarfile.TarInfo("content.bin")
        info.size = int(size)
        tar.addfile(info, file)
    os.remove(content)
