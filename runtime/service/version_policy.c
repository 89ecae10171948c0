/* SPDX-License-Identifier: MIT */
/*
 * Versions are compared as the strings of digits that they are: leading zeros dropped, then length, then bytes. So a
 * number of any length has its place and no version slips past the floor by overflowing. What stands behind the '-' is
 * never compared, which is the reference's rule: 1.10.0-rc.1 satisfies the floor 1.10.0.
 */
#include "service/version_policy.h"

#include <string.h>

#include "service/definition.h"

/* Cuts the next run of digits off @rest, and the byte behind it; leading zeros are left out. */
static struct slice take_number(struct slice *rest)
{
    struct slice number = *rest;
    size_t n = 0;

    while (n < rest->size && rest->data[n] >= '0' && rest->data[n] <= '9')
        n++;
    *rest = slice_skip(*rest, n + 1);
    number.size = n;
    while (number.size > 0 && number.data[0] == '0')
        number = slice_skip(number, 1);
    return number;
}

static int compare_numbers(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return a.size > 0 ? memcmp(a.data, b.data, a.size) : 0;
}

int version_compare_core(struct slice a, struct slice b)
{
    for (int i = 0; i < 3; i++) {
        struct slice x = take_number(&a), y = take_number(&b);
        int order = compare_numbers(x, y);

        if (order != 0)
            return order;
    }
    return 0;
}

enum version_verdict version_policy(const struct definition *definition, struct slice wanted)
{
    struct slice floor = slice_from(definition->min_version);

    if (!slice_is_empty(floor) && version_compare_core(wanted, floor) < 0)
        return VERSION_BELOW_MIN;
    if (definition->n_version_allow_list == 0)
        return VERSION_ALLOWED;
    for (size_t i = 0; i < definition->n_version_allow_list; i++) {
        if (slice_is(wanted, definition->version_allow_list[i]))
            return VERSION_ALLOWED;
    }
    return VERSION_NOT_LISTED;
}
