/* SPDX-License-Identifier: MIT */
/*
 * Closed model of one launch: WAITERS clients that join while it is under way and may give up, a broker that cancels, a
 * child that dies at any moment, and everything that the launch takes and has to give back. Hand-written, around the
 * generated machine. Checked: each waiter that stays is answered exactly once; when the launch is over nothing is held
 * (permit, lock, path, socket, listener) and the child is either registered and watched, or reaped, or, once killed,
 * left to the loop's reaper; the outcome is reported exactly once; it never gets stuck. What the model cannot see: time,
 * and what the C of an action does beyond the lines below.
 */
#ifndef WAITERS
#define WAITERS 3
#endif
#define launch_N 1
byte fsm_busy;

/* waiters */
#define IDLE 0
#define WAITING 1
#define ANSWERED 2
#define LEFT 3
byte waiter[WAITERS];

/* what the launch holds */
bool permit, lock, path, socket, listener;
byte reports;

/* the child */
#define NO_CHILD 0
#define LIVES 1
#define DEAD 2            /* and not reaped */
byte child;
bool watched, killed;
bool registered;
byte cancels;             /* that the broker has left */

#define OWN_launch_take_permit
#define OWN_launch_take_lock
#define OWN_launch_resolve_binary
#define OWN_launch_fork_child
#define OWN_launch_register_backend
#define OWN_launch_answer
#define OWN_launch_report
#define OWN_launch_finish
#define OWN_launch_release_lock
#define OWN_launch_release_path
#define OWN_launch_unlink_socket
#define OWN_launch_bind_listener
#define OWN_launch_close_listener
#define OWN_launch_watch_exit
#define OWN_launch_kill_child
#define OWN_launch_reap_child
#define OWN_launch_abandon_child
#include "launch_fsm.pml"

/* Work whose end changes the world ends in World(), or at once where it does not wait for anything. */
inline launch_take_permit(i)     { if :: permit = true; launch_yield(i, launch_E_permitted) :: launch_yield(i, launch_E_no_permit) fi }
inline launch_take_lock(i)       { skip }
inline launch_resolve_binary(i)  { skip }
inline launch_fork_child(i)      { assert(child == NO_CHILD); child = LIVES; watched = false; killed = false }
inline launch_register_backend(i) {
    if
    :: child == LIVES -> registered = true; launch_yield(i, launch_E_registered)
    :: launch_yield(i, launch_E_mismatched)
    :: launch_yield(i, launch_E_unkept)
    :: child == DEAD -> launch_yield(i, launch_E_gone)
    fi
}

inline answer_one(c) { if :: waiter[c] == WAITING -> waiter[c] = ANSWERED :: else fi }
inline launch_answer(i, x) {
    answer_one(0);
#if WAITERS > 1
    answer_one(1);
#endif
#if WAITERS > 2
    answer_one(2)
#endif
}
inline launch_report(i, x)       { reports++; assert(reports == 1) }
inline launch_finish(i, x)       { assert(permit); permit = false }
inline launch_release_lock(i)    { lock = false }
inline launch_release_path(i)    { path = false }
inline launch_bind_listener(i)   { assert(path); if :: socket = true; listener = true :: skip fi }
inline launch_close_listener(i)  { listener = false }
inline launch_unlink_socket(i)   { assert(!registered); socket = false; listener = false }
inline launch_watch_exit(i)      { assert(child != NO_CHILD); watched = true }
inline launch_kill_child(i)      { if :: child == LIVES -> child = DEAD :: else fi; killed = true; watched = true }
inline launch_reap_child(i)      { assert(child == DEAD); child = NO_CHILD; watched = false }
inline launch_abandon_child(i)   { assert(killed); child = NO_CHILD; watched = false }

#define is(s) (launch_st[0] == launch_S_##s)
#define tell(e) launch_raise(0, launch_E_##e)
#define quiet (fsm_busy == 0 && launch_alive(0))

proctype Launch() { end_launch: do :: launch_turn(0) od }

proctype Waiter(byte c)
{
end_waiter:
    do
    :: atomic { quiet && waiter[c] == IDLE -> waiter[c] = WAITING }
    :: atomic { fsm_busy == 0 && waiter[c] == WAITING -> waiter[c] = LEFT }
    od
}

/* Everything else that can happen, one thing at a time. */
proctype World()
{
end_world:
    do
    /* the lock and the endpoint are taken when the work ends well */
    :: atomic { quiet && is(locking) -> lock = true; tell(locked) }
    :: atomic { quiet && is(locking) -> if :: tell(lock_busy) :: tell(lock_failed) fi }
    :: atomic { quiet && is(resolving) -> path = true; tell(resolved) }
    :: atomic { quiet && is(resolving) -> if :: path = true :: skip fi; tell(unresolvable) }
    /* the exec pipe; a child that could not exec is reaped by the work itself */
    :: atomic { quiet && is(forking) -> tell(executed) }
    :: atomic { quiet && is(forking) -> child = NO_CHILD; if :: tell(text_busy) :: tell(exec_failed) fi }
    /* the child dies by itself; its pidfd tells once */
    :: atomic { child == LIVES && !registered -> child = DEAD }
    :: atomic { quiet && child == DEAD && watched -> watched = false; tell(child_exit) }
    :: atomic { quiet && child != NO_CHILD -> tell(stirred) }
    :: atomic { quiet && path -> socket = false; tell(swept) }
    :: atomic { quiet && cancels > 0 -> cancels--; tell(cancel) }
    od
}

#define over (fsm_busy == 0 && launch_st[0] != 0 && !launch_alive(0))
#define nobody_waits (waiter[0] != WAITING && waiter[1 % WAITERS] != WAITING && waiter[2 % WAITERS] != WAITING)
#define nothing_held (!permit && !lock && !listener)
#define no_trace (child == NO_CHILD && !socket && !path && !registered)
#define handed_over (registered && path && child != NO_CHILD && watched)
#define ended_right ((is(up) && handed_over) || ((is(found_up) || is(failed)) && no_trace))

/* The end, looked at when it has come. */
active proctype Watch()
{
end_watch:
    atomic { over -> assert(nobody_waits); assert(nothing_held); assert(ended_right); assert(reports == 1) }
}

/* Nothing can happen any more: then it is over. */
active proctype Rest()
{
end_rest:
    atomic { timeout -> assert(launch_st[0] != 0 && !launch_alive(0)) }
}

init
{
    atomic {
        cancels = 2;
        launch_start(0);
        run Launch();
        run World();
        run Waiter(0);
#if WAITERS > 1
        run Waiter(1);
#endif
#if WAITERS > 2
        run Waiter(2)
#endif
    }
}
