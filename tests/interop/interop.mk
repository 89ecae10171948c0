# SPDX-License-Identifier: MIT
#
# The small programs of tests/interop: our encoder as a filter, our client library as a command, our backend library as a backend.

INTEROP_BIN := $(BUILD)/tests/interop/recode $(BUILD)/tests/interop/our-client $(BUILD)/tests/interop/our-backend

.PHONY: interop-tools
interop-tools: $(INTEROP_BIN)

$(BUILD)/tests/interop/recode: $(BUILD)/obj/tests/interop/recode.o $(call archives,base wire) $(PROTO_LIB) $(BLAKE3_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_) -o $@ $< $(call group,$(filter %.a,$^)) $(PKG_LIBS)

$(BUILD)/tests/interop/our-%: tests/interop/our-%.c $(BUILD)/librpb-%.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -Iruntime/lib/include $(CFLAGS_) $(WARN) $(LDFLAGS_) -o $@ $^ $(PKG_LIBS)
