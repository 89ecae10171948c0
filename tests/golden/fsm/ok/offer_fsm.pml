/* Generated from offer.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
/* A backend takes the client's socket over, or the client is told at once to dial for itself. */
#define offer_S_passing 1
#define offer_S_waiting 2
#define offer_S_readying 3
#define offer_S_done 4
#define offer_S_fallback 5
#define offer_S_revoked 6
#define offer_E_ack 1
#define offer_E_nack 2
#define offer_E_hang_up 3
#define offer_E_closed 4
#define offer_E_send_limit 5
#define offer_E_ack_limit 6
#define offer_E_offered 7
#define offer_E_partial 8
#define offer_E_refused 9
#define offer_E_ready_sent 10
#define offer_E_ready_blocked 11
#define offer_W_pass_offer 1
#define offer_W_send_ready 2
#define offer_count_broken 0
#define offer_count_refused 1
#define offer_count_no_channel 2
#define offer_count_too_late 3
#define offer_count_no_ack 4

#ifndef offer_N
#define offer_N 1
#endif
#ifndef offer_busy
#define offer_busy fsm_busy
#endif

byte offer_st[offer_N]; /* state, 0: not born */
byte offer_wk[offer_N]; /* unfinished work, 0: none */
byte offer_out[offer_N]; /* returned outcome, 0: none */
chan offer_q[offer_N] = [4] of { byte }; /* raised events */
byte offer_e; /* the event of the step under way */

#define offer_alive(i) (offer_st[i] != 0 && offer_st[i] <= 3)
#ifndef OWN_offer_pass_offer
inline offer_pass_offer(i) { offer_wk[i] = offer_W_pass_offer }
#endif
#ifndef OWN_offer_send_ready
inline offer_send_ready(i) { offer_wk[i] = offer_W_send_ready }
#endif
#ifndef OWN_offer_count
inline offer_count(i, x) { skip }
#endif
#ifndef OWN_offer_close_channel
inline offer_close_channel(i) { skip }
#endif
#ifndef OWN_offer_revoke_token
inline offer_revoke_token(i) { skip }
#endif
#ifndef OWN_offer_kill_client
inline offer_kill_client(i) { skip }
#endif
#ifndef offer_retried
#define offer_retried(i) true
#define offer_not_retried(i) true
#endif
#ifndef OWN_offer_close_client
inline offer_close_client(i) { skip }
#endif
#ifndef offer_pool_empty
#define offer_pool_empty(i) true
#define offer_not_pool_empty(i) true
#endif
#ifndef OWN_offer_take_next_channel
inline offer_take_next_channel(i) { skip }
#endif
#ifndef OWN_offer_consume_token
inline offer_consume_token(i) { skip }
#endif

inline offer_raise(i, e) {
    if
    :: offer_alive(i) -> assert(len(offer_q[i]) < 4); offer_q[i]!e; offer_busy++
    :: !offer_alive(i)
    fi
}
inline offer_outside(i, e) {
    atomic { offer_busy == 0; offer_raise(i, e) }
}
inline offer_yield(i, e) {
    assert(offer_out[i] == 0); offer_out[i] = e; offer_busy++
}
inline offer_drop(i) { /* a final state: what is queued or under way is dropped */
    do
    :: len(offer_q[i]) > 0 -> offer_q[i]?offer_e; offer_busy--
    :: else -> break
    od;
    offer_wk[i] = 0
}
inline offer_start(i) {
    assert(!offer_alive(i)); offer_st[i] = offer_S_passing; offer_wk[i] = 0; offer_pass_offer(i)
}

