/* SPDX-License-Identifier: Apache-2.0 */
#include "platform.h"

#include <string.h>

/* Takes the LEN bytes at FROM, which may be none where it says so. */
static bool take(char *to, size_t size, const char *from, size_t len)
{
	static const char word[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	if (len >= size || strspn(from, word) < len)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

int platform_parse(struct platform *p, const char *text, struct error *e)
{
	*p = (struct platform){0};
	size_t os = strcspn(text, "/");
	const char *architecture = text + os + (text[os] == '/');
	size_t len = strcspn(architecture, "/");
	const char *variant = architecture + len + (architecture[len] == '/');
	if (os && len && take(p->os, sizeof p->os, text, os) &&
	    take(p->architecture, sizeof p->architecture, architecture, len) &&
	    take(p->variant, sizeof p->variant, variant, strlen(variant)) &&
	    !*variant == !architecture[len])
		return 0;
	return error_set(e, STATUS_USAGE, "'%.100s': not a platform: expected os/arch[/variant]", text);
}

static bool take_member(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_text(object, key);
	return !text || take(to, size, text, strlen(text));
}

bool platform_read(struct platform *p, const json_t *object)
{
	*p = (struct platform){0};
	return take_member(p->os, sizeof p->os, object, "os") &&
	       take_member(p->architecture, sizeof p->architecture, object, "architecture") &&
	       take_member(p->variant, sizeof p->variant, object, "variant") &&
	       take_member(p->os_version, sizeof p->os_version, object, "os.version") && *p->os &&
	       *p->architecture;
}

void platform_write(const struct platform *p, json_t *object)
{
	json_t *platform = json_pack("{s:s, s:s}", "architecture", p->architecture, "os", p->os);
	if (*p->os_version)
		json_object_set_new(platform, "os.version", json_string(p->os_version));
	if (*p->variant)
		json_object_set_new(platform, "variant", json_string(p->variant));
	json_object_set_new(object, "platform", platform);
}
