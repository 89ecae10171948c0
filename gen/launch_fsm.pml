/* Generated from launch.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
/* One attempt to bring up the backend of one key; answers every waiter exactly once. */
#define launch_S_asking 1
#define launch_S_locking 2
#define launch_S_rechecking 3
#define launch_S_resolving 4
#define launch_S_forking 5
#define launch_S_exec_waiting 6
#define launch_S_verifying 7
#define launch_S_probing 8
#define launch_S_waiting 9
#define launch_S_registering 10
#define launch_S_reaping 11
#define launch_S_up 12
#define launch_S_found_up 13
#define launch_S_failed 14
#define launch_E_child_exit 1
#define launch_E_cancel 2
#define launch_E_stirred 3
#define launch_E_swept 4
#define launch_E_ceiling 5
#define launch_E_retry_exec 6
#define launch_E_backoff 7
#define launch_E_reap_limit 8
#define launch_E_permitted 9
#define launch_E_no_permit 10
#define launch_E_locked 11
#define launch_E_lock_busy 12
#define launch_E_lock_failed 13
#define launch_E_present 14
#define launch_E_missing 15
#define launch_E_resolved 16
#define launch_E_unresolvable 17
#define launch_E_executed 18
#define launch_E_text_busy 19
#define launch_E_exec_failed 20
#define launch_E_verified 21
#define launch_E_unverified 22
#define launch_E_answered 23
#define launch_E_not_ready 24
#define launch_E_wrong_answer 25
#define launch_E_registered 26
#define launch_E_mismatched 27
#define launch_E_gone 28
#define launch_E_unkept 29
#define launch_W_take_permit 1
#define launch_W_take_lock 2
#define launch_W_look_again 3
#define launch_W_resolve_binary 4
#define launch_W_fork_child 5
#define launch_W_verify_child 6
#define launch_W_probe 7
#define launch_W_register_backend 8
#define launch_answer_no_permit 0
#define launch_answer_shutting_down 1
#define launch_answer_in_progress 2
#define launch_answer_failed 3
#define launch_answer_ready 4
#define launch_answer_timed_out 5
#define launch_answer_swept 6
#define launch_answer_exited_early 7
#define launch_answer_wrong_identity 8
#define launch_answer_mismatch 9
#define launch_report_refused 0
#define launch_report_failed 1
#define launch_report_found 2
#define launch_report_up 3
#define launch_finish_failed 0
#define launch_finish_launched 1

#ifndef launch_N
#define launch_N 1
#endif
#ifndef launch_busy
#define launch_busy fsm_busy
#endif

byte launch_st[launch_N]; /* state, 0: not born */
byte launch_wk[launch_N]; /* unfinished work, 0: none */
byte launch_out[launch_N]; /* returned outcome, 0: none */
chan launch_q[launch_N] = [4] of { byte }; /* raised events */
byte launch_e; /* the event of the step under way */

#define launch_alive(i) (launch_st[i] != 0 && launch_st[i] <= 11)
#ifndef OWN_launch_take_permit
inline launch_take_permit(i) { launch_wk[i] = launch_W_take_permit }
#endif
#ifndef OWN_launch_take_lock
inline launch_take_lock(i) { launch_wk[i] = launch_W_take_lock }
#endif
#ifndef OWN_launch_look_again
inline launch_look_again(i) { launch_wk[i] = launch_W_look_again }
#endif
#ifndef OWN_launch_resolve_binary
inline launch_resolve_binary(i) { launch_wk[i] = launch_W_resolve_binary }
#endif
#ifndef OWN_launch_fork_child
inline launch_fork_child(i) { launch_wk[i] = launch_W_fork_child }
#endif
#ifndef OWN_launch_verify_child
inline launch_verify_child(i) { launch_wk[i] = launch_W_verify_child }
#endif
#ifndef OWN_launch_probe
inline launch_probe(i) { launch_wk[i] = launch_W_probe }
#endif
#ifndef OWN_launch_register_backend
inline launch_register_backend(i) { launch_wk[i] = launch_W_register_backend }
#endif
#ifndef OWN_launch_answer
inline launch_answer(i, x) { skip }
#endif
#ifndef OWN_launch_report
inline launch_report(i, x) { skip }
#endif
#ifndef OWN_launch_finish
inline launch_finish(i, x) { skip }
#endif
#ifndef OWN_launch_refund_permit
inline launch_refund_permit(i) { skip }
#endif
#ifndef OWN_launch_release_lock
inline launch_release_lock(i) { skip }
#endif
#ifndef OWN_launch_bind_listener
inline launch_bind_listener(i) { skip }
#endif
#ifndef OWN_launch_unlink_socket
inline launch_unlink_socket(i) { skip }
#endif
#ifndef OWN_launch_release_path
inline launch_release_path(i) { skip }
#endif
#ifndef OWN_launch_watch_exit
inline launch_watch_exit(i) { skip }
#endif
#ifndef launch_retries_left
#define launch_retries_left(i) true
#define launch_not_retries_left(i) true
#endif
#ifndef OWN_launch_kill_child
inline launch_kill_child(i) { skip }
#endif
#ifndef OWN_launch_reap_child
inline launch_reap_child(i) { skip }
#endif
#ifndef OWN_launch_count_attempt
inline launch_count_attempt(i) { skip }
#endif
#ifndef OWN_launch_close_listener
inline launch_close_listener(i) { skip }
#endif
#ifndef OWN_launch_abandon_child
inline launch_abandon_child(i) { skip }
#endif

