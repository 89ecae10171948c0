/* SPDX-License-Identifier: MIT */

/*
 * Failures are kept as data and as one sentence. What a broker or an environment says goes into the sentence cut to a
 * fixed size and with control characters replaced: it may end up on a terminal. Nothing is written anywhere here.
 */

#include "lib/client_failure.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/message.h"
#include "wire/protocol.h"

static const struct {
    const char *name, *text;
} statuses[] = {
#define STATUS_ROW(name, number, meaning) [number] = {#name, meaning},
    RPB_CLIENT_STATUSES(STATUS_ROW)
#undef STATUS_ROW
};

static bool is_status(int status)
{
    return status >= 0 && status < RPB_CLIENT_STATUS_MAX;
}

const char *rpb_client_status_name(int status)
{
    return is_status(status) ? statuses[status].name : "?";
}

const char *rpb_client_status_text(int status)
{
    return is_status(status) ? statuses[status].text : "?";
}

static void show(struct client_failure *failure, int status, int sys_errno)
{
    failure->shown = (struct rpb_client_failure){
        .status = status, .sys_errno = sys_errno, .reason = failure->reason, .text = failure->text};
    failure->reason[0] = '\0';
}

void client_failure_init(struct client_failure *failure)
{
    show(failure, RPB_CLIENT_OK, 0);
    snprintf(failure->text, sizeof(failure->text), "%s", rpb_client_status_text(RPB_CLIENT_OK));
}

/* Ends @text before a character that the cut at its size has split, and takes the sting out of control characters. */
static void tidy(char *text, size_t size)
{
    size_t end = strlen(text);

    if (end + 1 == size) {
        size_t start = end;

        while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) {
            start--;
        }
        /* only a lead byte can be followed by fewer bytes than it announces */
        if (start > 0 && (unsigned char)text[start - 1] >= 0xC0) {
            unsigned char lead = (unsigned char)text[start - 1];
            size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;

            if (end - start < wanted) {
                text[start - 1] = '\0';
            }
        }
    }
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F) {
            *c = '?';
        }
    }
}

int client_fail(struct client_failure *failure, int status, int sys_errno, const char *format, ...)
{
    size_t used;
    va_list args;

    show(failure, status, sys_errno);
    va_start(args, format);
    (void)vsnprintf(failure->text, sizeof(failure->text), format, args);
    va_end(args);
    used = strlen(failure->text);
    if (sys_errno) {
        const char *what = strerrordesc_np(sys_errno);

        snprintf(failure->text + used, sizeof(failure->text) - used, ": %s (os error %d)", what ? what : "?",
                 sys_errno);
    }
    tidy(failure->text, sizeof(failure->text));
    return status;
}

int client_fail_plainly(struct client_failure *failure, int status)
{
    return client_fail(failure, status, 0, "%s", rpb_client_status_text(status));
}

static enum rpb_client_refusal refusal_of(uint32_t code)
{
    switch (code) {
    case ERROR_CODE(VERSION_UNSUPPORTED):
        return RPB_CLIENT_REFUSAL_VERSION_UNSUPPORTED;
    case ERROR_CODE(VERSION_BLOCKED):
        return RPB_CLIENT_REFUSAL_VERSION_BLOCKED;
    case ERROR_CODE(SERVICE_UNKNOWN):
        return RPB_CLIENT_REFUSAL_SERVICE_UNKNOWN;
    case ERROR_CODE(RATE_LIMITED):
        return RPB_CLIENT_REFUSAL_RATE_LIMITED;
    case ERROR_CODE(SHUTTING_DOWN):
        return RPB_CLIENT_REFUSAL_SHUTTING_DOWN;
    default:
        return RPB_CLIENT_REFUSAL_OTHER;
    }
}

int client_fail_refused(struct client_failure *failure, uint32_t code, const char *reason, uint64_t retry_after_ms)
{
    int used; /* a reason is half as long as a text */

    show(failure, RPB_CLIENT_E_REFUSED, 0);
    failure->shown.code = code;
    failure->shown.refusal = refusal_of(code);
    failure->shown.retry_after_ms = retry_after_ms;
    snprintf(failure->reason, sizeof(failure->reason), "%s", reason);
    tidy(failure->reason, sizeof(failure->reason));
    used = snprintf(failure->text, sizeof(failure->text), "the broker refused%s%s (%s, code %" PRIu32 ")",
                    *failure->reason ? ": " : "", failure->reason, message_error_name(code), code);
    if (retry_after_ms) {
        snprintf(failure->text + used, sizeof(failure->text) - (size_t)used, "; try again in %" PRIu64 " ms",
                 retry_after_ms);
    }
    return RPB_CLIENT_E_REFUSED;
}
