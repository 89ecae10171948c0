/* Generated from client_connect.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
/* From the wish to talk to a service to a socket that leads to its backend. */
#define client_connect_S_starting 1
#define client_connect_S_skipping 2
#define client_connect_S_dialing 3
#define client_connect_S_queueing 4
#define client_connect_S_asking 5
#define client_connect_S_pausing 6
#define client_connect_S_redialing 7
#define client_connect_S_backlogged 8
#define client_connect_S_connected 9
#define client_connect_S_failed 10
#define client_connect_S_ended 11
#define client_connect_E_close 1
#define client_connect_E_budget 2
#define client_connect_E_crowded 3
#define client_connect_E_pause 4
#define client_connect_E_skip_hello 5
#define client_connect_E_ask_broker 6
#define client_connect_E_cached_up 7
#define client_connect_E_cached_down 8
#define client_connect_E_broker_up 9
#define client_connect_E_broker_full 10
#define client_connect_E_broker_down 11
#define client_connect_E_negotiated 12
#define client_connect_E_refused 13
#define client_connect_E_hello_failed 14
#define client_connect_E_backend_up 15
#define client_connect_E_backend_full 16
#define client_connect_E_backend_down 17
#define client_connect_W_choose_way 1
#define client_connect_W_dial_cached 2
#define client_connect_W_dial_broker 3
#define client_connect_W_say_hello 4
#define client_connect_W_dial_backend 5
#define client_connect_take_backend_hello_skip 0
#define client_connect_take_backend_negotiated 1

#ifndef client_connect_N
#define client_connect_N 1
#endif
#ifndef client_connect_busy
#define client_connect_busy fsm_busy
#endif

byte client_connect_st[client_connect_N]; /* state, 0: not born */
byte client_connect_wk[client_connect_N]; /* unfinished work, 0: none */
byte client_connect_out[client_connect_N]; /* returned outcome, 0: none */
chan client_connect_q[client_connect_N] = [4] of { byte }; /* raised events */
byte client_connect_e; /* the event of the step under way */

#define client_connect_alive(i) (client_connect_st[i] != 0 && client_connect_st[i] <= 8)
#ifndef OWN_client_connect_choose_way
inline client_connect_choose_way(i) { client_connect_wk[i] = client_connect_W_choose_way }
#endif
#ifndef OWN_client_connect_dial_cached
inline client_connect_dial_cached(i) { client_connect_wk[i] = client_connect_W_dial_cached }
#endif
#ifndef OWN_client_connect_dial_broker
inline client_connect_dial_broker(i) { client_connect_wk[i] = client_connect_W_dial_broker }
#endif
#ifndef OWN_client_connect_say_hello
inline client_connect_say_hello(i) { client_connect_wk[i] = client_connect_W_say_hello }
#endif
#ifndef OWN_client_connect_dial_backend
inline client_connect_dial_backend(i) { client_connect_wk[i] = client_connect_W_dial_backend }
#endif
#ifndef OWN_client_connect_time_out
inline client_connect_time_out(i) { skip }
#endif
#ifndef OWN_client_connect_take_backend
inline client_connect_take_backend(i, x) { skip }
#endif
#ifndef client_connect_worth_retry
#define client_connect_worth_retry(i) true
#define client_connect_not_worth_retry(i) true
#endif
#ifndef OWN_client_connect_close_broker
inline client_connect_close_broker(i) { skip }
#endif
#ifndef OWN_client_connect_count_retry
inline client_connect_count_retry(i) { skip }
#endif

inline client_connect_raise(i, e) {
    if
    :: client_connect_alive(i) -> assert(len(client_connect_q[i]) < 4); client_connect_q[i]!e; client_connect_busy++
    :: !client_connect_alive(i)
    fi
}
inline client_connect_outside(i, e) {
    atomic { client_connect_busy == 0; client_connect_raise(i, e) }
}
inline client_connect_yield(i, e) {
    assert(client_connect_out[i] == 0); client_connect_out[i] = e; client_connect_busy++
}
inline client_connect_drop(i) { /* a final state: what is queued or under way is dropped */
    do
    :: len(client_connect_q[i]) > 0 -> client_connect_q[i]?client_connect_e; client_connect_busy--
    :: else -> break
    od;
    client_connect_wk[i] = 0
}
inline client_connect_start(i) {
    assert(!client_connect_alive(i)); client_connect_st[i] = client_connect_S_starting; client_connect_wk[i] = 0; client_connect_choose_way(i)
}

