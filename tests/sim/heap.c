/* SPDX-License-Identifier: MIT */

/*
 * The broker's heap: every block is listed, so that what a run leaves behind is counted, and freed after a broker that
 * was killed. The n-th allocation fails where the plan says so. Only the product's own calls come here, and jansson's.
 */

#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *sim_malloc(size_t size);
void *sim_calloc(size_t n, size_t size);
void *sim_realloc(void *memory, size_t size);
void *sim_reallocarray(void *memory, size_t n, size_t size);
void sim_free(void *memory);
char *sim_strdup(const char *text);

struct block {
    struct block *next, *previous;
    size_t size;
    size_t unused; /* keeps the alignment */
};

static struct block blocks = {.next = &blocks, .previous = &blocks};

static bool must_fail(void)
{
    const struct sim_plan *plan = &sim.plan;

    if (!sim.is_faulty || sim.current != sim.broker) {
        return false;
    }
    sim.n_allocations++;
    if (plan->memory_at == sim.n_allocations || (plan->memory_for_ever && sim.n_allocations > plan->memory_at) ||
        (plan->memory_rate > 0 && sim.n_faults < plan->n_faults_max && sim_chance(plan->memory_rate, 65536))) {
        sim.n_faults++;
        sim_trace("FAULT allocation %llu fails", (unsigned long long)sim.n_allocations);
        return true;
    }
    return false;
}

static void *allocate(size_t size, bool is_cleared)
{
    struct block *block;

    if (must_fail() || size > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    block = malloc(sizeof(*block) + size);
    if (!block) {
        return NULL;
    }
    *block = (struct block){.next = blocks.next, .previous = &blocks, .size = size};
    blocks.next->previous = block;
    blocks.next = block;
    sim.live_blocks++;
    /* what is not cleared must not look cleared either, nor differ from run to run */
    memset(block + 1, is_cleared ? 0 : 0xA5, size);
    return block + 1;
}

void *sim_malloc(size_t size)
{
    return allocate(size, false);
}

void *sim_calloc(size_t n, size_t size)
{
    return size && n > SIZE_MAX / 2 / size ? NULL : allocate(n * size, true);
}

void sim_free(void *memory)
{
    struct block *block = memory;

    if (!memory) {
        return;
    }
    block--;
    block->next->previous = block->previous;
    block->previous->next = block->next;
    sim.live_blocks--;
    free(block);
}

void *sim_realloc(void *memory, size_t size)
{
    struct block *block = memory;
    void *copy = allocate(size, false);

    if (copy && memory) {
        block--;
        memcpy(copy, memory, block->size < size ? block->size : size);
        sim_free(memory);
    }
    return copy;
}

void *sim_reallocarray(void *memory, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / 2 / size) {
        errno = ENOMEM;
        return NULL;
    }
    return sim_realloc(memory, n * size);
}

char *sim_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = allocate(size, false);

    return copy ? memcpy(copy, text, size) : NULL;
}

void sim_heap_reset(void)
{
    while (blocks.next != &blocks) {
        sim_free(blocks.next + 1);
    }
    sim.live_blocks = 0;
}
