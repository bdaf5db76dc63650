/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that can't be read to its end is an error: its other files would be missing from the weight. */
#include "check.h"
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the place of the C library's: "file", and then the disk fails. */
struct dirent *readdir(DIR *dir)
{
	static struct dirent entry;
	(void)dir;
	if (*entry.d_name) {
		errno = EIO;
		return NULL;
	}
	strcpy(entry.d_name, "file");
	return &entry;
}

int main(void)
{
	char path[] = "/tmp/folder.XXXXXX";
	struct folder f;
	struct error e = {0};
	CHECK(mkdtemp(path) != NULL);
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	int file = openat(dir, "file", O_WRONLY | O_CREAT, 0666);
	CHECK(dir >= 0 && file >= 0);
	CHECK(folder_open(&f, path, -1, &e) == -1 && e.status == STATUS_DATA);
	CHECK(strstr(e.text, path) && strstr(e.text, strerror(EIO)));
	folder_release(&f);
	close(file);
	unlinkat(dir, "file", 0);
	close(dir);
	rmdir(path);
	return failures != 0;
}
