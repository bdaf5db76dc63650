/* SPDX-License-Identifier: Apache-2.0 */
/* compress: bytes in, a blob out, with all digests that an image needs of it, in one pass. */
#ifndef COMPRESS_H
#define COMPRESS_H

#include "digest.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What bytes are, by looking at their beginning. Names and media types are never trusted. */
enum encoding { ENCODING_OTHER, ENCODING_TAR, ENCODING_GZIP, ENCODING_ZSTD };

#define ENCODING_SNIFF 512 /* bytes to look at; fewer where the content is shorter */

enum encoding encoding_sniff(const void *data, size_t len);

enum packing {
	PACK_AUTO,     /* a plain tar is compressed, all else stays */
	PACK_KEEP,     /* byte for byte */
	PACK_COMPRESS, /* is compressed, whatever it is */
};

enum codec { CODEC_GZIP, CODEC_ZSTD, CODEC_NONE };

/* How what is to be compressed is compressed; not at all with CODEC_NONE. */
struct compression {
	enum codec codec;
	int level;   /* as for gzip_new(), zstandard_new() */
	int threads; /* as for both */
};

/* Sets codec and level to what TEXT says: auto, none, gzip[:LEVEL] or zstd[:LEVEL]. NAME (an option or
 * a variable) is for the message. STATUS_USAGE. */
int compression_parse(struct compression *c, const char *name, const char *text, struct error *e);

/* The same from TEXT (of the option --compress, may be NULL), else COG_PUSH_COMPRESS, else auto. */
int compression_choose(struct compression *c, const char *text, struct error *e);

/* What went in and what came out. */
struct packed {
	enum encoding encoding;	  /* of the bytes given */
	bool is_packed;		  /* they were compressed */
	enum encoding form;	  /* of the bytes written */
	struct digest raw;	  /* of the bytes given */
	int64_t raw_size;
	struct digest blob;	  /* of the bytes written */
	int64_t blob_size;
	struct digest diff_id;	  /* of the uncompressed bytes; empty when they can't be inflated */
	int64_t diff_size;
};

struct compressor;

/* Writes to FD, which is borrowed. NAME (borrowed) is for messages about writing. HOW is copied. */
struct compressor *compressor_new(int fd, const char *name, enum packing packing,
				  const struct compression *how);
void compressor_free(struct compressor *c);

/* Returns 0, or -1 with STATUS_FAILED when FD takes no more. */
int compressor_write(struct compressor *c, const void *data, size_t len, struct error *e);

/* Ends the blob; call once. */
int compressor_finish(struct compressor *c, struct packed *packed, struct error *e);

#endif
