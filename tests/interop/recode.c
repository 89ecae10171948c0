/* SPDX-License-Identifier: MIT */

/*
 * Our encoding and decoding as a filter: `recode MESSAGE` reads records of a little-endian length (four bytes) and that
 * many bytes, unpacks each as MESSAGE and writes it packed again in the same form; the length 0xffffffff stands for
 * bytes that are no such message. What a foreign encoder wrote and reads back shows whether both sides agree.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "wire/message.h"

#define NO_MESSAGE UINT32_MAX

static uint8_t bytes[1 << 20], packed[1 << 20];

static bool read_all(void *into, size_t size)
{
    return fread(into, 1, size, stdin) == size;
}

static void put_size(uint32_t size)
{
    const uint8_t header[4] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24)};

    fwrite(header, 1, sizeof(header), stdout);
}

static void recode(enum message_type type, size_t size)
{
    ProtobufCMessage *message;
    struct arena arena;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    if (message_unpack(type, (struct slice){(const char *)bytes, size}, &arena, &message) != 0) {
        put_size(NO_MESSAGE);
    } else if (message_size(message) > sizeof(packed)) {
        fprintf(stderr, "recode: a message grew beyond all measure\n");
        exit(1);
    } else {
        size = message_pack(message, packed);
        put_size((uint32_t)size);
        fwrite(packed, 1, size, stdout);
    }
    arena_deinit(&arena);
}

int main(int argc, char **argv)
{
    uint8_t header[4];
    int type = 0;

    while (argc == 2 && type < MESSAGE_TYPE_COUNT && strcmp(argv[1], message_name((enum message_type)type)) != 0) {
        type++;
    }
    if (argc != 2 || type == MESSAGE_TYPE_COUNT) {
        fprintf(stderr, "usage: recode MESSAGE <records >records\n");
        return 2;
    }
    while (read_all(header, sizeof(header))) {
        const size_t size = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 | (size_t)header[3] << 24;

        if (size > sizeof(bytes) || !read_all(bytes, size)) {
            fprintf(stderr, "recode: a record is too long or cut short\n");
            return 1;
        }
        recode((enum message_type)type, size);
    }
    return fflush(stdout) != 0;
}
