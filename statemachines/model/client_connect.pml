/* SPDX-License-Identifier: MIT */
/*
 * Closed model of one connect call: a broker that is there or not, full, slow for ever, hangs up, agrees, or refuses with
 * a hint or without; a backend that is there, full or gone; an endpoint of an earlier call that may lead nowhere; a
 * deadline that may come at any moment; a caller who may give up at any moment. Hand-written, around the generated
 * machine. Checked: the call ends exactly once, and nothing is done after that; the deadline ends it wherever it comes;
 * then the sockets are closed, but for the one that was asked for, and no other ever had its place taken while open; a
 * failure has its own reason; only a refusal that brings a hint is repeated, no more often than allowed and only after
 * the wait; a full backlog is waited for, and who is gone is not asked again; the way that is told is the way that was
 * taken. What the model cannot see: how long anything takes (pauses end when they like), and what the C of an action does
 * beyond the lines below.
 */
#ifndef RETRIES
#define RETRIES 2
#endif
#define client_connect_N 1
byte fsm_busy;

/* open sockets */
bool broker, backend;

/* how the backend's was found */
#define UNTOLD 0
#define BY_CACHE 1
#define BY_BROKER 2
byte way, told;

/* what the call knows */
bool reason;              /* of a failure is written down */
bool hint;                /* in the refusal that came last */
byte retries = RETRIES, hellos;
bool said;                /* Hello, and no answer has come */
bool must_pause, must_queue, is_gone; /* before the next dialling */
bool late;                /* the deadline has passed */
bool gave_up;
bool over;                /* the owner has been told */
byte ends;

#define OWN_client_connect_choose_way
#define OWN_client_connect_dial_cached
#define OWN_client_connect_dial_broker
#define OWN_client_connect_say_hello
#define OWN_client_connect_dial_backend
#define OWN_client_connect_time_out
#define OWN_client_connect_take_backend
#define OWN_client_connect_close_broker
#define OWN_client_connect_count_retry
#define client_connect_worth_retry(i) (hint && retries > 0)
#define client_connect_not_worth_retry(i) (!hint || retries == 0)
#include "client_connect_fsm.pml"

/* Dialling ends at once; who has waited says so by the timer that brought him here. */
inline dial() {
    assert(!over && !is_gone);
    assert(!must_pause || client_connect_e == client_connect_E_pause);
    assert(!must_queue || client_connect_e == client_connect_E_crowded);
    must_pause = false; must_queue = false; reason = false
}
inline client_connect_choose_way(i) {
    if :: client_connect_yield(i, client_connect_E_skip_hello) :: client_connect_yield(i, client_connect_E_ask_broker) fi
}
inline client_connect_dial_cached(i) {
    dial();
    if
    :: assert(!backend); backend = true; way = BY_CACHE; client_connect_yield(i, client_connect_E_cached_up)
    :: client_connect_yield(i, client_connect_E_cached_down)
    fi
}
inline client_connect_dial_broker(i) {
    dial();
    if
    :: assert(!broker); broker = true; client_connect_yield(i, client_connect_E_broker_up)
    :: must_queue = true; client_connect_yield(i, client_connect_E_broker_full)
    :: is_gone = true; reason = true; client_connect_yield(i, client_connect_E_broker_down)
    fi
}
/* The answer is left to the broker, which may never give one; sending may fail at once. */
inline client_connect_say_hello(i) {
    assert(!over && broker && hellos <= RETRIES);
    hellos++;
    hint = false;
    if
    :: said = true
    :: reason = true; is_gone = true; client_connect_yield(i, client_connect_E_hello_failed)
    fi
}
inline client_connect_dial_backend(i) {
    dial();
    assert(way == BY_BROKER);
    if
    :: assert(!backend); backend = true; client_connect_yield(i, client_connect_E_backend_up)
    :: must_queue = true; client_connect_yield(i, client_connect_E_backend_full)
    :: is_gone = true; reason = true; client_connect_yield(i, client_connect_E_backend_down)
    fi
}
inline client_connect_time_out(i)        { assert(!over); reason = true }
inline client_connect_take_backend(i, x) {
    assert(!over && backend && told == UNTOLD);
    if
    :: x == client_connect_take_backend_hello_skip -> told = BY_CACHE
    :: x == client_connect_take_backend_negotiated -> told = BY_BROKER
    fi
}
inline client_connect_close_broker(i)    { assert(!over && broker); broker = false }
inline client_connect_count_retry(i)     { assert(!over && hint && retries > 0); retries--; must_pause = true }

#define is(s) (client_connect_st[0] == client_connect_S_##s)
#define tell(e) client_connect_raise(0, client_connect_E_##e)
#define alive client_connect_alive(0)
#define quiet (fsm_busy == 0 && alive)
#define asks (quiet && !late && is(asking) && said)

/* The call of `ended` that follows the step into a final state, and all that its owner sees. */
inline end_it() {
    over = true;
    ends++;
    assert(ends == 1);
    broker = false;
    if :: !is(connected) -> backend = false :: else fi
}

/* After the deadline nothing happens but what is under way, and its timer, wherever it finds the machine. */
proctype Connect()
{
end_connect:
    do
    :: atomic {
            fsm_busy > 0 || (alive && !late) -> client_connect_turn(0);
            if :: !alive && !over -> end_it() :: else fi;
            assert(!gave_up || !quiet)
        }
    :: atomic { quiet && !late && !is(starting) -> late = true; tell(budget) }
    od
}

/* The answer; a broker that is gone or slow gives none. */
proctype Broker()
{
end_broker:
    do
    :: atomic { asks -> said = false; way = BY_BROKER; tell(negotiated) }
    :: atomic { asks -> said = false; reason = true; if :: hint = true :: skip fi; tell(refused) }
    :: atomic { asks -> said = false; reason = true; is_gone = true; tell(hello_failed) }
    od
}

proctype Caller()
{
end_caller:
    atomic { fsm_busy < 2 && !over && client_connect_st[0] != 0 -> gave_up = true; tell(close) }
}

#define failed_right (reason && !backend)
#define connected_right (backend && told == way && way != UNTOLD)

/* The end, looked at when it has come. */
active proctype Watch()
{
end_watch:
    atomic {
        over -> assert(!broker && fsm_busy == 0);
        assert((is(failed) && failed_right) || (is(connected) && connected_right) || (is(ended) && gave_up && !backend))
    }
}

/* Nothing can happen any more: then it is over, or a broker that is slow for ever has the call, and the deadline will come. */
active proctype Rest()
{
end_rest:
    atomic { timeout -> assert(over) }
}

init
{
    atomic {
        client_connect_start(0);
        run Connect();
        run Broker();
        run Caller()
    }
}
