/* SPDX-License-Identifier: MIT */

/*
 * The broker's threads as coroutines on one real thread. A thread runs when the scheduler draws it, until it waits for
 * a condition, for a lock, or (by the dice) makes a call to the kernel, where it gives way; so a job takes as long as
 * the seed says. The main context never stands on a coroutine's stack.
 */

#include "sim.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define FIBERS 1
#else
#define FIBERS 0
#endif

enum { STACK_SIZE = 256 * 1024 };

enum thread_state {
    THREAD_FREE,
    THREAD_READY,
    THREAD_WAITING, /* for a condition */
    THREAD_ENDED,   /* not joined yet */
};

struct thread {
    enum thread_state state;
    ucontext_t context;
    void *(*run)(void *argument);
    void *argument;
    pthread_cond_t *condition;
    bool is_detached, is_locked_out;
    uint64_t hold_until_nsec; /* a job that takes its time */
};

static struct thread threads[SIM_THREADS];
static char *stacks[SIM_THREADS];
static ucontext_t main_context;
static int running = -1;
#if FIBERS
static const void *main_stack;
static size_t main_stack_size;
static void *main_fake;
#endif

int sim_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int sim_pthread_join(pthread_t thread, void **ret);
int sim_pthread_detach(pthread_t thread);
int sim_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int sim_pthread_mutex_destroy(pthread_mutex_t *mutex);
int sim_pthread_mutex_lock(pthread_mutex_t *mutex);
int sim_pthread_mutex_unlock(pthread_mutex_t *mutex);
int sim_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int sim_pthread_cond_destroy(pthread_cond_t *condition);
int sim_pthread_cond_signal(pthread_cond_t *condition);
int sim_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int sim_pthread_attr_init(pthread_attr_t *attributes);
int sim_pthread_attr_destroy(pthread_attr_t *attributes);
int sim_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size);

bool sim_in_thread(void)
{
    return running >= 0;
}

/* ----------------------------------------------------------------------------------------------------- switching */

static void to_main(void)
{
    int me = running;

    running = -1;
#if FIBERS
    void *fake = NULL;

    __sanitizer_start_switch_fiber(threads[me].state == THREAD_ENDED || threads[me].state == THREAD_FREE ? NULL : &fake,
                                   main_stack, main_stack_size);
    swapcontext(&threads[me].context, &main_context);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#else
    swapcontext(&threads[me].context, &main_context);
#endif
}

static void begin(void)
{
    struct thread *thread = &threads[running];

#if FIBERS
    __sanitizer_finish_switch_fiber(NULL, &main_stack, &main_stack_size);
#endif
    (void)thread->run(thread->argument);
    thread->state = thread->is_detached ? THREAD_FREE : THREAD_ENDED;
    to_main();
    abort();
}

void sim_thread_run(int index)
{
    struct sim_proc *before = sim.current;

    running = index;
    sim.current = sim.broker;
#if FIBERS
    __sanitizer_start_switch_fiber(&main_fake, stacks[index], STACK_SIZE);
    swapcontext(&main_context, &threads[index].context);
    __sanitizer_finish_switch_fiber(main_fake, NULL, NULL);
#else
    swapcontext(&main_context, &threads[index].context);
#endif
    sim.current = before;
}

void sim_thread_yield(void)
{
    if (sim_chance(sim.plan.slow_rate, 1024)) {
        uint64_t rest_nsec = sim_below(12 * SEC);

        threads[running].hold_until_nsec = sim.now_nsec + rest_nsec;
        if (sim.slow_until_nsec < sim.now_nsec + rest_nsec) {
            sim.slow_until_nsec = sim.now_nsec + rest_nsec;
        }
        sim.n_faults += rest_nsec > 3 * SEC; /* some such rests and the job is given up */
        sim_trace("the worker rests for %llu ms", (unsigned long long)(rest_nsec / MSEC));
    }
    to_main();
}

void sim_thread_sleep(uint64_t nsec)
{
    threads[running].hold_until_nsec = sim.now_nsec + nsec;
    to_main();
}

int sim_threads_runnable(int *ret_indices)
{
    int n = 0;

    for (int i = 0; i < SIM_THREADS; i++) {
        if (threads[i].state == THREAD_READY && threads[i].hold_until_nsec <= sim.now_nsec) {
            ret_indices[n++] = i;
        }
    }
    return n;
}

