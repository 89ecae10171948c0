# SPDX-License-Identifier: MIT
#
# running-process-broker-v1: build, tests and maintenance. `make help` explains every target.
#
# How it is put together: each folder of runtime/ is one layer and becomes one archive; a unit test links the archives
# of its layer and of those below, nothing else, so a layer that reaches upwards does not link. Output goes to $(BUILD)
# only. Plain `make` never runs ragel, lemon or fsmgen: their output is committed in gen/ (see `make gen`).

BUILD   ?= build
VERSION := 1.0.0
SHELL   := /bin/bash
.DEFAULT_GOAL := all
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:

CC      ?= gcc
AR      ?= ar
SAN     ?=
V       ?=
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

PKGS    := libprotobuf-c jansson libmd
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CUNIT_LIBS := $(shell pkg-config --libs cunit 2>/dev/null)

WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
           -Wpointer-arith -Wwrite-strings -Wcast-qual -Wundef -Wvla -Wformat=2 \
           -Wimplicit-fallthrough -Wno-unused-parameter -Wno-missing-field-initializers
# uthash's macros fall through from case to case, which gcc sees and clang takes for ours
ifneq ($(findstring clang,$(CC)),)
WARN    += -Wno-implicit-fallthrough
endif
GEN_WARN := -Wall -Wextra -Werror -Wno-unused-parameter -Wno-unused-variable -Wno-unused-const-variable \
           -Wno-unused-function -Wno-sign-compare
OPT     ?= -O2
ifeq ($(SAN),1)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DFSM_STRICT
HARDEN   :=
else ifeq ($(SAN),fuzz)
SANFLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DFSM_STRICT
HARDEN   :=
FUZZLINK := -fsanitize=fuzzer
else ifeq ($(SAN),tsan)
SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer -DFSM_STRICT
HARDEN   :=
else
SANFLAGS :=
HARDEN   := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
endif
CPPFLAGS += -D_GNU_SOURCE -DRPB_VERSION='"$(VERSION)"' -Iruntime -Igen -Iscripts -I$(BUILD)/proto $(BLAKE3_CPPFLAGS)
CFLAGS_  := -std=c11 $(OPT) -g -fPIE -ffunction-sections -fdata-sections $(HARDEN) $(SANFLAGS) $(CFLAGS)
LDFLAGS_ := -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed $(SANFLAGS) $(LDFLAGS)

# ---------------------------------------------------------------------------------------------------- BLAKE3
# From pkg-config where a distribution has libblake3, else the C sources that Debian ships for its Rust package.
BLAKE3_SRC := $(firstword $(sort $(wildcard /usr/share/cargo/registry/blake3-*/c)))
ifeq ($(shell pkg-config --exists libblake3 2>/dev/null && echo yes),yes)
BLAKE3_CPPFLAGS := $(shell pkg-config --cflags libblake3)
BLAKE3_LIB  :=
PKG_LIBS    += $(shell pkg-config --libs libblake3)
else
BLAKE3_CPPFLAGS := -isystem $(BLAKE3_SRC)
BLAKE3_LIB  := $(BUILD)/lib/blake3.a
BLAKE3_NAMES := blake3 blake3_dispatch blake3_portable
ifeq ($(shell uname -m),x86_64)
BLAKE3_ASM  := blake3_sse2_x86-64_unix blake3_sse41_x86-64_unix blake3_avx2_x86-64_unix blake3_avx512_x86-64_unix
else ifeq ($(shell uname -m),aarch64)
BLAKE3_NAMES += blake3_neon
endif
endif
BLAKE3_OBJS := $(addprefix $(BUILD)/blake3/,$(addsuffix .o,$(BLAKE3_NAMES) $(BLAKE3_ASM)))

