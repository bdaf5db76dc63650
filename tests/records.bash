# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Records of a push as the programs write them, for who shows them.

# digest_of TEXT: a digest whose first digits are TEXT.
digest_of() {
	local rest
	rest=$(printf '%064d' 0)
	echo "sha256:$1${rest:${#1}}"
}

phase() { # PHASE
	printf '{"event":"phase","phase":"%s"}\n' "$1"
}

blob() { # DIGEST SIZE [KIND]
	printf '{"event":"blob","digest":"%s","size":%s,"mediaType":"a/b","kind":"%s"}\n' \
		"$(digest_of "$1")" "$2" "${3-layer}"
}

hashing() { # SOURCE INPUT-BYTES INPUT-SIZE
	printf '{"event":"hash","source":"%s","inputBytes":%s,"inputSize":%s}\n' "$@"
}

convert() { # SOURCE INPUT-BYTES [INPUT-SIZE [DIFF-ID]]
	printf '{"event":"convert","source":"%s","inputBytes":%s%s%s}\n' "$1" "$2" "${3:+,\"inputSize\":$3}" \
		"${4:+,\"diffId\":\"$(digest_of "$4")\"}"
}

progress() { # DIGEST SIZE SENT [RATE]
	printf '{"event":"progress","digest":"%s","size":%s,"offset":0,"sentOffset":%s,"bytesPerSecond":%s}\n' \
		"$(digest_of "$1")" "$2" "$3" "${4-0}"
}

retry() { # DIGEST ATTEMPT DELAY-MS; an empty DIGEST: of the registry
	printf '{"event":"retry"%s,"attempt":%s,"maxAttempts":5,"delayMs":%s,"reason":"busy"}\n' \
		"${1:+,\"digest\":\"$(digest_of "$1")\"}" "$2" "$3"
}

finished() { # DIGEST SIZE HOW [SENT [MS]]
	printf '{"event":"done","digest":"%s","size":%s,"how":"%s","sentBytes":%s,"ms":%s}\n' \
		"$(digest_of "$1")" "$2" "$3" "${4-0}" "${5-0}"
}

image() { # DIGEST [PLATFORM]
	printf '{"event":"image","digest":"%s","size":1,"mediaType":"a/b"%s,"names":[]}\n' "$(digest_of "$1")" \
		"${2:+,\"platform\":\"$2\"}"
}

manifest() { # DIGEST REF
	printf '{"event":"manifest","digest":"%s","size":1,"mediaType":"a/b","ref":"%s"}\n' "$(digest_of "$1")" "$2"
}
