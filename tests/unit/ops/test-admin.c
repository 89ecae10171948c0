/* SPDX-License-Identifier: MIT */

/* The frozen bytes of the admin lane (spec 01 §16, 05 §1.6, 03 §13.1) and the documents of spec 05 §3 and §4. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/backends.h"
#include "base/buffer.h"
#include "check.h"
#include "ops/admin.h"
#include "ops/admin_document.h"
#include "wire/envelope.h"
#include "wire/protocol.h"

struct broker {
    struct admin admin;
    struct admin_facts facts;
    struct backend_row rows[8];
    size_t n_rows;
};

static void tell_facts(void *owner, struct admin_facts *ret_facts)
{
    *ret_facts = ((struct broker *)owner)->facts;
}

static void tell_backends(void *owner, void (*each)(const struct backend_row *row, void *userdata), void *userdata)
{
    struct broker *broker = owner;

    for (size_t i = 0; i < broker->n_rows; i++) {
        each(&broker->rows[i], userdata);
    }
}

static void broker_init(struct broker *broker)
{
    *broker = (struct broker){
        .admin = {.broker_instance = "shared", .broker_pid = 1234, .facts = tell_facts, .each_backend = tell_backends},
        .facts = {.is_accepting = true,
                  .connections_open = 1,
                  .unix_msec = 1700000000000,
                  .uptime_nsec = 12000000000,
                  .inodes = {.total = 1000, .free = 900}},
    };
    broker->admin.owner = broker;
}

/* Sends the frame of @request_hex through decoder, verbs and packer; the reply's frame is @reply_hex. */
static void check_exchange(struct broker *broker, const char *request_hex, const char *reply_hex)
{
    uint8_t request_bytes[512], want[512];
    size_t request_size = check_hex(request_hex, request_bytes, sizeof(request_bytes)),
           want_size = check_hex(reply_hex, want, sizeof(want)), consumed = 0;
    struct buffer out = {.limit = 65536};
    struct admin_reply reply = {0};
    ProtobufCMessage *request = NULL;
    Frame *frame = NULL, response;
    struct arena arena;
    AdminReply message;

    arena_init(&arena, NULL, 0, 65536);
    check_int(envelope_try_decode((struct slice){(const char *)request_bytes, request_size}, &arena, &frame, &consumed),
              0);
    check_fatal(frame != NULL);
    check_int(consumed, request_size);
    check_int(message_unpack(MESSAGE_ADMIN_REQUEST, message_bytes(&frame->payload), &arena, &request), 0);
    check_fatal(request != NULL);
    check_int(admin_answer(&broker->admin, (AdminRequest *)request, &reply), 0);
    admin_reply_message(&reply, &message);
    envelope_response_to(&response, frame, (struct slice){0});
    check_int(envelope_pack_message(&out, &response, MESSAGE_OF(&message)), 0);
    check_int(out.size, want_size);
    check_mem(out.data, want, want_size < out.size ? want_size : out.size);
    buffer_deinit(&out);
    admin_reply_deinit(&reply);
    admin_reply_deinit(&reply);
    arena_deinit(&arena);
}

static void test_healthz(void)
{
    struct broker broker;

    broker_init(&broker);
    check_exchange(&broker, "01 0C 00 00 00  08 01  18 81 DA 02  22 02 08 04  28 01",
                   "01 1D 00 00 00  08 01 10 01 18 81 DA 02  22 11"
                   "12 03 6F 6B 0A  22 0A 74 65 78 74 2F 70 6C 61 69 6E   28 01");
    broker.facts.is_accepting = false; /* alive all the same */
    check_exchange(&broker, "01 0C 00 00 00  08 01  18 81 DA 02  22 02 08 04  28 01",
                   "01 1D 00 00 00  08 01 10 01 18 81 DA 02  22 11"
                   "12 03 6F 6B 0A  22 0A 74 65 78 74 2F 70 6C 61 69 6E   28 01");
}

