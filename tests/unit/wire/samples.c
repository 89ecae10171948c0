/* SPDX-License-Identifier: MIT */

/* The files are small and trusted; anything unexpected in them ends the test program at once. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "samples.h"

const struct sample_message sample_messages[SAMPLE_MESSAGES] = {
    {"message-frame", MESSAGE_FRAME},
    {"message-hello", MESSAGE_HELLO},
    {"message-negotiated", MESSAGE_NEGOTIATED},
    {"message-hello-reply", MESSAGE_HELLO_REPLY},
    {"message-refused", MESSAGE_REFUSED},
    {"message-handoff-offer", MESSAGE_HANDOFF_OFFER},
    {"message-handoff-ack", MESSAGE_HANDOFF_ACK},
    {"message-service-definition", MESSAGE_SERVICE_DEFINITION},
    {"message-service-definition-small", MESSAGE_SERVICE_DEFINITION},
    {"message-cache-manifest", MESSAGE_CACHE_MANIFEST},
    {"message-lifecycle-event", MESSAGE_LIFECYCLE_EVENT},
};

static int sample_digit(int c)
{
    return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

static void sample_line(struct sample *sample, const char *line, const char *name)
{
    for (const char *p = line; *p != '\0' && *p != '#';) {
        if (isspace((unsigned char)*p)) {
            p++;
            continue;
        }
        if (!isxdigit((unsigned char)p[0]) || !isxdigit((unsigned char)p[1]) || sample->size == sizeof(sample->bytes)) {
            fprintf(stderr, "%s: bad hex\n", name);
            exit(1);
        }
        sample->bytes[sample->size++] = (uint8_t)(sample_digit(p[0]) << 4 | sample_digit(p[1]));
        p += 2;
    }
}

struct sample sample_hex(const char *hex)
{
    struct sample sample = {.size = 0};

    sample_line(&sample, hex, hex);
    return sample;
}

struct sample sample_read(const char *name)
{
    struct sample sample = {.size = 0};
    char line[512];
    FILE *file;

    snprintf(line, sizeof(line), "tests/golden/wire/%s.hex", name);
    file = fopen(line, "re");
    if (file == NULL) {
        perror(line);
        exit(1);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        sample_line(&sample, line, name);
    }
    fclose(file);
    return sample;
}

struct slice sample_slice(const struct sample *sample)
{
    return (struct slice){.data = (const char *)sample->bytes, .size = sample->size};
}

struct slice sample_body(const struct sample *sample)
{
    return (struct slice){.data = (const char *)sample->bytes + 5, .size = sample->size - 5};
}
