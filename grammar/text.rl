/* SPDX-License-Identifier: MIT */

/*
 * The forms of text that the protocol knows. One machine a form; each function runs its machine once over the whole
 * text. What a verdict means for the caller (refusal, diagnostic, silence) is not decided here.
 */

#include <stdint.h>

#include "wire/text.h"

/* First byte of @text; an empty slice may have no address of its own. */
static const uint8_t *text_bytes(struct slice text)
{
    return (const uint8_t *)(text.size == 0 ? "" : text.data);
}

%%{
    # Shared with frame.rl and fsm.rl.
    machine utf8;
    alphtype unsigned char;

    tail = 0x80..0xbf;

    # One character: no overlong form, no surrogate, nothing above U+10FFFF.
    character = 0x00..0x7f
              | 0xc2..0xdf tail
              | 0xe0       0xa0..0xbf tail
              | 0xe1..0xec tail tail
              | 0xed       0x80..0x9f tail
              | 0xee..0xef tail tail
              | 0xf0       0x90..0xbf tail tail
              | 0xf1..0xf3 tail tail tail
              | 0xf4       0x80..0x8f tail tail;
}%%

%%{
    machine text_utf8;
    alphtype unsigned char;
    include utf8;

    main := character*;

    write data noerror noentry;
}%%

bool text_is_utf8(struct slice text)
{
    const uint8_t *p = text_bytes(text), *pe = p + text.size;
    int cs;

    %% write init;
    %% write exec;
    return cs >= text_utf8_first_final;
}

%%{
    machine text_name;
    alphtype unsigned char;

    good = [a-z0-9] | '-';

    main := ( good
            | [A-Z]            @{ fault = NAME_UPPERCASE; fbreak; }
            | ^( good | [A-Z] ) @{ fault = NAME_CHARACTER; fbreak; }
            )*;

    write data nofinal noerror noentry;
}%%

enum name_fault text_check_name_at(struct slice name, size_t *ret_offset)
{
    const uint8_t *p = text_bytes(name), *pe = p + name.size;
    enum name_fault fault = NAME_OK;
    int cs;

    if (name.size == 0) {
        return NAME_EMPTY;
    }
    if (name.size > NAME_SIZE_MAX) {
        return NAME_TOO_LONG;
    }
    %% write init;
    %% write exec;
    if (fault != NAME_OK) {
        *ret_offset = (size_t)(p - text_bytes(name)) - 1;
    }
    return fault;
}

enum name_fault text_check_name(struct slice name)
{
    size_t offset;

    return text_check_name_at(name, &offset);
}

%%{
    machine text_version;
    alphtype unsigned char;

    core = digit+ '.' digit+ '.' digit+;
    tail = [a-z0-9.]+;

    main := core ( '-' @{ in_tail = true; } tail )?;

    write data noerror noentry;
}%%

enum version_fault text_check_version(struct slice version)
{
    const uint8_t *p = text_bytes(version), *pe = p + version.size;
    bool in_tail = false;
    int cs;

    if (version.size == 0) {
        return VERSION_EMPTY;
    }
    %% write init;
    %% write exec;
    if (cs >= text_version_first_final) {
        return VERSION_OK;
    }
    if (!in_tail) {
        return VERSION_CORE;
    }
    return p == pe ? VERSION_TAIL_EMPTY : VERSION_TAIL_CHARACTER;
}

%%{
    machine text_traceparent;
    alphtype unsigned char;

    hex = [0-9a-f];
    trace_id = hex{32} - '0'{32};
    parent_id = hex{16} - '0'{16};

    main := hex{2} '-' trace_id '-' parent_id '-' hex{2};

    write data noerror noentry;
}%%

bool text_is_traceparent(struct slice text)
{
    const uint8_t *p = text_bytes(text), *pe = p + text.size;
    int cs;

    %% write init;
    %% write exec;
    return cs >= text_traceparent_first_final;
}

%%{
    machine text_tracestate;
    alphtype unsigned char;

    main := (0x20..0x7e)+;

    write data noerror noentry;
}%%

bool text_is_tracestate(struct slice text)
{
    const uint8_t *p = text_bytes(text), *pe = p + text.size;
    int cs;

    if (text.size > TRACESTATE_SIZE_MAX) {
        return false;
    }
    %% write init;
    %% write exec;
    return cs >= text_tracestate_first_final;
}
