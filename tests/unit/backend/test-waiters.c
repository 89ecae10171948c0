/* SPDX-License-Identifier: MIT */

/* Queues of waiters by themselves: nobody is told twice or forgotten, whatever a callback does; what refusals say. */

#include "backend/waiters.h"

#include <stdlib.h>

#include "check.h"
#include "wire/protocol.h"

struct caller {
    struct backend_waiter waiter; /* first */
    char name;
    struct backend_waiter *leaves;         /* another one, taken out by this one's callback */
    struct backend_waiters *joins;         /* a queue that the callback goes on to wait in */
    struct backend_waiters *answers_again; /* answers the same queue from inside the callback */
};

static char told[16];

static void note(char name)
{
    size_t n = strlen(told);

    told[n] = name;
    told[n + 1] = '\0';
}

static void on_answered(struct backend_waiter *waiter, const struct backend_answer *answer)
{
    struct caller *caller = (struct caller *)waiter;

    check(waiter->queue == NULL); /* let go before it is told */
    note(caller->name);
    if (caller->leaves) {
        waiters_leave(caller->leaves);
    }
    if (caller->joins) {
        check(waiters_join(caller->joins, waiter));
    }
    if (caller->answers_again) {
        waiters_answer(caller->answers_again, answer);
    }
}

static void join(struct backend_waiters *queue, struct caller *callers, int n)
{
    told[0] = '\0';
    for (int i = 0; i < n; i++) {
        callers[i].waiter.answered = on_answered;
        callers[i].name = (char)('a' + i);
        check(waiters_join(queue, &callers[i].waiter));
    }
    check_int(queue->n, n);
}

static void test_order(void)
{
    struct backend_waiters queue = {0};
    struct backend_answer answer = {0};
    struct caller callers[4] = {0};

    join(&queue, callers, 4);
    waiters_leave(&callers[1].waiter);
    waiters_leave(&callers[1].waiter); /* harmless */
    waiters_answer(&queue, &answer);
    check_str(told, "acd");
    check_int(queue.n, 0);
    check(queue.first == NULL && queue.last == NULL);
    for (int first = 0; first < 2; first++) { /* at both ends, down to nobody */
        join(&queue, callers, 2);
        waiters_leave(&callers[first].waiter);
        waiters_leave(&callers[1 - first].waiter);
        check(queue.first == NULL && queue.last == NULL && queue.n == 0);
    }
    waiters_answer(&queue, &answer);
    check_str(told, "");
}

static void test_callbacks(void)
{
    struct backend_waiters queue = {0}, other = {0};
    struct backend_answer answer = {0};
    struct caller callers[4] = {0};

    callers[0].leaves = &callers[1].waiter; /* the next one */
    join(&queue, callers, 4);
    waiters_answer(&queue, &answer);
    check_str(told, "acd");
    callers[0].leaves = &callers[3].waiter; /* the last one */
    callers[1].joins = &other;
    join(&queue, callers, 4);
    waiters_answer(&queue, &answer);
    check_str(told, "abc");
    check_int(other.n, 1);
    waiters_leave(&callers[1].waiter);
    check_int(other.n, 0);
    callers[0].leaves = NULL;
    callers[1].joins = NULL;
    callers[0].answers_again = &queue;
    join(&queue, callers, 4);
    waiters_answer(&queue, &answer);
    check_str(told, "abcd");
    check_int(queue.n, 0);
}

static void on_answered_free(struct backend_waiter *waiter, const struct backend_answer *answer)
{
    check(answer->ready);
    note('x');
    free(waiter);
}

static void test_freed_when_told(void)
{
    struct backend_waiters queue = {0};
    struct backend_answer answer = {.ready = true};

    told[0] = '\0';
    for (int i = 0; i < 3; i++) {
        struct backend_waiter *waiter = calloc(1, sizeof(*waiter));

        check_fatal(waiter != NULL);
        waiter->answered = on_answered_free;
        check(waiters_join(&queue, waiter));
    }
    waiters_answer(&queue, &answer);
    check_str(told, "xxx");
}

static void test_limit(void)
{
    static struct backend_waiter waiters[BACKENDS_WAITERS_MAX + 1];
    struct backend_waiters queue = {0};

    for (int i = 0; i < BACKENDS_WAITERS_MAX; i++) {
        check(waiters_join(&queue, &waiters[i]));
    }
    check(!waiters_join(&queue, &waiters[BACKENDS_WAITERS_MAX]));
    check(waiters[BACKENDS_WAITERS_MAX].queue == NULL);
    waiters_leave(&waiters[7]);
    check(waiters_join(&queue, &waiters[BACKENDS_WAITERS_MAX]));
    check_int(queue.n, BACKENDS_WAITERS_MAX);
}

static uint64_t exhausted_ms(nsec_t left_nsec)
{
    struct backend_answer answer;

    backend_answer_exhausted(&answer, &(struct spawn_refusal){.retry_after_nsec = left_nsec});
    check_int(answer.code, ERROR_CODE(RATE_LIMITED));
    check_str(answer.reason, "backend spawn budget exhausted");
    return answer.retry_after_ms;
}

/* Whole milliseconds, rounded down, at least one (spec 03 section 1). */
static void test_retry_after(void)
{
    check_int(exhausted_ms(30 * NSEC_PER_SEC), 30000);
    check_int(exhausted_ms(2 * NSEC_PER_MSEC - 1), 1);
    check_int(exhausted_ms(NSEC_PER_MSEC - 1), 1);
    check_int(exhausted_ms(0), 1);
}

CHECK_PROGRAM("backend/waiters", {"first come, first served", test_order},
              {"a callback may leave, join and answer", test_callbacks},
              {"a callback may free its waiter", test_freed_when_told}, {"256 and no more", test_limit},
              {"what is left of a window", test_retry_after})
