/* Generated from connection.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
/* One request, one reply, close; every close has one reason. */
#define connection_S_checking 1
#define connection_S_reading 2
#define connection_S_routing 3
#define connection_S_waiting 4
#define connection_S_writing 5
#define connection_S_lingering 6
#define connection_S_closed 7
#define connection_E_hang_up 1
#define connection_E_answered 2
#define connection_E_evicted 3
#define connection_E_cut_off 4
#define connection_E_deadline 5
#define connection_E_patience 6
#define connection_E_stall 7
#define connection_E_linger 8
#define connection_E_welcome 9
#define connection_E_unwelcome 10
#define connection_E_unknown 11
#define connection_E_crowded 12
#define connection_E_starved 13
#define connection_E_complete 14
#define connection_E_malformed 15
#define connection_E_empty 16
#define connection_E_replied 17
#define connection_E_must_wait 18
#define connection_E_unanswerable 19
#define connection_E_written 20
#define connection_E_lost 21
#define connection_E_quiet 22
#define connection_W_check_peer 1
#define connection_W_read_frame 2
#define connection_W_route 3
#define connection_W_write_reply 4
#define connection_W_discard 5
#define connection_close_shutdown 0
#define connection_close_peer_policy 1
#define connection_close_peer_unknown 2
#define connection_close_peer_cap 3
#define connection_close_memory 4
#define connection_close_probe 5
#define connection_close_deadline 6
#define connection_close_evicted 7
#define connection_close_bad_admin 8
#define connection_close_lost 9
#define connection_close_done 10
#define connection_close_stalled 11
#define connection_close_refused 12
#define connection_refuse_malformed 0
#define connection_refuse_in_progress 1

#ifndef connection_N
#define connection_N 1
#endif
#ifndef connection_busy
#define connection_busy fsm_busy
#endif

byte connection_st[connection_N]; /* state, 0: not born */
byte connection_wk[connection_N]; /* unfinished work, 0: none */
byte connection_out[connection_N]; /* returned outcome, 0: none */
chan connection_q[connection_N] = [4] of { byte }; /* raised events */
byte connection_e; /* the event of the step under way */

#define connection_alive(i) (connection_st[i] != 0 && connection_st[i] <= 6)
#ifndef OWN_connection_check_peer
inline connection_check_peer(i) { connection_wk[i] = connection_W_check_peer }
#endif
#ifndef OWN_connection_read_frame
inline connection_read_frame(i) { connection_wk[i] = connection_W_read_frame }
#endif
#ifndef OWN_connection_route
inline connection_route(i) { connection_wk[i] = connection_W_route }
#endif
#ifndef OWN_connection_write_reply
inline connection_write_reply(i) { connection_wk[i] = connection_W_write_reply }
#endif
#ifndef OWN_connection_discard
inline connection_discard(i) { connection_wk[i] = connection_W_discard }
#endif
#ifndef OWN_connection_close
inline connection_close(i, x) { skip }
#endif
#ifndef OWN_connection_refuse
inline connection_refuse(i, x) { skip }
#endif
#ifndef OWN_connection_leave_waiters
inline connection_leave_waiters(i) { skip }
#endif
#ifndef connection_input_left
#define connection_input_left(i) true
#define connection_not_input_left(i) true
#endif
#ifndef connection_shutdown_asked
#define connection_shutdown_asked(i) true
#define connection_not_shutdown_asked(i) true
#endif
#ifndef OWN_connection_tell_broker
inline connection_tell_broker(i) { skip }
#endif
#ifndef connection_was_taking
#define connection_was_taking(i) true
#define connection_not_was_taking(i) true
#endif

inline connection_raise(i, e) {
    if
    :: connection_alive(i) -> assert(len(connection_q[i]) < 4); connection_q[i]!e; connection_busy++
    :: !connection_alive(i)
    fi
}
inline connection_outside(i, e) {
    atomic { connection_busy == 0; connection_raise(i, e) }
}
inline connection_yield(i, e) {
    assert(connection_out[i] == 0); connection_out[i] = e; connection_busy++
}
inline connection_drop(i) { /* a final state: what is queued or under way is dropped */
    do
    :: len(connection_q[i]) > 0 -> connection_q[i]?connection_e; connection_busy--
    :: else -> break
    od;
    connection_wk[i] = 0
}
inline connection_start(i) {
    assert(!connection_alive(i)); connection_st[i] = connection_S_checking; connection_wk[i] = 0; connection_check_peer(i)
}