inline client_connect_step(i) {
    if
    :: client_connect_st[i] == client_connect_S_starting ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_skip_hello -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_skipping; client_connect_wk[i] = 0; client_connect_dial_cached(i)
        :: client_connect_e == client_connect_E_ask_broker -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_dialing; client_connect_wk[i] = 0; client_connect_dial_broker(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: client_connect_st[i] == client_connect_S_skipping ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_budget -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_time_out(i); client_connect_drop(i)
        :: client_connect_e == client_connect_E_cached_up -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_connected; client_connect_take_backend(i, client_connect_take_backend_hello_skip); client_connect_drop(i)
        :: client_connect_e == client_connect_E_cached_down -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_dialing; client_connect_wk[i] = 0; client_connect_dial_broker(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: client_connect_st[i] == client_connect_S_dialing ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_budget -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_time_out(i); client_connect_drop(i)
        :: client_connect_e == client_connect_E_broker_up -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_asking; client_connect_wk[i] = 0; client_connect_say_hello(i)
        :: client_connect_e == client_connect_E_broker_full -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_queueing
        :: client_connect_e == client_connect_E_broker_down -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: client_connect_st[i] == client_connect_S_queueing ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_budget -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_time_out(i); client_connect_drop(i)
        :: client_connect_e == client_connect_E_crowded -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_dialing; client_connect_wk[i] = 0; client_connect_dial_broker(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: client_connect_st[i] == client_connect_S_asking ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_budget -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_time_out(i); client_connect_drop(i)
        :: client_connect_e == client_connect_E_negotiated -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_redialing; client_connect_wk[i] = 0; client_connect_dial_backend(i)
        :: client_connect_e == client_connect_E_refused ->
            if
            :: client_connect_worth_retry(i) -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_pausing; client_connect_close_broker(i); client_connect_count_retry(i)
            :: client_connect_not_worth_retry(i) -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_drop(i)
            fi
        :: client_connect_e == client_connect_E_hello_failed -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: client_connect_st[i] == client_connect_S_pausing ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_budget -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_time_out(i); client_connect_drop(i)
        :: client_connect_e == client_connect_E_pause -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_dialing; client_connect_wk[i] = 0; client_connect_dial_broker(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: client_connect_st[i] == client_connect_S_redialing ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_budget -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_time_out(i); client_connect_drop(i)
        :: client_connect_e == client_connect_E_backend_up -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_connected; client_connect_take_backend(i, client_connect_take_backend_negotiated); client_connect_drop(i)
        :: client_connect_e == client_connect_E_backend_full -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_backlogged
        :: client_connect_e == client_connect_E_backend_down -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: client_connect_st[i] == client_connect_S_backlogged ->
        if
        :: client_connect_e == client_connect_E_close -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_ended; client_connect_drop(i)
        :: client_connect_e == client_connect_E_budget -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_failed; client_connect_time_out(i); client_connect_drop(i)
        :: client_connect_e == client_connect_E_crowded -> client_connect_wk[i] = 0; client_connect_st[i] = client_connect_S_redialing; client_connect_wk[i] = 0; client_connect_dial_backend(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: else -> assert(false) /* not alive */
    fi;
    client_connect_e = 0
}

#define client_connect_quiet(i) (client_connect_busy == 0 && client_connect_alive(i))
inline client_connect_turn(i) {
    atomic {
        if
        :: client_connect_out[i] != 0 -> client_connect_e = client_connect_out[i]; client_connect_out[i] = 0; client_connect_wk[i] = 0; client_connect_busy--
        :: client_connect_out[i] == 0 && len(client_connect_q[i]) > 0 -> client_connect_q[i]?client_connect_e; client_connect_busy--
        :: client_connect_quiet(i) && (client_connect_st[i] == client_connect_S_skipping || client_connect_st[i] == client_connect_S_dialing || client_connect_st[i] == client_connect_S_queueing || client_connect_st[i] == client_connect_S_asking || client_connect_st[i] == client_connect_S_pausing || client_connect_st[i] == client_connect_S_redialing || client_connect_st[i] == client_connect_S_backlogged) -> client_connect_e = client_connect_E_budget
        :: client_connect_quiet(i) && (client_connect_st[i] == client_connect_S_queueing || client_connect_st[i] == client_connect_S_backlogged) -> client_connect_e = client_connect_E_crowded
        :: client_connect_quiet(i) && (client_connect_st[i] == client_connect_S_pausing) -> client_connect_e = client_connect_E_pause
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_choose_way -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_skip_hello
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_choose_way -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_ask_broker
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_cached -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_cached_up
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_cached -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_cached_down
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_broker -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_broker_up
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_broker -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_broker_full
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_broker -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_broker_down
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_say_hello -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_negotiated
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_say_hello -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_refused
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_say_hello -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_hello_failed
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_backend -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_backend_up
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_backend -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_backend_full
        :: client_connect_quiet(i) && client_connect_wk[i] == client_connect_W_dial_backend -> client_connect_wk[i] = 0; client_connect_e = client_connect_E_backend_down
        fi;
        client_connect_step(i)
    }
}
