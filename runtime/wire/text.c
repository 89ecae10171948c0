/* SPDX-License-Identifier: MIT */

/* Words for the verdicts of the text machines (grammar/text.rl). They complete a sentence: "service_name " + clause. */

#include "wire/text.h"

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
        return "may contain only a-z, 0-9 and -";
    }
    return "";
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
        return "may contain only a-z, 0-9 and . behind the first -";
    }
    return "";
}