inline connection_step(i) {
    if
    :: connection_st[i] == connection_S_checking ->
        if
        :: connection_e == connection_E_hang_up -> skip
        :: connection_e == connection_E_answered -> assert(false) /* never */
        :: connection_e == connection_E_evicted -> assert(false) /* never */
        :: connection_e == connection_E_cut_off -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_shutdown); connection_drop(i)
        :: connection_e == connection_E_welcome -> connection_wk[i] = 0; connection_st[i] = connection_S_reading; connection_wk[i] = 0; connection_read_frame(i)
        :: connection_e == connection_E_unwelcome -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_peer_policy); connection_drop(i)
        :: connection_e == connection_E_unknown -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_peer_unknown); connection_drop(i)
        :: connection_e == connection_E_crowded -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_peer_cap); connection_drop(i)
        :: connection_e == connection_E_starved -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_memory); connection_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: connection_st[i] == connection_S_reading ->
        if
        :: connection_e == connection_E_hang_up -> skip
        :: connection_e == connection_E_answered -> assert(false) /* never */
        :: connection_e == connection_E_evicted -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_evicted); connection_drop(i)
        :: connection_e == connection_E_cut_off -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_shutdown); connection_drop(i)
        :: connection_e == connection_E_deadline -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_deadline); connection_drop(i)
        :: connection_e == connection_E_starved -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_memory); connection_drop(i)
        :: connection_e == connection_E_complete -> connection_wk[i] = 0; connection_st[i] = connection_S_routing; connection_wk[i] = 0; connection_route(i)
        :: connection_e == connection_E_malformed -> connection_wk[i] = 0; connection_st[i] = connection_S_writing; connection_refuse(i, connection_refuse_malformed); connection_wk[i] = 0; connection_write_reply(i)
        :: connection_e == connection_E_empty -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_probe); connection_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: connection_st[i] == connection_S_routing ->
        if
        :: connection_e == connection_E_hang_up -> skip
        :: connection_e == connection_E_answered -> assert(false) /* never */
        :: connection_e == connection_E_evicted -> assert(false) /* never */
        :: connection_e == connection_E_cut_off -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_shutdown); connection_drop(i)
        :: connection_e == connection_E_starved -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_memory); connection_drop(i)
        :: connection_e == connection_E_replied -> connection_wk[i] = 0; connection_st[i] = connection_S_writing; connection_wk[i] = 0; connection_write_reply(i)
        :: connection_e == connection_E_must_wait -> connection_wk[i] = 0; connection_st[i] = connection_S_waiting
        :: connection_e == connection_E_unanswerable -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_bad_admin); connection_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: connection_st[i] == connection_S_waiting ->
        if
        :: connection_e == connection_E_hang_up -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_leave_waiters(i); connection_close(i, connection_close_lost); connection_drop(i)
        :: connection_e == connection_E_answered -> connection_wk[i] = 0; connection_st[i] = connection_S_writing; connection_wk[i] = 0; connection_write_reply(i)
        :: connection_e == connection_E_evicted -> assert(false) /* never */
        :: connection_e == connection_E_cut_off -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_leave_waiters(i); connection_close(i, connection_close_shutdown); connection_drop(i)
        :: connection_e == connection_E_patience -> connection_wk[i] = 0; connection_st[i] = connection_S_writing; connection_leave_waiters(i); connection_refuse(i, connection_refuse_in_progress); connection_wk[i] = 0; connection_write_reply(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: connection_st[i] == connection_S_writing ->
        if
        :: connection_e == connection_E_hang_up -> skip
        :: connection_e == connection_E_answered -> assert(false) /* never */
        :: connection_e == connection_E_evicted -> assert(false) /* never */
        :: connection_e == connection_E_cut_off -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_shutdown); connection_drop(i)
        :: connection_e == connection_E_stall ->
            if
            :: connection_was_taking(i) -> skip
            :: connection_not_was_taking(i) -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_stalled); connection_drop(i)
            fi
        :: connection_e == connection_E_written ->
            if
            :: connection_input_left(i) -> connection_wk[i] = 0; connection_st[i] = connection_S_lingering; connection_wk[i] = 0; connection_discard(i)
            :: connection_not_input_left(i) && connection_shutdown_asked(i) -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_tell_broker(i); connection_close(i, connection_close_done); connection_drop(i)
            :: connection_not_input_left(i) && connection_not_shutdown_asked(i) -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_done); connection_drop(i)
            fi
        :: connection_e == connection_E_lost -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_lost); connection_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: connection_st[i] == connection_S_lingering ->
        if
        :: connection_e == connection_E_hang_up -> skip
        :: connection_e == connection_E_answered -> assert(false) /* never */
        :: connection_e == connection_E_evicted -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_evicted); connection_drop(i)
        :: connection_e == connection_E_cut_off -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_shutdown); connection_drop(i)
        :: connection_e == connection_E_linger -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_refused); connection_drop(i)
        :: connection_e == connection_E_quiet -> connection_wk[i] = 0; connection_st[i] = connection_S_closed; connection_close(i, connection_close_refused); connection_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: else -> assert(false) /* not alive */
    fi;
    connection_e = 0
}

