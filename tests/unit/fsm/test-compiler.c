/* SPDX-License-Identifier: MIT */
/*
 * The compiler of the machines without memory: with the n-th allocation failing, for every n, a good specification
 * either becomes all its files or is refused with a reason, and nothing is left behind (the sanitizer build sees to
 * that).
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_alloc.h"
#include "fsmgen/emit.h"
#include "fsmgen/model.h"

enum { EMITTERS_MAX = 8, TEXT_MAX = 1 << 16 };

static struct spec spec;
static struct model model;
static char text[TEXT_MAX];
static size_t size;

/* Whether everything was made. */
static bool compile(void)
{
    struct diags diags = {.file = "offer.fsm"};
    struct out outs[EMITTERS_MAX] = {0};
    bool good;

    memset(&spec, 0, sizeof(spec));
    memset(&model, 0, sizeof(model));
    spec.diags = &diags;
    good = spec_parse(&spec, text, size) && model_resolve(&model, &spec, &diags);
    if (good) {
        model_check_cells(&model);
        model_check_flow(&model);
        good = diags.n == 0;
    }
    check(good == (diags.n == 0));
    for (unsigned int i = 0; good && i < n_emitters; i++) {
        emitters[i].emit(&outs[i], &model);
        good = !outs[i].has_failed;
        check(!good || outs[i].size > 0);
    }
    for (unsigned int i = 0; i < n_emitters; i++)
        out_deinit(&outs[i]);
    diags_deinit(&diags);
    return good;
}

static void sweep(bool for_ever)
{
    bool has_failed = true;
    long n = 0;

    for (; has_failed; n++) {
        bool good;

        check_fatal(n < 10000);
        failing_alloc_start(n, for_ever);
        good = compile();
        has_failed = failing_alloc_stop();
        check(good == !has_failed);
    }
    check(n > 5 || !failing_alloc_is_possible());
}

static void test_memory(void)
{
    FILE *file = fopen("tests/golden/fsm/ok/offer.fsm", "r");

    check_fatal(file != NULL);
    size = fread(text, 1, sizeof(text), file);
    fclose(file);
    check_fatal(n_emitters <= EMITTERS_MAX);
    sweep(false);
    sweep(true);
}

/* The frame around it reads no more than this; whoever calls the parser alone may try. */
static void test_too_large(void)
{
    struct diags diags = {.file = "large.fsm"};
    char *large = malloc(SPEC_SIZE_MAX + 1);

    check_fatal(large != NULL);
    memset(large, '#', SPEC_SIZE_MAX + 1);
    memset(&spec, 0, sizeof(spec));
    spec.diags = &diags;
    check(!spec_parse(&spec, large, SPEC_SIZE_MAX + 1));
    check_int(diags.n, 1);
    check(strncmp(diags.items[0].text, "larger than", 11) == 0);
    diags_deinit(&diags);
    free(large);
}

CHECK_PROGRAM("fsm/compiler", {"every allocation fails", test_memory}, {"a text that is too large", test_too_large})
