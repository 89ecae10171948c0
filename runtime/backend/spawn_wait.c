/* SPDX-License-Identifier: MIT */

/* Two short tables. What ends the waiting (an answer, an exit, the ceiling) are events of the launch machine. */

#include "backend/spawn_wait.h"

nsec_t spawn_wait_pause(nsec_t elapsed_nsec, nsec_t ceiling_nsec, uint32_t attempt)
{
    static const uint32_t pauses_ms[] = {50, 100, 200, 500, 1000, 2000};
    nsec_t pause_nsec = nsec_from_msec(pauses_ms[attempt < 5 ? attempt : 5]);

    if (elapsed_nsec >= ceiling_nsec) {
        return 0;
    }
    return pause_nsec < ceiling_nsec - elapsed_nsec ? pause_nsec : ceiling_nsec - elapsed_nsec;
}

nsec_t spawn_wait_text_busy(uint32_t attempt)
{
    static const uint32_t pauses_ms[] = {1, 4, 16, 64, 256};

    return nsec_from_msec(pauses_ms[attempt < 4 ? attempt : 4]);
}
