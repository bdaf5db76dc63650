/* SPDX-License-Identifier: Apache-2.0 */
#include "import.h"

#include "dockertar.h"
#include "event.h"
#include "json.h"
#include "member.h"
#include "ocitar.h"
#include "program.h"
#include "publish.h"
#include "tarball.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run {
	const struct import *import;
	struct members members;
	struct publisher *publisher;
	struct docker_images docker;
	struct oci_images oci;
	bool is_docker; /* DOCKER holds the images, else OCI */
};

static bool looks_like_json(const void *data, size_t len)
{
	const char *text = data;
	size_t i = 0;
	while (i < len && strchr(" \t\r\n", text[i]) && text[i])
		i++;
	return i < len && (text[i] == '{' || text[i] == '[' || text[i] == 'n'); /* null */
}

/* One file of the only pass over a pipe. */
static int take_from_pipe(struct run *r, struct tarball *tarball, struct member *m, struct error *e)
{
	struct descriptor d;
	const void *data = NULL;
	size_t len = 0;
	if (tarball_read(tarball, &data, &len, e) < 0)
		return -1;
	m->encoding = encoding_sniff(data, len);
	const struct known_layer *known = member_find_known(&r->members, m);
	if (known) {
		program_trace("%s: %lld bytes, known", m->path, (long long)m->size);
		return member_drop(m, tarball, len, known, e);
	}
	if (member_store(&r->members, m, tarball, data, len, e))
		return -1;
	program_trace("%s: %lld bytes%s", m->path, (long long)m->size,
		      m->packed.is_packed ? ", compressed" : "");
	if (r->import->selector || m->encoding == ENCODING_OTHER)
		return 0;
	publish_describe_layer(m, &d);
	return publish_member(r->publisher, m, &d, e);
}

/* One file of the first look at a seekable tar: JSON is stored, of the others the beginning is
 * looked at. */
static int look_at(struct run *r, struct tarball *tarball, struct member *m, struct error *e)
{
	const void *data = NULL;
	size_t len = 0;
	int more = tarball_read(tarball, &data, &len, e);
	if (more < 0)
		return -1;
	m->encoding = encoding_sniff(data, len);
	if (m->encoding != ENCODING_OTHER || m->size > JSON_INDEX_MAX || !looks_like_json(data, len))
		return 0;
	m->packing = PACK_KEEP;
	program_trace("look at %s: %lld bytes", m->path, (long long)m->size);
	return member_store(&r->members, m, tarball, data, len, e);
}

/* Goes through the tar and fills the table. */
static int scan(struct run *r, struct tarball *tarball, bool is_look, struct error *e)
{
	struct tarball_member entry;
	int more;
	while ((more = tarball_next(tarball, &entry, e)) > 0) {
		struct member *m = members_add(&r->members, &entry, e);
		if (!m)
			return -1;
		if (program_is_interrupted())
			return program_interrupted(e);
		if (entry.is_link)
			continue;
		if (is_look ? look_at(r, tarball, m, e) : take_from_pipe(r, tarball, m, e))
			return -1;
	}
	members_sort(&r->members);
	return more;
}

/* The second pass over a seekable tar: what is wanted and not there yet. */
static int load(struct run *r, struct tarball *tarball, struct error *e)
{
	struct tarball_member entry;
	struct descriptor d;
	size_t order = 0;
	int more;
	while ((more = tarball_next(tarball, &entry, e)) > 0) {
		struct member *m = members_look(&r->members, entry.path);
		bool is_it = !entry.is_link && m && m->order == order && m->is_wanted &&
			     !m->is_stored;
		order++;
		if (!is_it)
			continue;
		program_trace("%s: %lld bytes", m->path, (long long)m->size);
		if (member_store(&r->members, m, tarball, NULL, 0, e))
			return -1;
		if (m->as)
			d = *m->as;
		else
			publish_describe_layer(m, &d);
		if (digest_equal(&d.digest, &m->packed.blob) &&
		    publish_member(r->publisher, m, &d, e))
			return -1;
	}
	return more;
}

static void forget_wishes(struct members *t)
{
	for (size_t i = 0; i < t->count; i++) {
		t->list[i].is_wanted = false;
		t->list[i].diff_id = NULL;
	}
}

/* Docker's manifest.json or the OCI index? Docker's if its layers are plain: they will be
 * compressed. If they are compressed already, the tar is the containerd store's, and the OCI
 * manifests that name them survive. */
