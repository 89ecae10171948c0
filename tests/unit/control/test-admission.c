/* SPDX-License-Identifier: MIT */

/* Who is counted, and who is closed when there is no room (decision 9c). */

#include <stdlib.h>

#include "check.h"
#include "control/admission.h"

enum { N = 64 };

static struct admission admission;
static struct admission_ticket tickets[N];

static void set_up(uint32_t per_peer_max)
{
    memset(tickets, 0, sizeof(tickets));
    check_fatal(admission_init(&admission, per_peer_max) == 0);
}

static void tear_down(void)
{
    for (size_t i = 0; i < N; i++) {
        admission_leave(&admission, &tickets[i]);
    }
    check_int(admission.n_open, 0);
    check(!admission_has_victim(&admission));
    admission_deinit(&admission);
    admission_deinit(&admission);
}

static void join(size_t i, pid_t pid)
{
    check_int(admission_join(&admission, &tickets[i], pid, 0), 0);
}

static int victim(void)
{
    struct admission_ticket *ticket = admission_take_victim(&admission);

    return ticket != NULL ? (int)(ticket - tickets) : -1;
}

static int victim_of(pid_t pid)
{
    struct admission_ticket *ticket = admission_take_victim_of(&admission, pid, 0);

    return ticket != NULL ? (int)(ticket - tickets) : -1;
}

static void test_greediest_oldest(void)
{
    set_up(1024);
    join(0, 10);
    join(1, 20);
    join(2, 20);
    join(3, 10);
    join(4, 20);
    check_int(victim(), 1);
    join(5, 10);
    check_int(victim(), 0);
    check_int(admission.n_open, 4);
    tear_down();
}

/* What is owed an answer counts against its peer but is never taken. */
static void test_busy_never(void)
{
    set_up(1024);
    for (size_t i = 0; i < 5; i++) {
        join(i, 10);
        if (i < 4) {
            admission_settle(&admission, &tickets[i]);
        }
    }
    join(5, 20);
    join(6, 20);
    check_int(victim(), 4);
    check_int(victim(), 5);
    check_int(victim(), 6);
    check(!admission_has_victim(&admission));
    check_int(victim(), -1);
    check_int(admission.n_open, 4);
    tear_down();
}

static void test_lingering_first(void)
{
    set_up(1024);
    for (size_t i = 0; i < 6; i++) {
        join(i, i < 4 ? 10 : 20);
    }
    admission_settle(&admission, &tickets[5]);
    admission_linger(&admission, &tickets[5]);
    admission_linger(&admission, &tickets[2]);
    check_int(victim(), 5);
    check_int(victim(), 2);
    check_int(victim(), 0);
    tear_down();
}

static void test_peer_cap(void)
{
    struct admission_ticket extra = {0};

    set_up(3);
    join(0, 10);
    join(1, 10);
    join(2, 10);
    join(3, 20);
    check_int(admission_join(&admission, &extra, 10, 0), ADMISSION_E_CROWDED);
    admission_settle(&admission, &tickets[0]);
    admission_linger(&admission, &tickets[2]);
    check_int(victim_of(10), 2);
    check_int(victim_of(10), 1);
    check_int(victim_of(10), -1);
    check_int(victim_of(99), -1);
    join(1, 10);
    join(2, 10);
    admission_settle(&admission, &tickets[1]);
    admission_settle(&admission, &tickets[2]);
    check_int(admission_join(&admission, &extra, 10, 0), ADMISSION_E_CROWDED);
    check_int(victim_of(10), -1);
    tear_down();
}

/* Peers without a pid are one peer a uid. */
static void test_without_pid(void)
{
    set_up(1);
    check_int(admission_join(&admission, &tickets[0], 0, 5), 0);
    check_int(admission_join(&admission, &tickets[1], 0, 5), ADMISSION_E_CROWDED);
    check_int(admission_join(&admission, &tickets[2], 0, 6), 0);
    check_int(admission_join(&admission, &tickets[3], 5, 5), 0);
    tear_down();
}

/* The same choice as a plain search over everything, after every one of many random steps. */
static int slow_victim(const int *pid, const int *place, const int *age)
{
    int best = -1, best_count = 0;

    for (int i = 0; i < N; i++) {
        if (place[i] == ADMISSION_LINGERING && (best < 0 || age[i] < age[best])) {
            best = i;
        }
    }
    if (best >= 0) {
        return best;
    }
    for (int i = 0; i < N; i++) {
        int count = 0;

        if (place[i] != ADMISSION_UNFINISHED) {
            continue;
        }
        for (int k = 0; k < N; k++) {
            count += place[k] != ADMISSION_OUT && pid[k] == pid[i];
        }
        if (count > best_count || (count == best_count && pid[i] == pid[best] && age[i] < age[best])) {
            best = i;
            best_count = count;
        }
    }
    return best;
}

static void test_against_search(void)
{
    int pid[N] = {0}, place[N] = {0}, age[N] = {0}, clock = 0;

    set_up(1024);
    srand(7);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % N, want, got;

        if (rand() % 8 == 0) {
            want = slow_victim(pid, place, age);
            got = victim();
            check_fatal((want < 0) == (got < 0));
            if (got < 0) {
                continue;
            }
            check_fatal(place[got] == place[want]);
            if (place[want] == ADMISSION_LINGERING) {
                check_fatal(got == want);
            }
            if (pid[got] == pid[want]) {
                check_fatal(got == want);
            } else { /* two peers with equally many: either will do */
                int counts[2] = {0};

                for (int k = 0; k < N; k++) {
                    counts[0] += place[k] != ADMISSION_OUT && pid[k] == pid[got];
                    counts[1] += place[k] != ADMISSION_OUT && pid[k] == pid[want];
                }
                check_fatal(counts[0] == counts[1]);
            }
            place[got] = ADMISSION_OUT;
            continue;
        }
        switch (place[i]) {
        case ADMISSION_OUT:
            pid[i] = 1 + rand() % 5;
            join((size_t)i, pid[i]);
            place[i] = ADMISSION_UNFINISHED;
            age[i] = clock++;
            break;
        case ADMISSION_UNFINISHED:
            admission_settle(&admission, &tickets[i]);
            place[i] = ADMISSION_BUSY;
            break;
        case ADMISSION_BUSY:
            if (rand() % 2) {
                admission_linger(&admission, &tickets[i]);
                place[i] = ADMISSION_LINGERING;
                age[i] = clock++;
                break;
            }
            /* fall through */
        default:
            admission_leave(&admission, &tickets[i]);
            place[i] = ADMISSION_OUT;
        }
    }
    tear_down();
}

CHECK_PROGRAM("control/admission", {"the oldest unfinished of the peer that holds most", test_greediest_oldest},
              {"who is owed an answer is never chosen", test_busy_never},
              {"the lingering go first, oldest first", test_lingering_first},
              {"a peer at its cap gives up its own", test_peer_cap},
              {"peers without a pid are one peer a uid", test_without_pid},
              {"always the choice of a plain search", test_against_search})
