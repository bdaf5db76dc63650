# SPDX-License-Identifier: Apache-2.0
# cog-push: see README.md. Objects go to build/, programs to bin/.
VERSION = 0.1.0
PREFIX = /usr/local
BUILD = build

CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wvla
HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
ALL_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -D_DARWIN_C_SOURCE \
	-D_FILE_OFFSET_BITS=64 -DVERSION='"$(VERSION)"' -Ilib $(WARNINGS) $(HARDENING) \
	$(ISAL_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# gzip by ISA-L where it exists, else by zlib: make ISAL=no
ISAL := $(shell pkg-config --exists libisal && echo yes || echo no)
ISAL_CFLAGS = $(if $(filter yes,$(ISAL)),-DHAVE_ISAL)
ISAL_LIBS = $(if $(filter yes,$(ISAL)),-lisal)

# What each program links is part of its safety: the converter, which parses hostile tars, has no
# libcurl and so no way to a network.
BASE_LIBS = -ljansson -lcrypto
TAR_LIBS = -larchive $(ISAL_LIBS) -lzstd -lz -pthread $(BASE_LIBS)
LIBS_oci-from-dockertar = $(TAR_LIBS)
LIBS_oci-tar-images = $(TAR_LIBS)
LIBS_oci-from-weights = $(TAR_LIBS)
LIBS_oci-weights-check = $(TAR_LIBS)
LIBS_oci-weights-digest = -pthread $(BASE_LIBS)
LIBS_oci-blobs = $(BASE_LIBS)
LIBS_oci-blob-queue = $(BASE_LIBS)
LIBS_oci-from-files = $(BASE_LIBS)
LIBS_oci-index = $(BASE_LIBS)
LIBS_oci-manifest-edit = $(BASE_LIBS)
NET_LIBS = -lcurl -lssl -pthread $(BASE_LIBS)
LIBS_oci-blob-upload = $(NET_LIBS)
LIBS_oci-manifest-get = $(NET_LIBS)
LIBS_oci-manifest-put = $(NET_LIBS)
LIBS_oci-push-check = $(NET_LIBS)
LIBS_oci-verify = $(NET_LIBS)
LIBS_oci-upload-forget = $(NET_LIBS)
LIBS_cog-login = $(NET_LIBS)
LIBS_cog-logout = $(BASE_LIBS)
LIBS_cog-docker-save = $(BASE_LIBS)
LIBS_cog-run = $(BASE_LIBS)
LIBS_cog-progress = $(BASE_LIBS)
LIBS_cog-known = $(BASE_LIBS)

PROGRAMS = $(patsubst src/%.c,bin/%,$(wildcard src/*.c))
SCRIPTS = bin/cog-push bin/cog-engine
PARTS = $(wildcard lib/cog-push/*.sh)
PAGES = $(wildcard man/*.[157])
OBJECTS = $(patsubst lib/%.c,$(BUILD)/lib/%.o,$(wildcard lib/*.c))
UNITS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*.c))
# The names in the order of the alphabet, for completion.
NAMES = $(sort $(notdir $(PROGRAMS) $(SCRIPTS)))
BASH_COMPLETION = $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETION = $(PREFIX)/share/zsh/site-functions
EXAMPLES = $(PREFIX)/share/doc/cog-push/examples
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
UNIT_LIBS = -lcurl -lssl $(TAR_LIBS)

all: $(PROGRAMS)

$(BUILD)/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libcog.a: $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $(OBJECTS)

$(PROGRAMS): bin/%: src/%.c $(BUILD)/libcog.a
	@mkdir -p $(BUILD)/src
	$(CC) $(ALL_CFLAGS) -MMD -MP -MF $(BUILD)/src/$*.d $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libcog.a \
		$(LIBS_$*)

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libcog.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libcog.a $(UNIT_LIBS)

units: $(UNITS)

# A fuzz target needs clang.
$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard lib/*.[ch])
	@mkdir -p $(@D)
	clang $(ALL_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< lib/*.c $(UNIT_LIBS)

# The quick suite: all but the tests with the tag slow, which WHOLE=yes adds. One file, whole:
# make check T=oci-blob-upload
WHOLE =
check: all units
	TEST_TAGS='$(if $(T)$(WHOLE),,!slow)' tests/run $(T)

# A tree beside this one, built in another way: $(call copy,NAME)
define copy
	rm -rf $(BUILD)/$1
	mkdir -p $(BUILD)/$1
	cp -R Makefile README.md src lib bin tests man $(BUILD)/$1/
	$(MAKE) -C $(BUILD)/$1 clean
endef

# The quick suite and the slow tests, with everything built for AddressSanitizer and UBSan.
check-san:
	$(call copy,san)
	$(MAKE) -C $(BUILD)/san check WHOLE=yes ISAL=$(ISAL) HARDENING= T="$(T)" \
		CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
		LDFLAGS="-fsanitize=address,undefined"

# The quick suite with every program under valgrind, which takes a fortified memmove for memcpy.
check-valgrind:
	$(call copy,valgrind)
	$(MAKE) -s -C $(BUILD)/valgrind all units ISAL=$(ISAL) HARDENING= CFLAGS="-O1 -g"
	$(BUILD)/valgrind/tests/valgrind $(T)

# Each fuzz target in turn, from the saved images of the tests. What it finds, it keeps: the corpus, and
# the input of a crash.
FUZZ_SECONDS = 1200
fuzz: $(FUZZERS)
	for each in $(FUZZERS); do \
		mkdir -p $$each.corpus && \
		$$each -max_total_time=$(FUZZ_SECONDS) -timeout=60 -artifact_prefix=$$each. \
			$$each.corpus tests/data || exit 1; \
	done

# Uploads through N faults and more, drawn from SEED.
SEED = 1
N = 1000
campaign: all
	tests/campaign --seed $(SEED) --faults $(N)

# What takes an hour and more.
check-long: check-valgrind campaign fuzz

# Side by side with other tools: make bench BENCH='--size 4000 --rounds 5 convert'
BENCH =
bench: all
	tests/bench $(BENCH)

lint:
	tests/lint

demo: all
	tests/demo

install: all
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/lib/cog-push"
	install $(PROGRAMS) $(SCRIPTS) "$(DESTDIR)$(PREFIX)/bin"
	install -m 644 $(PARTS) "$(DESTDIR)$(PREFIX)/lib/cog-push"
	for page in $(PAGES); do \
		section=$${page##*.}; \
		install -d "$(DESTDIR)$(PREFIX)/share/man/man$$section" && \
		install -m 644 $$page "$(DESTDIR)$(PREFIX)/share/man/man$$section" || exit 1; \
	done
	install -d "$(DESTDIR)$(BASH_COMPLETION)" "$(DESTDIR)$(ZSH_COMPLETION)"
	sed 's/@PROGRAMS@/$(NAMES)/' lib/dist/completion.bash >"$(DESTDIR)$(BASH_COMPLETION)/cog-push"
	for name in $(filter-out cog-push,$(NAMES)); do \
		ln -sf cog-push "$(DESTDIR)$(BASH_COMPLETION)/$$name" || exit 1; \
	done
	sed 's/@PROGRAMS@/$(NAMES)/' lib/dist/completion.zsh >"$(DESTDIR)$(ZSH_COMPLETION)/_cog-push"
	chmod 644 "$(DESTDIR)$(BASH_COMPLETION)/cog-push" "$(DESTDIR)$(ZSH_COMPLETION)/_cog-push"
	install -d "$(DESTDIR)$(EXAMPLES)"
	install -m 644 lib/dist/examples/* "$(DESTDIR)$(EXAMPLES)"
	@echo 'Installed into $(DESTDIR)$(PREFIX). What to begin with: man cog-pipeline'

uninstall:
	for file in $(notdir $(PROGRAMS) $(SCRIPTS)); do rm -f "$(DESTDIR)$(PREFIX)/bin/$$file"; done
	for part in $(notdir $(PARTS)); do rm -f "$(DESTDIR)$(PREFIX)/lib/cog-push/$$part"; done
	-[ ! -d "$(DESTDIR)$(PREFIX)/lib/cog-push" ] || rmdir "$(DESTDIR)$(PREFIX)/lib/cog-push"
	for page in $(notdir $(PAGES)); do \
		rm -f "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page"; \
	done
	for name in $(NAMES); do rm -f "$(DESTDIR)$(BASH_COMPLETION)/$$name"; done
	rm -f "$(DESTDIR)$(ZSH_COMPLETION)/_cog-push"
	for file in $(notdir $(wildcard lib/dist/examples/*)); do rm -f "$(DESTDIR)$(EXAMPLES)/$$file"; done
	-[ ! -d "$(DESTDIR)$(EXAMPLES)" ] || rmdir "$(DESTDIR)$(EXAMPLES)" "$(DESTDIR)$(dir $(EXAMPLES))"

# In build/static/bin: programs with as few shared libraries as there are archives. Those without a network
# have none. The C library of the others stays shared, as it looks up names by modules.
STATIC_ISAL = $(if $(filter /%,$(shell $(CC) -print-file-name=libisal.a)),yes,no)
STATIC_BASE_LIBS = -static-pie -ljansson $(shell pkg-config --static --libs libcrypto)
static:
	$(call copy,static)
	$(MAKE) -C $(BUILD)/static all ISAL=$(STATIC_ISAL) BASE_LIBS="$(STATIC_BASE_LIBS)" \
		TAR_LIBS="-larchive -lbz2 -llzma -lzstd -lz $(if $(filter yes,$(STATIC_ISAL)),-lisal) -pthread $(STATIC_BASE_LIBS)" \
		NET_LIBS="$$(lib/dist/static-libraries $(CC) $$(pkg-config --static --libs libcurl libidn2 libpsl libbrotlidec) -ljansson) -pthread"
	strip $(addprefix $(BUILD)/static/,$(PROGRAMS))

# A Debian package, build/deb/cog-push_VERSION_ARCHITECTURE.deb.
deb: all
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb
	$(MAKE) -s install DESTDIR=$(BUILD)/deb/root PREFIX=/usr ZSH_COMPLETION=/usr/share/zsh/vendor-completions
	lib/dist/deb/build $(BUILD)/deb/root

# The source as a tar, the same bytes for the same commit.
dist:
	mkdir -p $(BUILD)
	lib/dist/source-tar cog-push-$(VERSION) >$(BUILD)/cog-push-$(VERSION).tar.gz.new
	mv $(BUILD)/cog-push-$(VERSION).tar.gz.new $(BUILD)/cog-push-$(VERSION).tar.gz

clean:
	rm -rf $(BUILD)
	rm -f $(PROGRAMS)

.PHONY: all bench campaign units check check-san check-valgrind check-long deb dist fuzz lint demo install \
	static uninstall clean
.SECONDARY: $(OBJECTS)
-include $(wildcard $(BUILD)/*/*.d)