inline offer_step(i) {
    if
    :: offer_st[i] == offer_S_passing ->
        if
        :: offer_e == offer_E_ack -> skip
        :: offer_e == offer_E_nack -> skip
        :: offer_e == offer_E_hang_up -> offer_wk[i] = 0; offer_st[i] = offer_S_fallback; offer_count(i, offer_count_too_late); offer_revoke_token(i); offer_close_client(i); offer_drop(i)
        :: offer_e == offer_E_closed -> assert(false) /* never */
        :: offer_e == offer_E_send_limit -> offer_wk[i] = 0; offer_st[i] = offer_S_fallback; offer_count(i, offer_count_too_late); offer_revoke_token(i); offer_close_client(i); offer_drop(i)
        :: offer_e == offer_E_offered -> offer_wk[i] = 0; offer_st[i] = offer_S_waiting
        :: offer_e == offer_E_partial -> offer_wk[i] = 0; offer_st[i] = offer_S_revoked; offer_count(i, offer_count_broken); offer_close_channel(i); offer_revoke_token(i); offer_kill_client(i); offer_drop(i)
        :: offer_e == offer_E_refused ->
            if
            :: offer_retried(i) -> offer_wk[i] = 0; offer_st[i] = offer_S_fallback; offer_count(i, offer_count_refused); offer_revoke_token(i); offer_close_client(i); offer_drop(i)
            :: offer_not_retried(i) && offer_pool_empty(i) -> offer_wk[i] = 0; offer_st[i] = offer_S_fallback; offer_count(i, offer_count_no_channel); offer_revoke_token(i); offer_close_client(i); offer_drop(i)
            :: offer_not_retried(i) && offer_not_pool_empty(i) -> skip; offer_take_next_channel(i); offer_wk[i] = 0; offer_pass_offer(i)
            fi
        :: else -> assert(false) /* cannot happen */
        fi
    :: offer_st[i] == offer_S_waiting ->
        if
        :: offer_e == offer_E_ack -> offer_wk[i] = 0; offer_st[i] = offer_S_readying; offer_consume_token(i); offer_wk[i] = 0; offer_send_ready(i)
        :: offer_e == offer_E_nack -> offer_wk[i] = 0; offer_st[i] = offer_S_revoked; offer_count(i, offer_count_no_ack); offer_close_channel(i); offer_revoke_token(i); offer_kill_client(i); offer_drop(i)
        :: offer_e == offer_E_hang_up -> skip
        :: offer_e == offer_E_closed -> offer_wk[i] = 0; offer_st[i] = offer_S_revoked; offer_count(i, offer_count_no_ack); offer_close_channel(i); offer_revoke_token(i); offer_kill_client(i); offer_drop(i)
        :: offer_e == offer_E_ack_limit -> offer_wk[i] = 0; offer_st[i] = offer_S_revoked; offer_count(i, offer_count_no_ack); offer_close_channel(i); offer_revoke_token(i); offer_kill_client(i); offer_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: offer_st[i] == offer_S_readying ->
        if
        :: offer_e == offer_E_ack -> skip
        :: offer_e == offer_E_nack -> skip
        :: offer_e == offer_E_hang_up -> skip
        :: offer_e == offer_E_closed -> skip
        :: offer_e == offer_E_ready_sent -> offer_wk[i] = 0; offer_st[i] = offer_S_done; offer_close_client(i); offer_drop(i)
        :: offer_e == offer_E_ready_blocked -> offer_wk[i] = 0; offer_st[i] = offer_S_revoked; offer_close_channel(i); offer_kill_client(i); offer_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: else -> assert(false) /* not alive */
    fi;
    offer_e = 0
}

#define offer_quiet(i) (offer_busy == 0 && offer_alive(i))
inline offer_turn(i) {
    atomic {
        if
        :: offer_out[i] != 0 -> offer_e = offer_out[i]; offer_out[i] = 0; offer_wk[i] = 0; offer_busy--
        :: offer_out[i] == 0 && len(offer_q[i]) > 0 -> offer_q[i]?offer_e; offer_busy--
        :: offer_quiet(i) && (offer_st[i] == offer_S_passing) -> offer_e = offer_E_send_limit
        :: offer_quiet(i) && (offer_st[i] == offer_S_waiting) -> offer_e = offer_E_ack_limit
        :: offer_quiet(i) && offer_wk[i] == offer_W_pass_offer -> offer_wk[i] = 0; offer_e = offer_E_offered
        :: offer_quiet(i) && offer_wk[i] == offer_W_pass_offer -> offer_wk[i] = 0; offer_e = offer_E_partial
        :: offer_quiet(i) && offer_wk[i] == offer_W_pass_offer -> offer_wk[i] = 0; offer_e = offer_E_refused
        :: offer_quiet(i) && offer_wk[i] == offer_W_send_ready -> offer_wk[i] = 0; offer_e = offer_E_ready_sent
        :: offer_quiet(i) && offer_wk[i] == offer_W_send_ready -> offer_wk[i] = 0; offer_e = offer_E_ready_blocked
        fi;
        offer_step(i)
    }
}
