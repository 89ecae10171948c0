/* SPDX-License-Identifier: MIT */
/*
 * Instance ids are text everywhere: in keys, environments, admin documents and logs. They are made here and taken apart
 * here, nowhere else.
 */
#include "service/instance.h"

#include <stdio.h>
#include <string.h>

#include "service/definition.h"
#include "wire/text.h"

static const struct slice private_prefix = {.data = "private:", .size = 8};
static const struct slice explicit_prefix = {.data = "explicit:", .size = 9};

static int make(struct slice prefix, struct slice name, struct instance_id *ret_id)
{
    if (text_check_name(name) != NAME_OK)
        return INSTANCE_E_NAME;
    memset(ret_id, 0, sizeof(*ret_id)); /* ids are parts of keys that are compared whole */
    snprintf(ret_id->text, sizeof(ret_id->text), "%s%.*s", prefix.data, SLICE_ARGS(name));
    return 0;
}

static int make_shared(struct instance_id *ret_id)
{
    memset(ret_id, 0, sizeof(*ret_id));
    memcpy(ret_id->text, "shared", sizeof("shared"));
    return 0;
}

int instance_resolve(const struct definition *definition, struct instance_id *ret_id)
{
    if (text_check_name(slice_from(definition->service_name)) != NAME_OK)
        return INSTANCE_E_NAME;
    switch (definition->isolation) {
    case ISOLATION_PRIVATE:
        return make(private_prefix, slice_from(definition->service_name), ret_id);
    case ISOLATION_SHARED:
        return make_shared(ret_id);
    case ISOLATION_EXPLICIT:
        if (definition->explicit_instance[0] == '\0')
            return INSTANCE_E_ISOLATION;
        return make(explicit_prefix, slice_from(definition->explicit_instance), ret_id);
    default:
        return INSTANCE_E_ISOLATION;
    }
}

int instance_parse(const char *text, struct instance_id *ret_id)
{
    struct slice slice = slice_from(text);

    if (slice_is(slice, "shared"))
        return make_shared(ret_id);
    if (slice_has_prefix(slice, private_prefix))
        return make(private_prefix, slice_skip(slice, private_prefix.size), ret_id);
    if (slice_has_prefix(slice, explicit_prefix))
        return make(explicit_prefix, slice_skip(slice, explicit_prefix.size), ret_id);
    return INSTANCE_E_NAME;
}

bool instance_equal(const struct instance_id *a, const struct instance_id *b)
{
    return strcmp(a->text, b->text) == 0;
}

enum endpoint_class instance_endpoint(const struct instance_id *id, struct slice *ret_name)
{
    struct slice text = slice_from(id->text);

    if (slice_has_prefix(text, private_prefix)) {
        *ret_name = slice_skip(text, private_prefix.size);
        return ENDPOINT_PRIVATE;
    }
    if (slice_has_prefix(text, explicit_prefix)) {
        *ret_name = slice_skip(text, explicit_prefix.size);
        return ENDPOINT_EXPLICIT;
    }
    *ret_name = (struct slice){0};
    return ENDPOINT_SHARED;
}

int instance_socket_path(const struct instance_id *id, const char *dir, const char *hash,
                         char ret_path[ENDPOINT_PATH_SIZE])
{
    struct slice name;
    enum endpoint_class class = instance_endpoint(id, &name);

    return endpoint_path(dir, class, hash, name, ret_path);
}

const char *instance_error_text(int code)
{
    switch (code) {
    case INSTANCE_E_NAME:
        return "expected shared, private:<service> or explicit:<name>; names are 1 to 64 of a-z, 0-9 and '-'";
    case INSTANCE_E_ISOLATION:
        return "isolation EXPLICIT_INSTANCE requires explicit_instance, and other values than the three are unknown";
    default:
        return "";
    }
}