static int select_images(struct run *r, struct error *e)
{
	const char *selector = r->import->selector;
	const struct member *index = members_look(&r->members, "index.json");
	if (r->members.count == 0)
		return error_set(e, STATUS_DATA, "nothing is in it: did what should have written it fail?");
	if (!members_look(&r->members, "manifest.json")) {
		if (!index)
			return error_set(e, STATUS_DATA, "no manifest.json and no index.json in the tar: "
							 "it is no saved image (docker save writes one, docker export not)");
		return oci_images_select(&r->oci, &r->members, selector,
					 r->import->is_sparse_allowed, e);
	}
	if (!index) {
		r->is_docker = true;
		return docker_images_select(&r->docker, &r->members, selector, e);
	}
	struct error why = {0};
	int rc = docker_images_select(&r->docker, &r->members, NULL, &why);
	r->is_docker = docker_images_have_plain_layers(&r->docker);
	docker_images_release(&r->docker);
	forget_wishes(&r->members);
	if (r->is_docker || (rc && why.status != STATUS_DATA))
		return docker_images_select(&r->docker, &r->members, selector, e);
	return oci_images_select(&r->oci, &r->members, selector, r->import->is_sparse_allowed, e);
}

static int take_known(struct run *r, struct error *e)
{
	if (!r->is_docker)
		return oci_images_take_known(&r->oci, &r->members, e);
	docker_images_take_known(&r->docker, &r->members);
	return 0;
}

static int finish(struct run *r, struct error *e)
{
	if (r->is_docker)
		return docker_images_build(&r->docker, &r->members, r->publisher, e) ||
				       docker_images_finish(&r->docker, r->import->layout, e)
			       ? -1
			       : 0;
	return oci_images_build(&r->oci, &r->members, r->publisher, e) ||
			       oci_images_finish(&r->oci, r->import->layout, e)
		       ? -1
		       : 0;
}

/* Whether the tar can be read twice, and where it begins. */
static bool can_seek(int fd, off_t *start)
{
	struct stat st;
	*start = lseek(fd, 0, SEEK_CUR);
	return *start >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Opens the tar and goes through it; *IS_LOOK says whether that was only a look. */
static int first_pass(struct run *r, bool *is_look, struct error *e)
{
	struct tarball_member entry;
	off_t start;
	bool is_seekable = can_seek(r->import->fd, &start);
	struct tarball *tarball = tarball_new(r->import->fd, e);
	if (!tarball)
		return -1;
	int rc = 0;
	if (is_seekable) {
		/* Looking at the first member tells whether the whole is compressed. */
		rc = tarball_next(tarball, &entry, e);
		*is_look = rc > 0 && !tarball_is_compressed(tarball);
		tarball_free(tarball);
		if (rc < 0)
			return -1;
		if (lseek(r->import->fd, start, SEEK_SET) < 0)
			return error_errno(e, "seek in the tar");
		tarball = tarball_new(r->import->fd, e);
		if (!tarball)
			return -1;
	}
	rc = scan(r, tarball, *is_look, e);
	tarball_free(tarball);
	if (rc == 0 && *is_look && lseek(r->import->fd, start, SEEK_SET) < 0)
		rc = error_errno(e, "seek in the tar");
	return rc;
}

static int second_pass(struct run *r, struct error *e)
{
	struct tarball *tarball = tarball_new(r->import->fd, e);
	int rc = tarball ? load(r, tarball, e) : -1;
	tarball_free(tarball);
	return rc;
}

static void release(struct run *r)
{
	docker_images_release(&r->docker);
	oci_images_release(&r->oci);
	publisher_free(r->publisher);
	members_release(&r->members);
}

int import_list(const struct import *i, struct error *e)
{
	struct run r = {.import = i};
	members_init(&r.members, i->layout, &i->compression);
	r.members.is_silent = true;
	struct tarball *tarball = tarball_new(i->fd, e);
	int rc = tarball ? scan(&r, tarball, true, e) : -1;
	tarball_free(tarball);
	if (rc == 0)
		rc = select_images(&r, e);
	if (rc == 0)
		rc = r.is_docker ? docker_images_list(&r.docker, i->has_layers, e)
				 : oci_images_list(&r.oci, &r.members, i->has_layers, e);
	release(&r);
	return rc;
}

int import_run(const struct import *i, struct error *e)
{
	struct run r = {.import = i};
	bool is_look = false;
	members_init(&r.members, i->layout, &i->compression);
	r.members.known = i->known;
	r.publisher = publisher_new(&r.members);
	int rc = event_phase(PHASE_CONVERTING, e);
	if (rc == 0)
		rc = first_pass(&r, &is_look, e);
	if (rc == 0)
		rc = select_images(&r, e);
	if (rc == 0)
		rc = take_known(&r, e);
	if (rc == 0 && is_look)
		rc = second_pass(&r, e);
	if (rc == 0)
		rc = finish(&r, e);
	release(&r);
	return rc;
}
