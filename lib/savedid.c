/* SPDX-License-Identifier: Apache-2.0 */
#include "savedid.h"

#include <stdio.h>
#include <string.h>

/* An image of nothing, as Go writes it. */
#define BEGINNING                                                                              \
	"{\"container_config\":{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\","          \
	"\"AttachStdin\":false,\"AttachStdout\":false,\"AttachStderr\":false,\"Tty\":false,"   \
	"\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":null,\"Cmd\":null,\"Image\":\"\","    \
	"\"Volumes\":null,\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,"           \
	"\"Labels\":null},\"created\":\"1970-01-01T00:00:00Z\""

/* CHAIN becomes the chain ID of the layers as far as DIFF_ID (OCI image-spec, config.md). */
static void lengthen(struct digest *chain, const struct digest *diff_id)
{
	char text[2 * DIGEST_TEXT_LEN + 2];
	int len = snprintf(text, sizeof text, "%s %s", chain->text, diff_id->text);
	if (digest_is_set(chain))
		digest_of(chain, text, (size_t)len);
	else
		*chain = *diff_id;
}

void savedid_of(const struct digest *diff_ids, size_t count, struct digest *ids)
{
	char text[sizeof BEGINNING + 2 * DIGEST_TEXT_LEN + 64];
	struct digest chain = {""};
	for (size_t i = 0; i < count; i++) {
		ids[i] = (struct digest){""};
		if (i + 1 == count)
			break;
		lengthen(&chain, &diff_ids[i]);
		int len = snprintf(text, sizeof text, BEGINNING ",\"layer_id\":\"%s\"%s%s%s}", chain.text,
				   i ? ",\"parent\":\"" : "", i ? ids[i - 1].text : "", i ? "\"" : "");
		digest_of(&ids[i], text, (size_t)len);
	}
}
