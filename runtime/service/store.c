/* SPDX-License-Identifier: MIT */
/*
 * The cache of definitions and the rule that keeps it honest: an entry counts only while two facts hold, that the
 * directory is in the state in which no file of higher precedence was there, and that the file in force has not
 * changed. Both are seen by stat(). Times of files tell changes apart only when the file had been at rest for a while
 * (the kernel's stamps are coarse), so what was read sooner than that after a change is read again next time.
 *
 * A broken file is remembered like a good one, with its detail. A name without a file is not remembered at all, so
 * peers that ask for many names cost no memory. Nothing here blocks on anything but the file system; nothing is
 * written.
 */
#include "service/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/private_dir.h"
#include "base/sys.h"
#include "wire/text.h"

/* A file that changed less than this before it was read may change again without its times telling. */
#define AT_REST (20 * NSEC_PER_MSEC)

struct store_entry {
    char name[NAME_SIZE_MAX + 1];
    char file[DEFINITION_FILE_NAME_SIZE]; /* in force */
    enum definition_form form;
    struct file_identity identity;
    bool is_settled;                     /* the file had been at rest when it was read */
    uint64_t dir_generation;             /* state of the directory in which no file of higher precedence existed */
    const struct definition *definition; /* NULL: broken or not yet settled */
    char *detail;                        /* broken: why */
    unsigned int n_tries;                /* readings of a broken young binary so far */
    nsec_t retry_at_nsec;                /* not settled: when the next is due; 0 otherwise */
    uint64_t compared;                   /* fingerprint of the files compared last */
    UT_hash_handle hh;
    struct store_entry *prev, *next;
};

/* ------------------------------------------------------------------------------------------------ log */

