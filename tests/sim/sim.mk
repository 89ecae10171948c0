# SPDX-License-Identifier: MIT
#
# The simulation: the product's own sources, compiled once more (FSM_STRICT: an impossible cell aborts), bundled into one
# object in which every call of tests/sim/calls.def is renamed to the simulated kernel's. The daemon's writable data
# gets sections of its own, so that each run can begin with it as a fresh process would.

SIM_DIR    := $(BUILD)/sim
SIM_LAYERS := $(filter-out cli lib,$(LAYERS))
SIM_PRODUCT := $(foreach l,$(SIM_LAYERS),$(patsubst %.c,$(SIM_DIR)/%.o,$(call layer_src,$(l)) $(call layer_gen,$(l))))
SIM_PARTS  := $(patsubst %.c,$(SIM_DIR)/%.o,$(filter-out tests/sim/test-% tests/sim/real_%,$(wildcard tests/sim/*.c)))
SIM_KERNEL := $(patsubst %,$(SIM_DIR)/tests/sim/%.o,common core heap thread descriptor socket files process calls calls_file)
SIM_CFLAGS := -std=c11 $(OPT) -g -fno-pie -DRPB_SIM -DFSM_STRICT -fno-omit-frame-pointer $(SANFLAGS) $(CFLAGS)
SIM_REAL   := $(patsubst %,$(SIM_DIR)/tests/sim/%.o,common client backend operator disk check outcome) \
              $(patsubst %.c,$(SIM_DIR)/%.o,$(wildcard tests/sim/real_*.c))
SIM_BIN    := $(SIM_DIR)/rpb-sim $(SIM_DIR)/rpb-sim-real $(foreach k,simulated real,$(SIM_DIR)/$(k)-facts $(SIM_DIR)/$(k)-facts-files)

$(SIM_DIR)/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(SIM_CFLAGS) $(if $(filter gen/%,$<),$(GEN_WARN),$(WARN)) $(if $(filter tests/%,$<),-Itests) -MMD -MP -c -o $@ $<

$(SIM_DIR)/names.map: tests/sim/calls.def
	@mkdir -p $(@D)
	$(Q)sed -nE 's/^SIM_(CALL|TAKE)\(([a-z_0-9]+).*/\2 sim_\2/p' $< > $@

# sys_spawn() gives way to the simulation's, which needs no fork
SIM_RENAME = objcopy --redefine-syms=$(SIM_DIR)/names.map --weaken-symbol=sys_spawn \
             --rename-section .data=sim_data --rename-section .bss=sim_bss

$(SIM_DIR)/product.o: $(SIM_PRODUCT) $(SIM_DIR)/names.map
	$(call say,BUNDLE,$@)
	$(Q)ld -r -o $@.joined $(SIM_PRODUCT)
	$(Q)$(SIM_RENAME) $@.joined $@
	@rm -f $@.joined

$(SIM_DIR)/rpb-sim: $(SIM_PARTS) $(SIM_DIR)/product.o $(PROTO_LIB) $(BLAKE3_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread

# the same world on the real kernel
$(SIM_DIR)/rpb-sim-real: $(SIM_REAL) $(PROTO_LIB) $(BLAKE3_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# what it calls; not for a sanitized daemon, which wants to be first itself
$(SIM_DIR)/record.so: tests/sim/preload/record.c tests/sim/calls.def
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -fno-builtin -include asm/unistd.h -fPIC -shared -o $@ $< -ldl
ifeq ($(SAN),)
tests: $(SIM_DIR)/record.so
endif

# the same assertions against the one kernel and the other
$(SIM_DIR)/%.renamed.o: $(SIM_DIR)/tests/sim/test-kernel-%.o $(SIM_DIR)/names.map
	$(Q)$(SIM_RENAME) $< $@
$(SIM_DIR)/simulated-%: $(SIM_DIR)/%.renamed.o $(SIM_DIR)/tests/check.o $(SIM_KERNEL) $(SIM_DIR)/product.o $(PROTO_LIB) $(BLAKE3_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) -no-pie $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(CUNIT_LIBS) -lpthread
$(SIM_DIR)/real-%: $(BUILD)/obj/tests/sim/test-kernel-%.o $(BUILD)/obj/tests/check.o $(call archives,base) $(BLAKE3_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $(filter %.o,$^) $(call group,$(filter %.a,$^)) $(PKG_LIBS) $(CUNIT_LIBS) -lpthread

tests: $(SIM_BIN)

.PHONY: sim
sim: ## 100,000 seeded schedules in the simulated kernel (COUNT=…; SEED=… replays one with its trace; REAL=1: on the real one)
ifdef REAL
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" SAN=$(SAN) $(PROGRAM) $(SIM_DIR)/rpb-sim-real
	@$(SIM_DIR)/rpb-sim-real $(if $(SEED),--seed $(SEED) --trace,--count $(or $(COUNT),60))
else
	@$(MAKE) --no-print-directory BUILD="$(BUILD)" SAN=$(SAN) $(SIM_DIR)/rpb-sim
	@$(SIM_DIR)/rpb-sim $(if $(SEED),--seed $(SEED) --trace,--count $(or $(COUNT),100000))
endif