static void test_readyz(void)
{
    struct broker broker;

    broker_init(&broker);
    broker.facts.is_accepting = false;
    check_exchange(&broker, "01 0C 00 00 00  08 01  18 81 DA 02  22 02 08 05  28 01",
                   "01 26 00 00 00  08 01 10 01 18 81 DA 02  22 1A"
                   "12 0A 6E 6F 74 20 72 65 61 64 79 0A  18 01  22 0A 74 65 78 74 2F 70 6C 61 69 6E   28 01");
    broker.facts.is_accepting = true;
    check_exchange(&broker, "01 0C 00 00 00  08 01  18 81 DA 02  22 02 08 05  28 01",
                   "01 20 00 00 00  08 01 10 01 18 81 DA 02  22 14"
                   "12 06 72 65 61 64 79 0A  22 0A 74 65 78 74 2F 70 6C 61 69 6E   28 01");
}

#define UNSUPPORTED_REPLY                                                                                              \
    "01 33 00 00 00  08 01 10 01 18 81 DA 02  22 27"                                                                   \
    "12 17 75 6E 73 75 70 70 6F 72 74 65 64 20 61 64 6D 69 6E 20 76 65 72 62 0A  18 02"                                \
    "22 0A 74 65 78 74 2F 70 6C 61 69 6E   28 01"

static void test_unsupported(void)
{
    struct broker broker;

    broker_init(&broker);
    /* no payload at all is verb 0 */
    check_exchange(&broker, "01 08 00 00 00  08 01  18 81 DA 02  28 01", UNSUPPORTED_REPLY);
    /* 10 and 22 are nobody's, 2^31 - 1 neither */
    check_exchange(&broker, "01 0C 00 00 00  08 01  18 81 DA 02  22 02 08 0A  28 01", UNSUPPORTED_REPLY);
    check_exchange(&broker, "01 0C 00 00 00  08 01  18 81 DA 02  22 02 08 16  28 01", UNSUPPORTED_REPLY);
    check_exchange(&broker, "01 10 00 00 00  08 01  18 81 DA 02  22 06 08 FF FF FF FF 07  28 01", UNSUPPORTED_REPLY);
}

static void test_shutdown(void)
{
    struct broker broker;
    AdminRequest request;
    struct admin_reply reply = {0};

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    broker_init(&broker);
    check_exchange(&broker, "01 0f 00 00 00 08 01 18 81 da 02 22 05 08 15 28 90 4e 28 01",
                   "01 2f 00 00 00 08 01 10 01 18 81 da 02 22 23 12 15 62 72 6f 6b 65 72 20 73 68 75 74 74 69 6e 67 20"
                   "64 6f 77 6e 0a 22 0a 74 65 78 74 2f 70 6c 61 69 6e 28 01");
    request.verb = ADMIN_VERB(SHUTDOWN);
    request.drain_deadline_ms = 10000;
    check_int(admin_answer(&broker.admin, &request, &reply), 0);
    check(reply.is_shutdown);
    check_int(reply.drain_msec, 10000);
    admin_reply_deinit(&reply);
    request.verb = ADMIN_VERB(STATUS);
    check_int(admin_answer(&broker.admin, &request, &reply), 0);
    check(!reply.is_shutdown);
    admin_reply_deinit(&reply);
}

static void test_long_strings(void)
{
    struct broker broker;
    AdminRequest request;
    struct admin_reply reply = {0};
    char text[4098];

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    broker_init(&broker);
    memset(text, 'a', sizeof(text));
    text[4097] = 0;
    request.verb = ADMIN_VERB(HEALTHZ);
    request.service_name = text;
    check_int(admin_answer(&broker.admin, &request, &reply), ADMIN_E_MALFORMED);
    request.service_name = text + 1;
    check_int(admin_answer(&broker.admin, &request, &reply), 0);
    admin_reply_deinit(&reply);
    request.output_path = text;
    check_int(admin_answer(&broker.admin, &request, &reply), ADMIN_E_MALFORMED);
}

