/* SPDX-License-Identifier: Apache-2.0 */
/* The IDs that Docker 20.10 gave to the layers of tests/data/docker20.tar. */
#include "check.h"
#include "savedid.h"

#include <string.h>

static const struct digest diff_ids[] = {
	{"sha256:248c5d0f636dfabb1b9e2f57c3fded6086909901636f9019d1d597326a582c45"},
	{"sha256:4a77180db364733250ba0db2daa8ab3cc89a2b2d355266082cabee98c6a034d0"},
	{"sha256:a698489ec6818e0209fd292a195c276fbaafdf8d0c3f5c806d6bae8b2930014c"},
	{"sha256:22fee551dfef6d3c35ad061d7df52e7a5ae85e524155c61b03f228c4ededb397"},
	{"sha256:a698489ec6818e0209fd292a195c276fbaafdf8d0c3f5c806d6bae8b2930014c"},
};

static const char *const ids[] = {
	"sha256:9b4e8f1bd9bd277ba0507a475a23400c9def33c5b82c222af45f6f8ca4de10b6",
	"sha256:62a7d856c5cc8a1b71976c3107db47446c54d65b9b593c322a0e005d5785573a",
	"sha256:f4cf6776f5e4390e291364c39216799d8382061acf015f777286733396d6e33b",
	"sha256:ad6ca9c026d9655d2c577c5f863e2c9a89ae9e93b43477b2b8d706e02a675597",
	"",
};

int main(void)
{
	enum { COUNT = sizeof diff_ids / sizeof *diff_ids };
	struct digest found[COUNT];
	savedid_of(diff_ids, COUNT, found);
	for (int i = 0; i < COUNT; i++)
		CHECK(strcmp(found[i].text, ids[i]) == 0);
	savedid_of(diff_ids, 1, found);
	CHECK(!digest_is_set(&found[0]));
	return failures > 0;
}
