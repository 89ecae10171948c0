/* SPDX-License-Identifier: MIT */
/*
 * The text form against protoc: the golden texts, the hand-written ones of tests/diff/servicedef, those of the fuzzer's
 * corpus, and thousands of mutations of them all, made from a seed, must get the same verdict, and where both accept,
 * the same meaning.
 *
 * DIFF_COUNT (default 2000) and DIFF_SEED choose how many and which. A difference prints the text and the seed.
 */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/service/protoc.h"

#define TEXTS_MAX 512
#define TEXT_MAX 2048

static struct {
    char data[TEXT_MAX];
    size_t size;
} texts[TEXTS_MAX];
static size_t n_texts;
static size_t accepted[TEXTS_MAX], n_accepted; /* indices of the texts that both accept */

/* ------------------------------------------------------------------------------------------------ comparing */

/* Returns whether both accept. */
static bool compare(struct slice text, unsigned long seed)
{
    struct text_report report;
    bool are_both;
    const char *what = protoc_difference(text, &report, &are_both);

    if (what) {
        fprintf(stderr, "%s (DIFF_SEED=%lu):\n%.*s\n", what, seed, SLICE_ARGS(text));
        for (size_t i = 0; i < report.n_diagnostics; i++)
            fprintf(stderr, "  %u:%u %s: %s\n", report.diagnostics[i].line, report.diagnostics[i].column,
                    text_fault_symbol(report.diagnostics[i].fault), report.diagnostics[i].message);
    }
    check(!what);
    return are_both;
}

/* ------------------------------------------------------------------------------------------------ texts */

/* The files of @dir whose names hold @part; what the fuzzer found (tests/fuzz) has no ending. */
static void load_dir(const char *dir, const char *part)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, alphasort);

    check(n > 2);
    for (int i = 0; i < n; i++) {
        char path[600];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && strstr(entries[i]->d_name, part) && n_texts < TEXTS_MAX) {
            file = fopen(path, "r");
            check_fatal(file != NULL);
            texts[n_texts].size = fread(texts[n_texts].data, 1, TEXT_MAX, file);
            /* protoc takes NUL as the end of something; we refuse it everywhere */
            if (!memchr(texts[n_texts].data, '\0', texts[n_texts].size))
                n_texts++;
            fclose(file);
        }
        free(entries[i]);
    }
    free(entries);
}

static void load_texts(void)
{
    n_texts = 0;
    load_dir("tests/golden/servicedef/ok", ".txtpb");
    load_dir("tests/golden/servicedef/bad", ".txtpb");
    load_dir("tests/diff/servicedef", ".txtpb");
    load_dir("tests/fuzz/corpus/fuzz-definition", "");
}

static void test_texts(void)
{
    size_t n_both = 0;

    if (!protoc_is_there()) {
        puts("skipped: protoc is not installed");
        return;
    }
    load_texts();
    n_accepted = 0;
    for (size_t i = 0; i < n_texts; i++) {
        if (compare((struct slice){.data = texts[i].data, .size = texts[i].size}, 0))
            accepted[n_accepted++] = i;
    }
    n_both = n_accepted;
    check(n_both >= 8);
    check(n_both < n_texts / 2);
}

/* ------------------------------------------------------------------------------------------------ mutations */

static uint64_t state;

static size_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % n);
}

