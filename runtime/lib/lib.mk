# SPDX-License-Identifier: MIT
#
# The public libraries: librpb-NAME.so, librpb-NAME.a, their headers and .pc files (from rpb.pc.in); install and uninstall.
#
# A library NAME exists when runtime/lib/NAME.c does. It is made of runtime/lib/NAME*.c, and of whatever these need of
# the layers base, fsm, wire and service: position-independent objects of their own under $(BUILD)/pic, all in one
# archive from which the linker takes what is referenced; --gc-sections drops the rest (the loop's worker thread, for
# one, which the engine of the machines names and never starts). Only symbols that begin with rpb_NAME_ are exported:
# by the version script from the shared library, by objcopy from the one object that the static library consists
# of. So two libraries in one program never share, or clash in, anything.

CPPFLAGS   += -Iruntime/lib/include

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR    ?=
INSTALL    ?= install
OBJCOPY    ?= objcopy
NM         ?= nm
comma      := ,

RPB_ABOUT_client  := Finds a service through its broker and talks to it
RPB_ABOUT_backend := Serves the clients of a broker
# What the static libraries need besides themselves; BLAKE3 is inside unless the system has it. In the .pc files as flags,
# not as Requires.private, for which pkg-config would want the .pc files of these also where everything is shared.
RPB_NEEDS = libprotobuf-c $(if $(BLAKE3_LIB),,libblake3)
RPB_PRIVATE_client  = $(strip $(shell pkg-config --static --libs $(RPB_NEEDS)))
RPB_PRIVATE_backend = $(strip $(shell pkg-config --static --libs $(RPB_NEEDS) jansson libmd))

# what lies below PREFIX is written as such, so that an installed tree can be moved (pkg-config --define-prefix)
RPB_PC_DIR  = $(if $(PREFIX),$(subst $(PREFIX)/,$${prefix}/,$(1)),$(1))

RPB_LIBS   := $(foreach n,client backend,$(if $(wildcard runtime/lib/$(n).c),$(n)))
RPB_SOVERSION := $(firstword $(subst ., ,$(VERSION)))
RPB_HEADERS := runtime/lib/include/rpb/protocol.h $(RPB_LIBS:%=runtime/lib/include/rpb/%.h)

rpb_src     = $(wildcard runtime/lib/$(1)*.c)
rpb_objs    = $(patsubst %.c,$(BUILD)/pic/%.o,$(call rpb_src,$(1)))
RPB_BELOW_LAYERS := base loop fsm wire service
RPB_BELOW_SRC := $(foreach l,$(RPB_BELOW_LAYERS) lib,$(filter-out $(foreach n,$(RPB_LIBS),$(call rpb_src,$(n))),$(call layer_src,$(l))) $(call layer_gen,$(l)))
RPB_BELOW  := $(BUILD)/pic/below.a
RPB_SO     := $(RPB_LIBS:%=$(BUILD)/librpb-%.so.$(VERSION))
RPB_A      := $(RPB_LIBS:%=$(BUILD)/librpb-%.a)
RPB_LINK   := -Wl,-z,relro,-z,now,-z,defs -Wl,--gc-sections -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)

.PHONY: libs install install-libs uninstall
all: libs
libs: $(RPB_SO) $(RPB_A) ## build the public libraries, shared and static

# -z defs cannot hold for a sanitizer build, whose run-time library comes with the program
ifneq ($(SAN),)
RPB_LINK   := $(subst $(comma)-z$(comma)defs,,$(RPB_LINK))
endif

$(BUILD)/pic/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_) -fPIC -fvisibility=hidden -DERROR_PATH_OFF $(if $(filter gen/%,$<),$(GEN_WARN),$(WARN)) -MMD -MP -c -o $@ $<
$(BUILD)/pic/proto/%.pb-c.o: $(BUILD)/proto/%.pb-c.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_) -fPIC -fvisibility=hidden -c -o $@ $<
$(RPB_BELOW): $(RPB_BELOW_SRC:%.c=$(BUILD)/pic/%.o) $(PROTOS:%=$(BUILD)/pic/proto/%.pb-c.o)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^

define rpb_rule
$(BUILD)/librpb-$(1).map:
	@mkdir -p $$(@D)
	$$(Q)echo 'RPB_$(shell echo $(1) | tr a-z A-Z)_$(RPB_SOVERSION) { global: rpb_$(1)_*; local: *; };' >$$@
$(BUILD)/librpb-$(1).so.$(VERSION): $(call rpb_objs,$(1)) $(RPB_BELOW) $(BLAKE3_LIB) $(BUILD)/librpb-$(1).map
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$(CC) -shared -Wl,-soname,librpb-$(1).so.$(RPB_SOVERSION) -Wl,--version-script=$(BUILD)/librpb-$(1).map $$(RPB_LINK) \
		-o $$@ $$(filter %.o,$$^) $$(call group,$$(filter %.a,$$^)) $(PKG_LIBS)
	$$(Q)ln -sf $$(@F) $(BUILD)/librpb-$(1).so.$(RPB_SOVERSION)
	$$(Q)ln -sf $$(@F) $(BUILD)/librpb-$(1).so
