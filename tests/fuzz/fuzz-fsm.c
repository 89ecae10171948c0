/* SPDX-License-Identifier: MIT */

/*
 * fsmgen from bytes to generated text, in memory. Whatever the bytes are: no crash and no leak; what is refused has a
 * reason that points into the file; what is accepted becomes all its files, the same ones each time, and a comment in
 * front, or the loss of the last line's end, changes nothing.
 */

#include <string.h>
#include <sys/mman.h>

#include "fsmgen/emit.h"
#include "fsmgen/model.h"
#include "fuzz/fuzz.h"

enum { EMITTERS_MAX = 8, INPUT_MAX = 16 * 1024 };

struct result {
    bool is_accepted;
    struct out outs[EMITTERS_MAX];
};

/*
 * Zeroed memory of @size bytes that ends where access faults; given back with the next call for the same @place. Only
 * the pages that were touched are zeroed again: these structures are megabytes, of which an input uses little.
 */
static void *zeroed(void **place, size_t size)
{
    size_t pages = (size + 4095) / 4096 * 4096;

    if (*place == NULL) {
        *place = mmap(NULL, pages + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(*place != MAP_FAILED && mprotect((char *)*place + pages, 4096, PROT_NONE) == 0);
    } else {
        MUST(madvise(*place, pages, MADV_DONTNEED) == 0);
    }
    return (char *)*place + (pages - size) / 16 * 16;
}

static void check_refusals(const struct diags *diags, struct slice text)
{
    uint32_t n_lines = 1;

    for (size_t i = 0; i < text.size; i++) {
        n_lines += text.data[i] == '\n';
    }
    for (unsigned i = 0; i < diags->n; i++) {
        MUST(diags->items[i].text != NULL && diags->items[i].text[0] != '\0');
        MUST(diags->items[i].line <= n_lines + 1);
    }
    MUST(diags->n_lost == 0 || diags->n == DIAG_MAX);
}

static void compile(struct slice text, struct result *result)
{
    struct diags diags = {.file = "input"};
    static void *spec_place, *model_place;
    struct spec *spec = zeroed(&spec_place, sizeof(*spec));
    struct model *model = zeroed(&model_place, sizeof(*model));
    bool is_good;

    MUST(n_emitters <= EMITTERS_MAX);
    memset(result, 0, sizeof(*result));
    spec->diags = &diags;
    is_good = spec_parse(spec, text.data, text.size) && model_resolve(model, spec, &diags);
    if (is_good) {
        model_check_cells(model);
        model_check_flow(model);
    }
    result->is_accepted = diags.n == 0;
    MUST(is_good || diags.n > 0);
    check_refusals(&diags, text);
    for (unsigned i = 0; result->is_accepted && i < n_emitters; i++) {
        emitters[i].emit(&result->outs[i], model);
        MUST(!result->outs[i].has_failed && result->outs[i].size > 0);
    }
    diags_deinit(&diags);
}

static void result_deinit(struct result *result)
{
    for (unsigned i = 0; i < n_emitters; i++) {
        out_deinit(&result->outs[i]);
    }
}

static void check_same(const struct result *one, struct slice text)
{
    struct result other;

    compile(text, &other);
    MUST(one->is_accepted == other.is_accepted);
    for (unsigned i = 0; i < n_emitters; i++) {
        MUST(one->outs[i].size == other.outs[i].size);
        MUST(memcmp(one->outs[i].data, other.outs[i].data, other.outs[i].size) == 0);
    }
    result_deinit(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char longer[INPUT_MAX + 32];
    struct slice text = {(const char *)data, size};
    struct result result;
    int n;

    if (size > INPUT_MAX) {
        return 0;
    }
    compile(text, &result);
    if (result.is_accepted) {
        check_same(&result, text);
        n = snprintf(longer, sizeof(longer), "# in front\n\n");
        memcpy(longer + n, data, size);
        check_same(&result, (struct slice){longer, (size_t)n + size});
        if (data[size - 1] == '\n') {
            check_same(&result, (struct slice){text.data, size - 1});
        }
    }
    result_deinit(&result);
    return 0;
}