__attribute__((format(printf, 6, 7))) static void log_entry(const struct store *store, const char *service,
                                                            enum log_level level, enum log_code code,
                                                            const char *event_kind, const char *format, ...)
{
    const struct log_record record = {
        .level = level, .code = code, .service = slice_from(service), .event_kind = event_kind};
    char line[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (store->log)
        store->log(store->log_owner, &record, line);
    else
        log_event(&record, "%s", line);
}

/* ------------------------------------------------------------------------------------------------ entries */

static void forget_verdict(struct store_entry *entry)
{
    entry->definition = definition_unref(entry->definition);
    free(TAKE_PTR(entry->detail));
}

static void free_entry(struct store_entry *entry)
{
    forget_verdict(entry);
    free(entry);
}

static void drop_entry(struct store *store, struct store_entry *entry)
{
    HASH_DEL(store->by_name, entry);
    DL_DELETE(store->by_use, entry);
    store->n_entries--;
    free_entry(entry);
}

static struct store_entry *find_entry(struct store *store, struct slice service)
{
    struct store_entry *entry;

    HASH_FIND(hh, store->by_name, service.data, service.size, entry);
    if (entry && entry != store->by_use) {
        DL_DELETE(store->by_use, entry);
        DL_PREPEND(store->by_use, entry);
    }
    return entry;
}

static int add_entry(struct store *store, const char *name, struct store_entry **ret_entry)
{
    struct store_entry *entry;

    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return error_origin(-ENOMEM);
    memcpy(entry->name, name, strlen(name) + 1);
    HASH_ADD_STR(store->by_name, name, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return error_origin(-ENOMEM);
    }
    DL_PREPEND(store->by_use, entry);
    store->n_entries++;
    if (store->n_entries > store->limit)
        drop_entry(store, store->by_use->prev); /* the head's prev is the tail */
    *ret_entry = entry;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ directory */

static void close_dir(struct store *store)
{
    if (store->is_open)
        close_fd(store->dir_fd);
    store->is_open = store->is_local = false;
    store->dir_fd = -1;
}

/* @is_breach: it breaks a rule, and is not just unreadable at the moment. */
static int refuse_dir(struct store *store, bool is_breach, const char *detail, struct store_fault *ret_fault)
{
    close_dir(store);
    snprintf(ret_fault->detail, sizeof(ret_fault->detail), "%s", detail);
    if (strcmp(store->dir_fault, ret_fault->detail) != 0)
        log_entry(store, NULL, LOG_ERROR, is_breach ? LOG_CODE_SECURITY_VIOLATION : LOG_CODE_SERVICE_DEF_BROKEN,
                  is_breach ? "SECURITY_VIOLATION" : NULL, "%s", detail);
    memcpy(store->dir_fault, ret_fault->detail, sizeof(store->dir_fault));
    return STORE_E_BROKEN;
}

static int open_dir(struct store *store, struct store_fault *ret_fault)
{
    struct private_dir_report report;
    struct stat st;
    int fd, r;

    close_dir(store);
    r = private_dir_open(store->dir, PRIVATE_DIR_PRIVATE, false, &report, &fd);
    if (r == PRIVATE_DIR_E_ABSENT)
        return STORE_E_NOT_FOUND;
    if (r != 0)
        return refuse_dir(store, r == PRIVATE_DIR_E_REFUSED, report.text, ret_fault);
    store->dir_fd = fd;
    store->is_open = true;
    r = sys_fstat(fd, &st);
    if (r < 0)
        return refuse_dir(store, false, "the service-definition directory cannot be read", ret_fault);
    store->is_local = store->is_local_fs(fd);
    file_identity_set(&store->dir_identity, &st);
    store->is_dir_settled = !file_identity_is_recent(&store->dir_identity, clock_unix_nsec(), AT_REST);
    store->dir_generation++;
    store->dir_fault[0] = '\0';
    return 0;
}

/* Opens the directory unless it is open and unchanged. */
static int refresh_dir(struct store *store, struct store_fault *ret_fault)
{
    struct stat st;
    int r;

    r = sys_stat(store->dir, &st);
    if (r == -ENOENT) {
        close_dir(store);
        return STORE_E_NOT_FOUND;
    }
    if (r == 0 && store->is_bound && st.st_dev != store->bound_dev)
        return STORE_E_ELSEWHERE;
    if (r == 0 && store->is_open && store->is_dir_settled && file_identity_equal(&store->dir_identity, &st))
        return 0;
    return open_dir(store, ret_fault);
}

/* ------------------------------------------------------------------------------------------------ loading */

static uint64_t mix(uint64_t fingerprint, const struct file_identity *identity)
{
    uint64_t parts[] = {identity->ino, (uint64_t)identity->size, (uint64_t)identity->ctime.tv_sec,
                        (uint64_t)identity->ctime.tv_nsec};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        fingerprint = (fingerprint ^ parts[i]) * UINT64_C(0x100000001b3);
    return fingerprint;
}

/* Logs, once, that a file below the one in force says something else (decision 5). */
static void compare_lower_files(struct store *store, struct store_entry *entry)
{
    uint64_t fingerprint = mix(UINT64_C(0xcbf29ce484222325), &entry->identity);
    char names[DEFINITION_FORM_COUNT][DEFINITION_FILE_NAME_SIZE];
    char lines[DEFINITION_FORM_COUNT][256] = {""};

    for (int form = (int)entry->form + 1; form < DEFINITION_FORM_COUNT; form++) {
        _cleanup_(definition_unrefp) const struct definition *lower = NULL;
        struct definition_file file;
        int r;

        definition_file_name(slice_from(entry->name), (enum definition_form)form, names[form]);
        r = definition_file_load(store->dir_fd, names[form], (enum definition_form)form, entry->name, &file, &lower);
        if (r == DEFINITION_FILE_E_ABSENT || r < 0)
            continue;
        fingerprint = mix(fingerprint, &file.identity);
        if (r != 0)
            snprintf(lines[form], sizeof(lines[form]), "it is not usable: %.200s", file.detail);
        else
            definition_differences(entry->definition, lower, lines[form], sizeof(lines[form]));
    }
    if (fingerprint == entry->compared)
        return;
    entry->compared = fingerprint;
    for (int form = (int)entry->form + 1; form < DEFINITION_FORM_COUNT; form++) {
        if (lines[form][0] != '\0')
            log_entry(store, entry->name, LOG_INFO, LOG_CODE_SERVICE_DEF_DIFFERS, NULL,
                      "%s is in force; %s differs from it and is not used: %s", entry->file, names[form], lines[form]);
    }
}

static void log_good(const struct store *store, const struct store_entry *entry, const struct definition *now)
{
    char names[256];

    if (entry->definition && definition_equal(entry->definition, now))
        return;
    if (!entry->definition) {
        log_entry(store, entry->name, LOG_INFO, LOG_CODE_SERVICE_DEF_LOADED, "SERVICE_DEF_LOADED", "loaded %s",
                  entry->file);
        return;
    }
    log_entry(store, entry->name, LOG_INFO, LOG_CODE_SERVICE_DEF_CHANGED, "SERVICE_DEF_CHANGED", "%s changed: %s",
              entry->file, definition_differences(entry->definition, now, names, sizeof(names)));
}

/* Remembers a good definition; takes the reference. */
static void keep_good(struct store *store, struct store_entry *entry, const struct definition *definition)
{
    log_good(store, entry, definition);
    forget_verdict(entry);
    entry->definition = definition;
    entry->n_tries = 0;
    entry->retry_at_nsec = 0;
    compare_lower_files(store, entry);
}

static int keep_broken(const struct store *store, struct store_entry *entry, int r, const char *detail)
{
    bool is_known = entry->detail && strcmp(entry->detail, detail) == 0;
    char *copy;

    copy = strdup(detail);
    if (!copy)
        return error_origin(-ENOMEM);
    if (!is_known && r == DEFINITION_FILE_E_REFUSED)
        log_entry(store, entry->name, LOG_ERROR, LOG_CODE_SECURITY_VIOLATION, "SECURITY_VIOLATION", "%s", detail);
    else if (!is_known)
        log_entry(store, entry->name, LOG_WARN, LOG_CODE_SERVICE_DEF_BROKEN, "SERVICE_DEF_CHANGED", "%s", detail);
    forget_verdict(entry);
    entry->detail = copy;
    entry->n_tries = 0;
    entry->retry_at_nsec = 0;
    return 0;
}

/* Whether a broken file is a binary that a backend may be writing just now, and is to be read again. */
static bool may_be_half_written(const struct store_entry *entry, int r, uint64_t unix_nsec)
{
    if (entry->form == DEFINITION_FORM_TEXT || (r != DEFINITION_FILE_E_MALFORMED && r != DEFINITION_FILE_E_WRONG))
        return false;
    return entry->n_tries < STORE_UNSETTLED_TRIES &&
           file_identity_is_recent(&entry->identity, unix_nsec, STORE_UNSETTLED_AGE);
}

/*
 * Puts the result @r of loading @entry->file into the entry; takes the reference to @definition. A failure to read says
 * nothing about what is in the file, so such an entry is never settled: the next one who asks has it read again. Nor is
 * one whose verdict could not be kept.
 */
static int keep_result(struct store *store, struct store_entry *entry, nsec_t now_nsec, int r,
                       const struct definition_file *file, const struct definition *definition)
{
    uint64_t unix_nsec = clock_unix_nsec();
    bool is_at_rest = !file_identity_is_recent(&file->identity, unix_nsec, AT_REST);
    int kept;

    entry->identity = file->identity;
    entry->is_settled = false;
    entry->dir_generation = store->dir_generation;
    if (r == 0) {
        keep_good(store, entry, definition);
        entry->is_settled = is_at_rest;
        return 0;
    }
    if (may_be_half_written(entry, r, unix_nsec)) {
        entry->n_tries++;
        entry->retry_at_nsec = nsec_add(now_nsec, STORE_UNSETTLED_RETRY);
        return 0;
    }
    kept = keep_broken(store, entry, r, file->detail);
    entry->is_settled = kept == 0 && is_at_rest && r != DEFINITION_FILE_E_UNREADABLE;
    return error_trace(kept);
}

/* Reads the first file that exists. @entry may be NULL: then one is made if there is a file. */
static int load(struct store *store, const char *name, struct store_entry *entry, nsec_t now_nsec,
                struct store_entry **ret_entry)
{
    const struct definition *definition = NULL;
    char file_name[DEFINITION_FILE_NAME_SIZE];
    struct definition_file file;
    int form, r = DEFINITION_FILE_E_ABSENT;

    for (form = 0; form < DEFINITION_FORM_COUNT && r == DEFINITION_FILE_E_ABSENT; form++) {
        definition_file_name(slice_from(name), (enum definition_form)form, file_name);
        r = definition_file_load(store->dir_fd, file_name, (enum definition_form)form, name, &file, &definition);
    }
    if (r < 0)
        return error_trace(r);
    if (r == DEFINITION_FILE_E_ABSENT) {
        if (entry) {
            log_entry(store, name, LOG_INFO, LOG_CODE_SERVICE_DEF_GONE, "SERVICE_DEF_CHANGED", "%s is gone",
                      entry->file);
            drop_entry(store, entry);
        }
        return STORE_E_NOT_FOUND;
    }
    store->n_loads++;
    if (!entry) {
        int added = add_entry(store, name, &entry);

        if (added < 0) {
            definition_unref(definition);
            return error_trace(added);
        }
    }
    memcpy(entry->file, file_name, sizeof(entry->file));
    entry->form = (enum definition_form)(form - 1);
    r = keep_result(store, entry, now_nsec, r, &file, definition);
    if (r < 0)
        return error_trace(r);
    *ret_entry = entry;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ looking up */

/* Whether what the entry says is still what is on disk. Sets the entry's state of the directory when it is. */
static bool is_current(struct store *store, struct store_entry *entry)
{
    char file_name[DEFINITION_FILE_NAME_SIZE];
    struct stat st;

    if (!entry->is_settled || entry->retry_at_nsec != 0)
        return false;
    if (entry->dir_generation != store->dir_generation) {
        for (int form = 0; form < (int)entry->form; form++) {
            definition_file_name(slice_from(entry->name), (enum definition_form)form, file_name);
            if (sys_fstatat(store->dir_fd, file_name, &st, AT_SYMLINK_NOFOLLOW) != -ENOENT)
                return false;
        }
    }
    if (sys_fstatat(store->dir_fd, entry->file, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !file_identity_equal(&entry->identity, &st))
        return false;
    entry->dir_generation = store->dir_generation;
    return true;
}

static int answer(const struct store_entry *entry, const struct definition **ret_definition,
                  struct store_fault *ret_fault)
{
    if (entry->retry_at_nsec != 0) {
        ret_fault->retry_at_nsec = entry->retry_at_nsec;
        return STORE_E_UNSETTLED;
    }
    if (!entry->definition) {
        snprintf(ret_fault->detail, sizeof(ret_fault->detail), "%s", entry->detail ? entry->detail : "");
        return STORE_E_BROKEN;
    }
    *ret_definition = entry->definition;
    return 0;
}

int store_get(struct store *store, struct slice service, nsec_t now_nsec, const struct definition **ret_definition,
              struct store_fault *ret_fault)
{
    char name[NAME_SIZE_MAX + 1];
    struct store_entry *entry;
    int r;

    if (text_check_name(service) != NAME_OK)
        return STORE_E_NOT_FOUND;
    r = refresh_dir(store, ret_fault);
    if (r != 0)
        return r;
    entry = find_entry(store, service);
    if (entry && (now_nsec < entry->retry_at_nsec || is_current(store, entry)))
        return answer(entry, ret_definition, ret_fault);
    memcpy(name, service.data, service.size);
    name[service.size] = '\0';
    r = load(store, name, entry, now_nsec, &entry);
    if (r != 0)
        return r;
    return answer(entry, ret_definition, ret_fault);
}

/* ------------------------------------------------------------------------------------------------ the whole */

int store_init(struct store *store, const char *dir)
{
    *store = (struct store){.dir_fd = -1, .limit = STORE_DEFINITIONS_MAX, .is_local_fs = fs_is_local};
    store->dir = strdup(dir);
    if (!store->dir)
        return error_origin(-ENOMEM);
    return 0;
}

void store_deinit(struct store *store)
{
    struct store_entry *entry, *next;

    HASH_CLEAR(hh, store->by_name);
    DL_FOREACH_SAFE(store->by_use, entry, next)
    free_entry(entry);
    store->by_use = NULL;
    store->n_entries = 0;
    close_dir(store);
    free(TAKE_PTR(store->dir));
}

/* True when the answer for the entry is another one after looking again. */
static bool recheck_entry(struct store *store, const char *name, nsec_t now_nsec)
{
    _cleanup_(definition_unrefp) const struct definition *before = NULL;
    const struct definition *after = NULL;
    struct store_fault fault;
    struct store_entry *entry;
    bool was_broken;
    int r;

    entry = find_entry(store, slice_from(name));
    if (!entry)
        return false;
    was_broken = entry->detail != NULL;
    before = entry->definition ? definition_ref(entry->definition) : NULL;
    entry->is_settled = false;
    r = store_get(store, slice_from(name), now_nsec, &after, &fault);
    if (r == 0)
        return !before || !definition_equal(before, after);
    return r != STORE_E_UNSETTLED && r != STORE_E_ELSEWHERE && r >= 0 && !(r == STORE_E_BROKEN && was_broken);
}

int store_look(struct store *store, struct store_fault *ret_fault)
{
    return refresh_dir(store, ret_fault);
}

size_t store_recheck(struct store *store, nsec_t now_nsec)
{
    char(*names)[NAME_SIZE_MAX + 1];
    struct store_entry *entry;
    size_t n = 0, n_changed = 0;

    names = calloc(store->n_entries + 1, sizeof(*names));
    if (!names)
        return 0;
    DL_FOREACH(store->by_use, entry)
    memcpy(names[n++], entry->name, sizeof(entry->name));
    for (size_t i = 0; i < n; i++)
        n_changed += recheck_entry(store, names[i], now_nsec);
    free(names);
    return n_changed;
}