# ---------------------------------------------------------------------------------------------------- layers
# Lowest first. scripts/lint-layers checks the includes, the linker checks the rest.
ALL_LAYERS := base loop fsm wire service lib backend handoff hello ops control daemon cli
LAYERS     := $(foreach l,$(ALL_LAYERS),$(if $(wildcard runtime/$(l)/*.c),$(l)))
GEN_wire    := frame text
GEN_service := servicedef_lexer servicedef_parser
GEN_lib     := client_connect_fsm
GEN_backend := launch_fsm
GEN_ops     := fd_pressure_fsm
GEN_control := connection_fsm

PROTOS     := $(patsubst proto/%.proto,%,$(wildcard proto/*.proto))
PROTO_H    := $(PROTOS:%=$(BUILD)/proto/%.pb-c.h)
PROTO_LIB  := $(BUILD)/lib/proto.a

layer_src  = $(filter-out runtime/cli/main.c,$(wildcard runtime/$(1)/*.c))
layer_gen  = $(wildcard $(GEN_$(1):%=gen/%.c))
layer_objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(call layer_src,$(1)) $(call layer_gen,$(1)))
layers_to  = $(if $(filter $(1),$(firstword $(2))),$(1),$(firstword $(2)) $(if $(word 2,$(2)),$(call layers_to,$(1),$(wordlist 2,99,$(2)))))
archives   = $(patsubst %,$(BUILD)/lib/%.a,$(1))
group      = -Wl,--start-group $(1) -Wl,--end-group

ALL_LIBS   := $(call archives,$(LAYERS)) $(PROTO_LIB) $(BLAKE3_LIB)

PROGRAM    := $(BUILD)/running-process-broker-v1
FSMGEN     := $(BUILD)/fsmgen

# ---------------------------------------------------------------------------------------------------- tests
UNIT_SRC   := $(foreach l,$(LAYERS),$(wildcard tests/unit/$(l)/test-*.c))
UNIT_BIN   := $(UNIT_SRC:%.c=$(BUILD)/%)
CELL_BIN   := $(patsubst gen/%_fsm_cells.c,$(BUILD)/tests/cells/%,$(wildcard gen/*_fsm_cells.c))
BACKEND_BIN := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/backend/*.c))
HELPER_BIN := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/helpers/*.c))
# examples of the public libraries are compiled by tests/lib/run, against an installed prefix
EXAMPLE_BIN := $(patsubst %.c,$(BUILD)/%,$(filter-out tests/examples/client-% tests/examples/backend-%,$(wildcard tests/examples/*.c)))
BENCH_BIN  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
BENCH_SO   := $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/bench/preload/*.c))
FUZZ_BIN   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz-*.c))
TOOLS      := $(BACKEND_BIN) $(HELPER_BIN) $(EXAMPLE_BIN)

# ==================================================================================================== targets
.PHONY: all help deps run check check-only gen check-gen verify fuzz coverage bench bench-quick asan ubsan tsan valgrind tidy lint interop \
        clean format tests tools bench-tools fuzzers proto
all: $(PROGRAM) $(FSMGEN) tools ## build the program, fsmgen and the small programs that tests and examples need

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile runtime/lib/lib.mk tests/sim/sim.mk
	@echo "  make unit-<layer> build and run the unit tests of one layer of runtime/"
	@echo "Variables: BUILD=build (a path without spaces), CC, CFLAGS, LDFLAGS, OPT=-O2, V=1 (shows the commands)"

# the groups of scripts/install-deps that a target needs; `make DEPS= TARGET` installs nothing
DEPS     := build test
gen check-gen verify: DEPS := build gen
coverage: DEPS += coverage
interop: DEPS += interop

deps: ## install what is missing (Debian packages); without root, print the one command to run
	@$(if $(strip $(DEPS)),scripts/install-deps $(DEPS))

run: deps ## build, then see the broker work: a cold call, a warm call, a refusal (private runtime directory, stops everything)
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" all
	@BUILD="$(BUILD)" scripts/demo

check: deps ## build and run every test; the last line is `N passed, N failed`
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" check-only

check-only: all tests
	@BUILD="$(BUILD)" scripts/run-tests

gen: deps ## regenerate gen/ from grammar/ and statemachines/
	@BUILD="$(BUILD)" scripts/gen gen

check-gen: deps ## regenerate in a scratch tree and compare; proves itself by corrupting a copy
	@BUILD="$(BUILD)" scripts/check-gen

verify: deps ## check the machines' models exhaustively with SPIN, and that named mutations break them
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" $(FSMGEN)
	@BUILD="$(BUILD)" scripts/verify

fuzz: deps ## run every libFuzzer target for FUZZ_SECONDS (default 60) each
	@BUILD="$(BUILD)" scripts/fuzz

coverage: deps ## what corpora and unit tests reach of the parsers of foreign bytes
	@BUILD="$(BUILD)" scripts/coverage

bench: ## measure: a table with goals and verdicts, CSV under $(BUILD)/bench
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" all bench-tools
	@BUILD="$(BUILD)" scripts/bench

bench-quick: ## the same in under a minute
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" all bench-tools
	@BUILD="$(BUILD)" scripts/bench --quick

asan: deps ## the whole suite under AddressSanitizer and UBSan (in $(BUILD)/asan)
	@$(MAKE) --no-print-directory BUILD="$(BUILD)/asan" SAN=1 all tests
	@BUILD="$(BUILD)/asan" SAN=1 scripts/run-tests

ubsan: asan ## the same run: one build has both sanitizers

# where "unexpected memory mapping" is all it says, the kernel places memory too freely for it: setarch -R make tsan
tsan: deps ## the unit tests of the layers that know the worker thread, under ThreadSanitizer (in $(BUILD)/tsan)
	@$(MAKE) --no-print-directory BUILD="$(BUILD)/tsan" SAN=tsan $(patsubst %,unit-%,loop service backend hello ops control daemon)

valgrind: deps ## the daemon's end-to-end tests with the daemon under valgrind
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" all tests
	@BUILD="$(BUILD)" scripts/run-tests --valgrind

lint: ## layers, bare kernel calls, unfinished words
	@scripts/lint-layers
	@scripts/lint-layers --self-test

tidy: deps ## clang-tidy and cppcheck at the committed settings
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" proto
	@BUILD="$(BUILD)" scripts/tidy

interop: deps ## run against the reference implementation, newest and oldest release (built once, cached outside the tree; needs cargo)
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" all interop-tools
	@BUILD="$(BUILD)" scripts/interop

format: ## clang-format the hand-written C
	@clang-format -i $$(git ls-files 'runtime/*.[ch]' 'scripts/fsmgen/*.[ch]' 'tests/*.[ch]')

clean: ## remove $(BUILD)
	rm -rf "$(BUILD)"

proto: $(PROTO_H)
tools: $(TOOLS)
bench-tools: $(BENCH_BIN) $(BENCH_SO)
tests: $(UNIT_BIN) $(CELL_BIN) $(FUZZ_BIN) bench-tools
fuzzers: $(FUZZ_BIN)

# `make unit-base`: build and run the unit tests of one layer; `make lib-base`: its archive and those below
.PHONY: $(LAYERS:%=unit-%) $(LAYERS:%=lib-%)
$(LAYERS:%=unit-%): unit-%: tools
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" SAN=$(SAN) $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/$*/test-*.c))
	@fail=0; for t in $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/$*/test-*.c)); do echo "== $$t"; BUILD="$(BUILD)" $$t || fail=1; done; exit $$fail