inline launch_raise(i, e) {
    if
    :: launch_alive(i) -> assert(len(launch_q[i]) < 4); launch_q[i]!e; launch_busy++
    :: !launch_alive(i)
    fi
}
inline launch_outside(i, e) {
    atomic { launch_busy == 0; launch_raise(i, e) }
}
inline launch_yield(i, e) {
    assert(launch_out[i] == 0); launch_out[i] = e; launch_busy++
}
inline launch_drop(i) { /* a final state: what is queued or under way is dropped */
    do
    :: len(launch_q[i]) > 0 -> launch_q[i]?launch_e; launch_busy--
    :: else -> break
    od;
    launch_wk[i] = 0
}
inline launch_start(i) {
    assert(!launch_alive(i)); launch_st[i] = launch_S_asking; launch_wk[i] = 0; launch_take_permit(i)
}

inline launch_step(i) {
    if
    :: launch_st[i] == launch_S_asking ->
        if
        :: launch_e == launch_E_child_exit -> skip
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_shutting_down); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> skip
        :: launch_e == launch_E_permitted -> launch_wk[i] = 0; launch_st[i] = launch_S_locking; launch_wk[i] = 0; launch_take_lock(i)
        :: launch_e == launch_E_no_permit -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_no_permit); launch_report(i, launch_report_refused); launch_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_locking ->
        if
        :: launch_e == launch_E_child_exit -> skip
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_shutting_down); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> skip
        :: launch_e == launch_E_locked -> launch_wk[i] = 0; launch_st[i] = launch_S_rechecking; launch_wk[i] = 0; launch_look_again(i)
        :: launch_e == launch_E_lock_busy -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_refund_permit(i); launch_answer(i, launch_answer_in_progress); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_refused); launch_drop(i)
        :: launch_e == launch_E_lock_failed -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_failed); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_rechecking ->
        if
        :: launch_e == launch_E_child_exit -> skip
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_shutting_down); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> skip
        :: launch_e == launch_E_present -> launch_wk[i] = 0; launch_st[i] = launch_S_found_up; launch_refund_permit(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_answer(i, launch_answer_ready); launch_report(i, launch_report_found); launch_drop(i)
        :: launch_e == launch_E_missing -> launch_wk[i] = 0; launch_st[i] = launch_S_resolving; launch_wk[i] = 0; launch_resolve_binary(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_resolving ->
        if
        :: launch_e == launch_E_child_exit -> skip
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_shutting_down); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> skip
        :: launch_e == launch_E_resolved -> launch_wk[i] = 0; launch_st[i] = launch_S_forking; launch_bind_listener(i); launch_wk[i] = 0; launch_fork_child(i)
        :: launch_e == launch_E_unresolvable -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_failed); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_forking ->
        if
        :: launch_e == launch_E_child_exit -> skip
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_shutting_down); launch_kill_child(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_swept); launch_kill_child(i)
        :: launch_e == launch_E_ceiling -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_timed_out); launch_kill_child(i)
        :: launch_e == launch_E_executed -> launch_wk[i] = 0; launch_st[i] = launch_S_verifying; launch_watch_exit(i); launch_wk[i] = 0; launch_verify_child(i)
        :: launch_e == launch_E_text_busy ->
            if
            :: launch_retries_left(i) -> launch_wk[i] = 0; launch_st[i] = launch_S_exec_waiting
            :: launch_not_retries_left(i) -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_failed); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
            fi
        :: launch_e == launch_E_exec_failed -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_failed); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_exec_waiting ->
        if
        :: launch_e == launch_E_child_exit -> skip
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_shutting_down); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_swept); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_retry_exec -> launch_wk[i] = 0; launch_st[i] = launch_S_forking; launch_wk[i] = 0; launch_fork_child(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_verifying ->
        if
        :: launch_e == launch_E_child_exit -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_exited_early); launch_reap_child(i); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_shutting_down); launch_kill_child(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_swept); launch_kill_child(i)
        :: launch_e == launch_E_ceiling -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_timed_out); launch_kill_child(i)
        :: launch_e == launch_E_verified -> launch_wk[i] = 0; launch_st[i] = launch_S_probing; launch_wk[i] = 0; launch_probe(i)
        :: launch_e == launch_E_unverified -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_failed); launch_kill_child(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_probing ->
        if
        :: launch_e == launch_E_child_exit -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_exited_early); launch_reap_child(i); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_shutting_down); launch_kill_child(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_swept); launch_kill_child(i)
        :: launch_e == launch_E_ceiling -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_timed_out); launch_kill_child(i)
        :: launch_e == launch_E_answered -> launch_wk[i] = 0; launch_st[i] = launch_S_registering; launch_wk[i] = 0; launch_register_backend(i)
        :: launch_e == launch_E_not_ready -> launch_wk[i] = 0; launch_st[i] = launch_S_waiting; launch_count_attempt(i)
        :: launch_e == launch_E_wrong_answer -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_wrong_identity); launch_kill_child(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_waiting ->
        if
        :: launch_e == launch_E_child_exit -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_exited_early); launch_reap_child(i); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_shutting_down); launch_kill_child(i)
        :: launch_e == launch_E_stirred -> launch_wk[i] = 0; launch_st[i] = launch_S_probing; launch_wk[i] = 0; launch_probe(i)
        :: launch_e == launch_E_swept -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_swept); launch_kill_child(i)
        :: launch_e == launch_E_ceiling -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_timed_out); launch_kill_child(i)
        :: launch_e == launch_E_backoff -> launch_wk[i] = 0; launch_st[i] = launch_S_probing; launch_wk[i] = 0; launch_probe(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_registering ->
        if
        :: launch_e == launch_E_child_exit -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_exited_early); launch_reap_child(i); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_cancel -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_shutting_down); launch_kill_child(i)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_swept); launch_kill_child(i)
        :: launch_e == launch_E_ceiling -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_timed_out); launch_kill_child(i)
        :: launch_e == launch_E_registered -> launch_wk[i] = 0; launch_st[i] = launch_S_up; launch_release_lock(i); launch_finish(i, launch_finish_launched); launch_close_listener(i); launch_answer(i, launch_answer_ready); launch_report(i, launch_report_up); launch_drop(i)
        :: launch_e == launch_E_mismatched -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_mismatch); launch_kill_child(i)
        :: launch_e == launch_E_gone -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_exited_early); launch_reap_child(i); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_unkept -> launch_wk[i] = 0; launch_st[i] = launch_S_reaping; launch_answer(i, launch_answer_failed); launch_kill_child(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: launch_st[i] == launch_S_reaping ->
        if
        :: launch_e == launch_E_child_exit -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_failed); launch_reap_child(i); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: launch_e == launch_E_cancel -> skip; launch_answer(i, launch_answer_shutting_down)
        :: launch_e == launch_E_stirred -> skip
        :: launch_e == launch_E_swept -> skip
        :: launch_e == launch_E_reap_limit -> launch_wk[i] = 0; launch_st[i] = launch_S_failed; launch_answer(i, launch_answer_failed); launch_abandon_child(i); launch_unlink_socket(i); launch_release_path(i); launch_release_lock(i); launch_finish(i, launch_finish_failed); launch_report(i, launch_report_failed); launch_drop(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: else -> assert(false) /* not alive */
    fi;
    launch_e = 0
}