$(BUILD)/librpb-$(1).a: $(call rpb_objs,$(1)) $(RPB_BELOW) $(BLAKE3_LIB)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)$(CC) -r -nostdlib -Wl,--gc-sections $$$$($(NM) -g --defined-only -j $$(filter %.o,$$^) | sed -n 's/^rpb_$(1)_/-Wl,-u,&/p') \
		-o $(BUILD)/pic/rpb-$(1).o $$(filter %.o,$$^) $$(call group,$$(filter %.a,$$^))
	$$(Q)$(OBJCOPY) -w --keep-global-symbol='rpb_$(1)_*' --strip-unneeded $(BUILD)/pic/rpb-$(1).o
	$$(Q)$(AR) rcsD $$@ $(BUILD)/pic/rpb-$(1).o
endef
$(foreach n,$(RPB_LIBS),$(eval $(call rpb_rule,$(n))))

# The examples, linked with the static library so that tests can run them (tests/lib/run compiles them as a user would).
RPB_EXAMPLES := $(foreach n,$(RPB_LIBS),$(patsubst %.c,$(BUILD)/%,$(wildcard tests/examples/$(n)-*.c)))
tools: $(RPB_EXAMPLES)
define rpb_example_rule
$(BUILD)/tests/examples/$(1)-%: tests/examples/$(1)-%.c $(BUILD)/librpb-$(1).a
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$(CC) -Iruntime/lib/include $(CFLAGS_) $(WARN) $(LDFLAGS_) -o $$@ $$^ $(PKG_LIBS)
endef
$(foreach n,$(RPB_LIBS),$(eval $(call rpb_example_rule,$(n))))

# The .pc files are read from anywhere. DESTDIR may be relative.
.PHONY: install-dirs
install-dirs:
	$(Q)for d in $(foreach n,PREFIX BINDIR LIBDIR INCLUDEDIR,'$(n) is a relative path: $(or $($(n)),/)'); do \
		case $$d in *': /'*) ;; *) echo "$$d" >&2; exit 1;; esac; done

install-libs: install-dirs libs ## install the libraries, their headers and .pc files only (DESTDIR, PREFIX, LIBDIR, INCLUDEDIR)
	$(Q)$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCLUDEDIR)/rpb'
	$(Q)$(INSTALL) -m 644 $(RPB_HEADERS) '$(DESTDIR)$(INCLUDEDIR)/rpb/'
	$(Q)for n in $(RPB_LIBS); do \
		$(INSTALL) -m 755 $(BUILD)/librpb-$$n.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/' && \
		ln -sf librpb-$$n.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/librpb-$$n.so.$(RPB_SOVERSION)" && \
		ln -sf librpb-$$n.so.$(RPB_SOVERSION) "$(DESTDIR)$(LIBDIR)/librpb-$$n.so" && \
		$(INSTALL) -m 644 $(BUILD)/librpb-$$n.a '$(DESTDIR)$(LIBDIR)/' && \
		case $$n in \
			client) about='$(RPB_ABOUT_client)' needs='$(RPB_PRIVATE_client)';; \
			backend) about='$(RPB_ABOUT_backend)' needs='$(RPB_PRIVATE_backend)';; \
		esac && \
		sed -e "s|@NAME@|rpb-$$n|" -e "s|@ABOUT@|$$about|" -e 's|@VERSION@|$(VERSION)|' -e "s|@PRIVATE@|$$needs|" \
			-e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(call RPB_PC_DIR,$(LIBDIR))|' \
			-e 's|@INCLUDEDIR@|$(call RPB_PC_DIR,$(INCLUDEDIR))|' \
			runtime/lib/rpb.pc.in >"$(DESTDIR)$(LIBDIR)/pkgconfig/rpb-$$n.pc" || exit 1; done

install: install-dirs $(PROGRAM) install-libs ## install the program and the libraries (DESTDIR, PREFIX=/usr/local, BINDIR, LIBDIR, INCLUDEDIR)
	$(Q)$(INSTALL) -d '$(DESTDIR)$(BINDIR)'
	$(Q)$(INSTALL) -m 755 $(PROGRAM) '$(DESTDIR)$(BINDIR)/'

uninstall: install-dirs ## remove what install put there, given the same variables
	$(Q)rm -f '$(DESTDIR)$(BINDIR)/$(notdir $(PROGRAM))' $(foreach n,client backend,'$(DESTDIR)$(LIBDIR)/librpb-$(n).so.$(VERSION)' \
		'$(DESTDIR)$(LIBDIR)/librpb-$(n).so.$(RPB_SOVERSION)' '$(DESTDIR)$(LIBDIR)/librpb-$(n).so' '$(DESTDIR)$(LIBDIR)/librpb-$(n).a' \
		'$(DESTDIR)$(LIBDIR)/pkgconfig/rpb-$(n).pc') $(foreach h,protocol client backend,'$(DESTDIR)$(INCLUDEDIR)/rpb/$(h).h')
	$(Q)rmdir '$(DESTDIR)$(INCLUDEDIR)/rpb' '$(DESTDIR)$(LIBDIR)/pkgconfig' 2>/dev/null || true