$(foreach l,$(LAYERS),$(eval lib-$(l): $(call archives,$(call layers_to,$(l),$(LAYERS))) $(PROTO_LIB)))

# ==================================================================================================== rules
$(BUILD)/obj/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_) $(if $(filter gen/%,$<),$(GEN_WARN),$(WARN)) $(if $(filter tests/%,$<),-Itests) -MMD -MP -c -o $@ $<

$(BUILD)/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	$(call say,PROTOC,$@)
	$(Q)protoc-c --proto_path=proto --c_out=$(@D) $<
$(BUILD)/proto/%.pb-c.c: $(BUILD)/proto/%.pb-c.h ;
$(BUILD)/obj/proto/%.pb-c.o: $(BUILD)/proto/%.pb-c.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_) -c -o $@ $<
$(PROTO_LIB): $(PROTOS:%=$(BUILD)/obj/proto/%.pb-c.o)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^

$(BUILD)/blake3/%.o: $(BLAKE3_SRC)/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -O3 -fPIE -I$(BLAKE3_SRC) -c -o $@ $<
$(BUILD)/blake3/%.o: $(BLAKE3_SRC)/%.S
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -fPIE -c -o $@ $<
$(BUILD)/lib/blake3.a: $(BLAKE3_OBJS)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^

define layer_rule
$(BUILD)/lib/$(1).a: $(call layer_objs,$(1)) Makefile
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)$(AR) rcsD $$@ $$(filter %.o,$$^)
$(BUILD)/tests/unit/$(1)/test-%: $(BUILD)/obj/tests/unit/$(1)/test-%.o $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/unit/$(1)/test-%,$(wildcard tests/unit/$(1)/*.c)) $(wildcard tests/check.c)) $(call archives,$(call layers_to,$(1),$(LAYERS))) $(PROTO_LIB) $(BLAKE3_LIB)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$(CC) $(LDFLAGS_) -o $$@ $$(filter %.o,$$^) $$(call group,$$(filter %.a,$$^)) $(PKG_LIBS) $(CUNIT_LIBS) -lpthread
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$(l))))
# those whose allocations can fail
$(patsubst %,$(BUILD)/tests/unit/%,backend/test-shortage control/test-admin-waits control/test-memory fsm/test-compiler lib/test-backend-memory lib/test-client-memory service/test-memory): \
	$(BUILD)/obj/tests/failing_alloc.o
# it stands in for malloc(), which is called before ThreadSanitizer is ready
$(BUILD)/obj/tests/failing_alloc.o: CFLAGS_ := $(subst -fsanitize=thread,-D__SANITIZE_THREAD__,$(CFLAGS_))
# the compiler of the machines, without its main()
$(BUILD)/tests/unit/fsm/test-compiler $(BUILD)/tests/fuzz/fuzz-fsm: \
	$(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard scripts/fsmgen/*.c)) gen/fsm_lexer.c gen/fsm_parser.c)

$(PROGRAM): $(BUILD)/obj/runtime/cli/main.o $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $< $(call group,$(ALL_LIBS)) $(PKG_LIBS) -lpthread

$(FSMGEN): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard scripts/fsmgen/*.c) $(wildcard gen/fsm_lexer.c gen/fsm_parser.c))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $^

$(BUILD)/tests/cells/%: $(BUILD)/obj/gen/%_fsm_cells.o $(BUILD)/obj/gen/%_fsm.o $(call archives,base loop fsm) $(BLAKE3_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $(filter %.o,$^) $(call group,$(filter %.a,$^)) $(PKG_LIBS) -lpthread

$(BUILD)/tests/backend/%: $(BUILD)/obj/tests/backend/%.o $(call archives,base loop fsm wire service) $(PROTO_LIB) $(BLAKE3_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $< $(call group,$(filter %.a,$^)) $(PKG_LIBS) -lpthread
$(BUILD)/tests/helpers/%: $(BUILD)/obj/tests/helpers/%.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $<
$(BUILD)/tests/examples/%: $(BUILD)/obj/tests/examples/%.o $(PROTO_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $^ $(PKG_LIBS)
# a fuzz target: with libFuzzer where SAN=fuzz, else with a main() that replays the files it is given
$(BUILD)/tests/fuzz/fuzz-%: $(BUILD)/obj/tests/fuzz/fuzz-%.o $(if $(FUZZLINK),,$(BUILD)/obj/tests/fuzz/replay.o) $(ALL_LIBS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) $(FUZZLINK) -o $@ $(filter %.o,$^) $(call group,$(ALL_LIBS)) $(PKG_LIBS) -lpthread
$(BUILD)/tests/fuzz/fuzz-connection: $(BUILD)/obj/tests/fuzz/client.o
$(BUILD)/tests/fuzz/fuzz-protoc: $(BUILD)/obj/tests/unit/service/protoc.o
$(BUILD)/tests/fuzz/fuzz-client: $(BUILD)/obj/tests/fuzz/calls_model.o $(BUILD)/obj/tests/fuzz/hello_model.o
$(BUILD)/tests/fuzz/fuzz-backend: $(BUILD)/obj/tests/fuzz/served.o $(BUILD)/obj/tests/fuzz/mux_check.o
$(patsubst %,$(BUILD)/tests/fuzz/fuzz-%,client backend): $(BUILD)/obj/tests/fuzz/peer.o
$(patsubst %,$(BUILD)/tests/fuzz/fuzz-%,connection client backend): $(BUILD)/obj/tests/fuzz/ground.o
$(patsubst %,$(BUILD)/tests/fuzz/fuzz-%,connection client backend): private LDFLAGS_ += -Wl,--wrap=clock_gettime
$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(PROTO_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $^ $(PKG_LIBS) -lpthread -lm
$(BUILD)/tests/bench/preload/%.so: tests/bench/preload/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $< -ldl

include runtime/lib/lib.mk
include tests/interop/interop.mk
include tests/sim/sim.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
