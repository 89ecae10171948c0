/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Fills @size bytes from the kernel's random source. 0 or a negative errno (then the bytes are unspecified). */
int random_bytes(void *data, size_t size);
