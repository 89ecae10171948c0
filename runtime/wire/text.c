/* SPDX-License-Identifier: MIT */

/*
 * Words for the verdicts of the text machines (grammar/text.rl), which complete a sentence: "service_name " + clause;
 * and the one question of theirs that has no machine of its own. Judging is done by the machines.
 */

#include "wire/text.h"

size_t text_character_size(struct slice text)
{
    for (size_t size = 1; size <= 4 && size <= text.size; size++) {
        if (text_is_utf8((struct slice){.data = text.data, .size = size})) {
            return size;
        }
    }
    return 0;
}

const char *name_fault_text(enum name_fault fault)
{
    switch (fault) {
    case NAME_OK:
        return "";
    case NAME_EMPTY:
        return "must not be empty";
    case NAME_TOO_LONG:
        return "must not be longer than 64 bytes";
    case NAME_UPPERCASE:
        return "must not contain uppercase letters";
    case NAME_CHARACTER:
        break;
    }
    return "may contain only a-z, 0-9 and -";
}

const char *version_fault_text(enum version_fault fault)
{
    switch (fault) {
    case VERSION_OK:
        return "";
    case VERSION_EMPTY:
        return "must not be empty";
    case VERSION_CORE:
        return "must begin with MAJOR.MINOR.PATCH in digits";
    case VERSION_TAIL_EMPTY:
        return "must have a pre-release part behind the -";
    case VERSION_TAIL_CHARACTER:
        break;
    }
    return "may contain only a-z, 0-9 and . behind the first -";
}