static const char *const pieces[] = {
    ":",
    ",",
    ";",
    "-",
    "{",
    "}",
    "<",
    ">",
    "[",
    "]",
    "\"",
    "'",
    "\\",
    "#",
    "\n",
    " ",
    "\t",
    "\v",
    "\f",
    "\r",
    ".",
    "=",
    "/",
    "0",
    "1",
    "2",
    "01",
    "0x1",
    "08",
    "1.5",
    "1e3",
    "1f",
    "9999999999",
    "\"\"",
    "''",
    "\"a\"",
    "'b'",
    "\"1.0.0\"",
    "# c\n",
    "service_name",
    "binary_path",
    "isolation",
    "explicit_instance",
    "per_version_binary_dir",
    "min_version",
    "version_allow_list",
    "labels",
    "key",
    "value",
    "PRIVATE_BROKER",
    "SHARED_BROKER",
    "EXPLICIT_INSTANCE",
    "true",
    "inf",
    "nan",
    "labels { key: \"k\" value: \"v\" }",
    "labels <>",
    "version_allow_list: [\"1\", '2']",
    "isolation: SHARED_BROKER",
    "labels: [{}, <key: 'k'>]",
    "version_allow_list: []",
    "\\n",
    "\\x41",
    "\\101",
    "\\u0041",
    "\\U00000041",
    "\\?",
    "\\'",
    "\\q",
    "\\400",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\xc3\xa9",
    "\xff",
    "\x01",
    "\x7f",
    "@",
    "!",
    "*",
    "+",
    "(",
    ")",
    "_",
    "$",
};

#define N_PIECES (sizeof(pieces) / sizeof(pieces[0]))

struct draft {
    char data[2 * TEXT_MAX];
    size_t size;
};

static void replace(struct draft *draft, size_t at, size_t removed, const char *piece, size_t size)
{
    if (draft->size - removed + size > sizeof(draft->data))
        return;
    memmove(draft->data + at + size, draft->data + at + removed, draft->size - at - removed);
    memcpy(draft->data + at, piece, size);
    draft->size += size - removed;
}

static size_t word_end(const struct draft *draft, size_t at)
{
    size_t end = at;

    while (end < draft->size && (draft->data[end] == '_' || (draft->data[end] | 0x20) >= 'a'))
        end++;
    return end > at ? end : at + (at < draft->size);
}

static void mutate(struct draft *draft)
{
    size_t at = below(draft->size + 1);
    const char *piece = pieces[below(N_PIECES)];
    size_t other = below(n_texts), from, size;

    switch (below(6)) {
    case 0: /* put something in */
        replace(draft, at, 0, piece, strlen(piece));
        break;
    case 1: /* take a byte out */
        replace(draft, at, at < draft->size, "", 0);
        break;
    case 2: /* replace a word */
        replace(draft, at, word_end(draft, at) - at, piece, strlen(piece));
        break;
    case 3: /* take a stretch out */
        size = below(20);
        replace(draft, at, size < draft->size - at ? size : draft->size - at, "", 0);
        break;
    case 4: /* a stretch of another text */
        from = below(texts[other].size + 1);
        size = below(60);
        if (size > texts[other].size - from)
            size = texts[other].size - from;
        replace(draft, at, 0, texts[other].data + from, size);
        break;
    default: /* white space, which must not matter much */
        replace(draft, at, 0, pieces[14 + below(6)], 1);
        break;
    }
}

static void test_mutations(void)
{
    const char *count_text = getenv("DIFF_COUNT"), *seed_text = getenv("DIFF_SEED");
    unsigned long count = count_text ? strtoul(count_text, NULL, 10) : 2000;
    unsigned long seed = seed_text ? strtoul(seed_text, NULL, 10) : 1;
    size_t n_both = 0;

    if (!protoc_is_there())
        return;
    load_texts();
    for (unsigned long i = 0; i < count; i++) {
        static struct draft draft;
        size_t chosen;

        state = (seed + i) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        below(2);
        chosen = n_accepted > 0 && below(4) > 0 ? accepted[below(n_accepted)] : below(n_texts);
        memcpy(draft.data, texts[chosen].data, texts[chosen].size);
        draft.size = texts[chosen].size;
        for (size_t n = 1 + below(3); n > 0; n--)
            mutate(&draft);
        n_both += compare((struct slice){.data = draft.data, .size = draft.size}, seed + i);
    }
    printf("%lu mutations from seed %lu, %zu accepted by both\n", count, seed, n_both);
    check(n_both * 10 > count); /* else the mutations would prove nothing */
}

CHECK_PROGRAM("service/differential", {"hand-written texts", test_texts}, {"mutated texts", test_mutations})