#define connection_quiet(i) (connection_busy == 0 && connection_alive(i))
inline connection_turn(i) {
    atomic {
        if
        :: connection_out[i] != 0 -> connection_e = connection_out[i]; connection_out[i] = 0; connection_wk[i] = 0; connection_busy--
        :: connection_out[i] == 0 && len(connection_q[i]) > 0 -> connection_q[i]?connection_e; connection_busy--
        :: connection_quiet(i) && (connection_st[i] == connection_S_reading) -> connection_e = connection_E_deadline
        :: connection_quiet(i) && (connection_st[i] == connection_S_waiting) -> connection_e = connection_E_patience
        :: connection_quiet(i) && (connection_st[i] == connection_S_writing) -> connection_e = connection_E_stall
        :: connection_quiet(i) && (connection_st[i] == connection_S_lingering) -> connection_e = connection_E_linger
        :: connection_quiet(i) && connection_wk[i] == connection_W_check_peer -> connection_wk[i] = 0; connection_e = connection_E_welcome
        :: connection_quiet(i) && connection_wk[i] == connection_W_check_peer -> connection_wk[i] = 0; connection_e = connection_E_unwelcome
        :: connection_quiet(i) && connection_wk[i] == connection_W_check_peer -> connection_wk[i] = 0; connection_e = connection_E_unknown
        :: connection_quiet(i) && connection_wk[i] == connection_W_check_peer -> connection_wk[i] = 0; connection_e = connection_E_crowded
        :: connection_quiet(i) && connection_wk[i] == connection_W_check_peer -> connection_wk[i] = 0; connection_e = connection_E_starved
        :: connection_quiet(i) && connection_wk[i] == connection_W_read_frame -> connection_wk[i] = 0; connection_e = connection_E_starved
        :: connection_quiet(i) && connection_wk[i] == connection_W_read_frame -> connection_wk[i] = 0; connection_e = connection_E_complete
        :: connection_quiet(i) && connection_wk[i] == connection_W_read_frame -> connection_wk[i] = 0; connection_e = connection_E_malformed
        :: connection_quiet(i) && connection_wk[i] == connection_W_read_frame -> connection_wk[i] = 0; connection_e = connection_E_empty
        :: connection_quiet(i) && connection_wk[i] == connection_W_route -> connection_wk[i] = 0; connection_e = connection_E_starved
        :: connection_quiet(i) && connection_wk[i] == connection_W_route -> connection_wk[i] = 0; connection_e = connection_E_replied
        :: connection_quiet(i) && connection_wk[i] == connection_W_route -> connection_wk[i] = 0; connection_e = connection_E_must_wait
        :: connection_quiet(i) && connection_wk[i] == connection_W_route -> connection_wk[i] = 0; connection_e = connection_E_unanswerable
        :: connection_quiet(i) && connection_wk[i] == connection_W_write_reply -> connection_wk[i] = 0; connection_e = connection_E_written
        :: connection_quiet(i) && connection_wk[i] == connection_W_write_reply -> connection_wk[i] = 0; connection_e = connection_E_lost
        :: connection_quiet(i) && connection_wk[i] == connection_W_discard -> connection_wk[i] = 0; connection_e = connection_E_quiet
        fi;
        connection_step(i)
    }
}
