/* SPDX-License-Identifier: MIT */
#pragma once

/* Frozen bytes of tests/golden/wire, and writing down bytes in tests. */

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/message.h"

struct sample {
    uint8_t bytes[1024];
    size_t size;
};

/* Reads tests/golden/wire/@name.hex ('#' starts a comment); a missing or bad file fails the test. */
struct sample sample_read(const char *name);

/* Every file that is one message, not a frame. */
enum { SAMPLE_MESSAGES = 11 };
extern const struct sample_message {
    const char *name;
    enum message_type type;
} sample_messages[SAMPLE_MESSAGES];

/* Bytes from hex digits and blanks. */
struct sample sample_hex(const char *hex);

/* Borrowed view. */
struct slice sample_slice(const struct sample *sample);

/* The same without the five header bytes. */
struct slice sample_body(const struct sample *sample);