#define launch_quiet(i) (launch_busy == 0 && launch_alive(i))
inline launch_turn(i) {
    atomic {
        if
        :: launch_out[i] != 0 -> launch_e = launch_out[i]; launch_out[i] = 0; launch_wk[i] = 0; launch_busy--
        :: launch_out[i] == 0 && len(launch_q[i]) > 0 -> launch_q[i]?launch_e; launch_busy--
        :: launch_quiet(i) && (launch_st[i] == launch_S_forking || launch_st[i] == launch_S_verifying || launch_st[i] == launch_S_probing || launch_st[i] == launch_S_waiting || launch_st[i] == launch_S_registering) -> launch_e = launch_E_ceiling
        :: launch_quiet(i) && (launch_st[i] == launch_S_exec_waiting) -> launch_e = launch_E_retry_exec
        :: launch_quiet(i) && (launch_st[i] == launch_S_waiting) -> launch_e = launch_E_backoff
        :: launch_quiet(i) && (launch_st[i] == launch_S_reaping) -> launch_e = launch_E_reap_limit
        :: launch_quiet(i) && launch_wk[i] == launch_W_take_permit -> launch_wk[i] = 0; launch_e = launch_E_permitted
        :: launch_quiet(i) && launch_wk[i] == launch_W_take_permit -> launch_wk[i] = 0; launch_e = launch_E_no_permit
        :: launch_quiet(i) && launch_wk[i] == launch_W_take_lock -> launch_wk[i] = 0; launch_e = launch_E_locked
        :: launch_quiet(i) && launch_wk[i] == launch_W_take_lock -> launch_wk[i] = 0; launch_e = launch_E_lock_busy
        :: launch_quiet(i) && launch_wk[i] == launch_W_take_lock -> launch_wk[i] = 0; launch_e = launch_E_lock_failed
        :: launch_quiet(i) && launch_wk[i] == launch_W_look_again -> launch_wk[i] = 0; launch_e = launch_E_present
        :: launch_quiet(i) && launch_wk[i] == launch_W_look_again -> launch_wk[i] = 0; launch_e = launch_E_missing
        :: launch_quiet(i) && launch_wk[i] == launch_W_resolve_binary -> launch_wk[i] = 0; launch_e = launch_E_resolved
        :: launch_quiet(i) && launch_wk[i] == launch_W_resolve_binary -> launch_wk[i] = 0; launch_e = launch_E_unresolvable
        :: launch_quiet(i) && launch_wk[i] == launch_W_fork_child -> launch_wk[i] = 0; launch_e = launch_E_executed
        :: launch_quiet(i) && launch_wk[i] == launch_W_fork_child -> launch_wk[i] = 0; launch_e = launch_E_text_busy
        :: launch_quiet(i) && launch_wk[i] == launch_W_fork_child -> launch_wk[i] = 0; launch_e = launch_E_exec_failed
        :: launch_quiet(i) && launch_wk[i] == launch_W_verify_child -> launch_wk[i] = 0; launch_e = launch_E_verified
        :: launch_quiet(i) && launch_wk[i] == launch_W_verify_child -> launch_wk[i] = 0; launch_e = launch_E_unverified
        :: launch_quiet(i) && launch_wk[i] == launch_W_probe -> launch_wk[i] = 0; launch_e = launch_E_answered
        :: launch_quiet(i) && launch_wk[i] == launch_W_probe -> launch_wk[i] = 0; launch_e = launch_E_not_ready
        :: launch_quiet(i) && launch_wk[i] == launch_W_probe -> launch_wk[i] = 0; launch_e = launch_E_wrong_answer
        :: launch_quiet(i) && launch_wk[i] == launch_W_register_backend -> launch_wk[i] = 0; launch_e = launch_E_registered
        :: launch_quiet(i) && launch_wk[i] == launch_W_register_backend -> launch_wk[i] = 0; launch_e = launch_E_mismatched
        :: launch_quiet(i) && launch_wk[i] == launch_W_register_backend -> launch_wk[i] = 0; launch_e = launch_E_gone
        :: launch_quiet(i) && launch_wk[i] == launch_W_register_backend -> launch_wk[i] = 0; launch_e = launch_E_unkept
        fi;
        launch_step(i)
    }
}