static void check_status(struct broker *broker, bool json, const char *want, const char *content_type)
{
    AdminRequest request;
    struct admin_reply reply = {0};

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    request.verb = ADMIN_VERB(STATUS);
    request.json = json;
    check_int(admin_answer(&broker->admin, &request, &reply), 0);
    check_str(reply.body, want);
    check_str(reply.content_type, content_type);
    check_int(reply.kind, json ? ADMIN_REPLY_KIND(JSON) : ADMIN_REPLY_KIND(TEXT));
    check_int(reply.exit_code, 0);
    admin_reply_deinit(&reply);
}

static void test_status_text(void)
{
    struct broker broker;

    broker_init(&broker);
    check_status(&broker, false, "broker_instance: shared\naccepting_hello: true\n", "text/plain");
    broker.facts.is_accepting = false;
    broker.admin.broker_instance = "explicit:ci-trusted";
    check_status(&broker, false, "broker_instance: explicit:ci-trusted\naccepting_hello: false\n", "text/plain");
}

static void test_status_json(void)
{
    static const char pipe[] = "/run/user/1000/running-process/broker/"
                               "rpb-v1-deadbeefdeadbeef-be-abababababababababababababababab.sock";
    const struct backend_key key = {.service = "zccache", .version = "1.11.20", .instance = "shared"};
    char want[2048];
    struct broker broker;

    broker_init(&broker);
    broker.rows[0] = (struct backend_row){
        .key = &key, .state = "running", .pid = 4321, .endpoint_path = pipe, .last_active_unix_ms = 1700000000000};
    broker.n_rows = 1;
    snprintf(want, sizeof(want),
             "{\"accepting_hello\":true,\"backends\":[{\"backend_pipe\":\"%s\",\"last_active_unix_ms\":1700000000000,"
             "\"pid\":4321,\"service_name\":\"zccache\",\"service_version\":\"1.11.20\",\"state\":\"running\"}],"
             "\"broker_instance\":\"shared\",\"broker_pid\":1234,\"command\":\"status\",\"connections_open\":1,"
             "\"fd_pressure\":{\"demoted\":false},\"generated_at_unix_ms\":1700000000000,\"inode_pressure\":{\"inodes_"
             "free\":900,"
             "\"inodes_total\":1000,\"inodes_used\":100,\"supported\":true,\"used_ratio\":0.1},"
             "\"schema_version\":1,\"uptime_seconds\":12.0}",
             pipe);
    check_status(&broker, true, want, "application/json");
}

static void test_rows_sorted(void)
{
    static const struct backend_key keys[] = {
        {.service = "b", .version = "1.0.0", .instance = "shared"},
        {.service = "a", .version = "2.0.0", .instance = "shared"},
        {.service = "a", .version = "10.0.0", .instance = "shared"},
        {.service = "a", .version = "2.0.0", .instance = "private:a"},
        {.service = "c", .version = "1.0.0", .instance = "shared"},
        {.service = "a", .version = "2.0.0", .instance = "shared", .exe_hash = {1}},
    };
    AdminRequest request;
    struct admin_reply reply = {0};
    struct broker broker;
    json_t *document;
    size_t order[] = {2, 3, 1, 5, 0};

    message_init(MESSAGE_ADMIN_REQUEST, &request);
    broker_init(&broker);
    for (size_t i = 0; i < 6; i++) {
        broker.rows[i] = (struct backend_row){
            .key = &keys[i], .state = i == 4 ? "spawning" : "running", .pid = (pid_t)i + 100, .endpoint_path = "/x"};
    }
    broker.n_rows = 6;
    request.verb = ADMIN_VERB(STATUS);
    request.json = true;
    check_int(admin_answer(&broker.admin, &request, &reply), 0);
    document = json_loads(reply.body, 0, NULL);
    check_fatal(document != NULL);
    check_int(json_array_size(json_object_get(document, "backends")), 5); /* none for the one that is launched */
    for (size_t i = 0; i < 5; i++) {
        json_t *row = json_array_get(json_object_get(document, "backends"), i);

        check_int(json_integer_value(json_object_get(row, "pid")), order[i] + 100);
    }
    json_decref(document);
    admin_reply_deinit(&reply);
}