uint64_t sim_threads_next(void)
{
    uint64_t next = NEVER;

    for (int i = 0; i < SIM_THREADS; i++) {
        if (threads[i].state == THREAD_READY && threads[i].hold_until_nsec > sim.now_nsec &&
            threads[i].hold_until_nsec < next) {
            next = threads[i].hold_until_nsec;
        }
    }
    return next;
}

int sim_threads_alive(void)
{
    int n = 0;

    for (int i = 0; i < SIM_THREADS; i++) {
        n += threads[i].state != THREAD_FREE;
    }
    return n;
}

void sim_threads_forget(void)
{
    memset(threads, 0, sizeof(threads));
    running = -1;
}

/* ------------------------------------------------------------------------------------------------------- threads */

int sim_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    int error = sim_enter(CALL_pthread_create), index = 0;

    (void)attributes;
    while (index < SIM_THREADS && threads[index].state != THREAD_FREE) {
        index++;
    }
    if (index == SIM_THREADS) {
        error = EAGAIN;
    }
    (void)sim_leave(CALL_pthread_create, -error, NULL, index);
    if (error) {
        return error;
    }
    if (!stacks[index]) {
        stacks[index] = malloc(STACK_SIZE);
    }
    threads[index] = (struct thread){.state = THREAD_READY, .run = run, .argument = argument};
    getcontext(&threads[index].context);
    threads[index].context.uc_stack.ss_sp = stacks[index];
    threads[index].context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&threads[index].context, begin, 0);
    *ret = (pthread_t)(index + 1);
    return 0;
}

static bool has_ended(void *argument)
{
    return ((struct thread *)argument)->state == THREAD_ENDED;
}

int sim_pthread_join(pthread_t thread, void **ret)
{
    struct thread *joined = &threads[thread - 1];

    (void)sim_block(has_ended, joined, NEVER);
    joined->state = THREAD_FREE;
    if (ret) {
        *ret = NULL;
    }
    return 0;
}

int sim_pthread_detach(pthread_t thread)
{
    struct thread *detached = &threads[thread - 1];

    detached->is_detached = true;
    if (detached->state == THREAD_ENDED) {
        detached->state = THREAD_FREE;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------- locks (0 is free, 1 held) */

static int *word_of(pthread_mutex_t *mutex)
{
    return (int *)(void *)mutex;
}

int sim_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    memset(mutex, 0, sizeof(*mutex));
    return 0;
}

int sim_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    if (*word_of(mutex) != 0) {
        sim_fail("a lock is destroyed while it is held");
    }
    return 0;
}

static bool is_free(void *argument)
{
    return *word_of(argument) == 0;
}

int sim_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (running >= 0) {
        while (*word_of(mutex) != 0) {
            to_main();
        }
    } else if (*word_of(mutex) != 0) {
        (void)sim_block(is_free, mutex, NEVER);
    }
    *word_of(mutex) = 1;
    return 0;
}

int sim_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (*word_of(mutex) != 1) {
        sim_fail("a lock is unlocked that is not held");
    }
    *word_of(mutex) = 0;
    return 0;
}

int sim_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    (void)attributes;
    memset(condition, 0, sizeof(*condition));
    return 0;
}

int sim_pthread_cond_destroy(pthread_cond_t *condition)
{
    (void)condition;
    return 0;
}

int sim_pthread_cond_signal(pthread_cond_t *condition)
{
    for (int i = 0; i < SIM_THREADS; i++) {
        if (threads[i].state == THREAD_WAITING && threads[i].condition == condition) {
            threads[i].state = THREAD_READY;
            break;
        }
    }
    return 0;
}

int sim_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    if (running < 0) {
        sim_fail("the loop waits for a condition");
        return EINVAL;
    }
    threads[running].state = THREAD_WAITING;
    threads[running].condition = condition;
    (void)sim_pthread_mutex_unlock(mutex);
    to_main();
    return sim_pthread_mutex_lock(mutex);
}

int sim_pthread_attr_init(pthread_attr_t *attributes)
{
    (void)attributes;
    return 0;
}

int sim_pthread_attr_destroy(pthread_attr_t *attributes)
{
    (void)attributes;
    return 0;
}

int sim_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size)
{
    (void)attributes, (void)size;
    return 0;
}