static void check_document(json_t *document, const char *want)
{
    char *text = NULL;

    check_int(admin_document_print(document, &text), 0);
    check_str(text, want);
    free(text);
}

static void test_numbers(void)
{
    check_document(json_pack("{s:f}", "x", 12.0), "{\"x\":12.0}");
    check_document(json_pack("{s:f}", "x", 0.0), "{\"x\":0.0}");
    check_document(json_pack("{s:f}", "x", 0.1), "{\"x\":0.1}");
    check_document(json_pack("{s:f}", "x", 12.345678901), "{\"x\":12.345678901}");
    /* 15 digits do not tell this one from its neighbour, 16 do; all reals of a document share the number */
    check_document(json_pack("{s:f, s:f}", "x", 0.1, "y", 0.9007199254740993), "{\"x\":0.1,\"y\":0.9007199254740993}");
    check_document(json_pack("{s:[f]}", "x", 1.0 / 3), "{\"x\":[0.3333333333333333]}");
    check_document(json_pack("{s:f}", "x", 0.30000000000000004), "{\"x\":0.30000000000000004}");
    check_document(json_pack("{s:f}", "x", 1e-6), "{\"x\":1e-6}");
}

static void test_strings(void)
{
    check_document(json_pack("{s:s}", "x", "a\"\\\b\f\n\r\t/\x7f\xc3\xa9"),
                   "{\"x\":\"a\\\"\\\\\\b\\f\\n\\r\\t/\x7f\xc3\xa9\"}");
    check_document(json_pack("{s:o}", "x", admin_document_string("a\xff\xc3\xa9\xc3/")),
                   "{\"x\":\"a\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD/\"}");
    check_document(json_pack("{s:i, s:i}", "b", 1, "a", 2), "{\"a\":2,\"b\":1}");
}

static void test_inodes(void)
{
    check_document(admin_inode_row(&(struct admin_inodes){.total = 1000, .free = 900}),
                   "{\"inodes_free\":900,\"inodes_total\":1000,\"inodes_used\":100,\"supported\":true,"
                   "\"used_ratio\":0.1}");
    check_document(admin_inode_row(&(struct admin_inodes){.total = 5, .free = 9}),
                   "{\"inodes_free\":9,\"inodes_total\":5,\"inodes_used\":0,\"supported\":true,\"used_ratio\":0.0}");
    check_document(admin_inode_row(&(struct admin_inodes){.total = 0, .free = 0}),
                   "{\"detail\":\"inode accounting not applicable on this filesystem\",\"supported\":false}");
    check_document(admin_inode_row(&(struct admin_inodes){.error = ENOENT}),
                   "{\"detail\":\"No such file or directory (os error 2)\",\"supported\":false}");
}

CHECK_PROGRAM("ops/admin", {"healthz answers the frozen bytes", test_healthz},
              {"readyz answers the frozen bytes", test_readyz},
              {"every other verb is unsupported, in the frozen bytes", test_unsupported},
              {"shutdown is acknowledged in the frozen bytes and told with its deadline", test_shutdown},
              {"strings over 4096 bytes are malformed", test_long_strings}, {"status as text", test_status_text},
              {"status as JSON, byte for byte", test_status_json}, {"backends are sorted", test_rows_sorted},
              {"reals are short and read back", test_numbers}, {"strings are escaped and repaired", test_strings},
              {"inode rows", test_inodes})
