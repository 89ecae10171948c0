/* Generated from fd_pressure.fsm by fsmgen (scripts/fsmgen/). Edit the specification and run: make gen */
/* Whether Hellos are refused because descriptors ran out; admin requests are always served. */
#define fd_pressure_S_normal 1
#define fd_pressure_S_resting 2
#define fd_pressure_S_demoted 3
#define fd_pressure_E_accepted 1
#define fd_pressure_E_exhausted 2
#define fd_pressure_E_rest 3

#ifndef fd_pressure_N
#define fd_pressure_N 1
#endif
#ifndef fd_pressure_busy
#define fd_pressure_busy fsm_busy
#endif

byte fd_pressure_st[fd_pressure_N]; /* state, 0: not born */
byte fd_pressure_wk[fd_pressure_N]; /* unfinished work, 0: none */
byte fd_pressure_out[fd_pressure_N]; /* returned outcome, 0: none */
chan fd_pressure_q[fd_pressure_N] = [4] of { byte }; /* raised events */
byte fd_pressure_e; /* the event of the step under way */

#define fd_pressure_alive(i) (fd_pressure_st[i] != 0 && fd_pressure_st[i] <= 3)
#ifndef OWN_fd_pressure_count_demotion
inline fd_pressure_count_demotion(i) { skip }
#endif
#ifndef OWN_fd_pressure_log_once
inline fd_pressure_log_once(i) { skip }
#endif
#ifndef OWN_fd_pressure_pause_listener
inline fd_pressure_pause_listener(i) { skip }
#endif
#ifndef OWN_fd_pressure_serve_by_reserve
inline fd_pressure_serve_by_reserve(i) { skip }
#endif
#ifndef OWN_fd_pressure_resume_listener
inline fd_pressure_resume_listener(i) { skip }
#endif
#ifndef fd_pressure_recovered
#define fd_pressure_recovered(i) true
#define fd_pressure_not_recovered(i) true
#endif
#ifndef OWN_fd_pressure_forgive
inline fd_pressure_forgive(i) { skip }
#endif
#ifndef OWN_fd_pressure_count_good_accept
inline fd_pressure_count_good_accept(i) { skip }
#endif
#ifndef OWN_fd_pressure_forget_good_accepts
inline fd_pressure_forget_good_accepts(i) { skip }
#endif

inline fd_pressure_raise(i, e) {
    if
    :: fd_pressure_alive(i) -> assert(len(fd_pressure_q[i]) < 4); fd_pressure_q[i]!e; fd_pressure_busy++
    :: !fd_pressure_alive(i)
    fi
}
inline fd_pressure_outside(i, e) {
    atomic { fd_pressure_busy == 0; fd_pressure_raise(i, e) }
}
inline fd_pressure_yield(i, e) {
    assert(fd_pressure_out[i] == 0); fd_pressure_out[i] = e; fd_pressure_busy++
}
inline fd_pressure_drop(i) { /* a final state: what is queued or under way is dropped */
    do
    :: len(fd_pressure_q[i]) > 0 -> fd_pressure_q[i]?fd_pressure_e; fd_pressure_busy--
    :: else -> break
    od;
    fd_pressure_wk[i] = 0
}
inline fd_pressure_start(i) {
    assert(!fd_pressure_alive(i)); fd_pressure_st[i] = fd_pressure_S_normal
}

inline fd_pressure_step(i) {
    if
    :: fd_pressure_st[i] == fd_pressure_S_normal ->
        if
        :: fd_pressure_e == fd_pressure_E_accepted -> skip
        :: fd_pressure_e == fd_pressure_E_exhausted -> fd_pressure_wk[i] = 0; fd_pressure_st[i] = fd_pressure_S_resting; fd_pressure_count_demotion(i); fd_pressure_log_once(i); fd_pressure_pause_listener(i); fd_pressure_serve_by_reserve(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: fd_pressure_st[i] == fd_pressure_S_resting ->
        if
        :: fd_pressure_e == fd_pressure_E_accepted -> assert(false) /* never */
        :: fd_pressure_e == fd_pressure_E_exhausted -> assert(false) /* never */
        :: fd_pressure_e == fd_pressure_E_rest -> fd_pressure_wk[i] = 0; fd_pressure_st[i] = fd_pressure_S_demoted; fd_pressure_resume_listener(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: fd_pressure_st[i] == fd_pressure_S_demoted ->
        if
        :: fd_pressure_e == fd_pressure_E_accepted ->
            if
            :: fd_pressure_recovered(i) -> fd_pressure_wk[i] = 0; fd_pressure_st[i] = fd_pressure_S_normal; fd_pressure_forgive(i)
            :: fd_pressure_not_recovered(i) -> skip; fd_pressure_count_good_accept(i)
            fi
        :: fd_pressure_e == fd_pressure_E_exhausted -> fd_pressure_wk[i] = 0; fd_pressure_st[i] = fd_pressure_S_resting; fd_pressure_forget_good_accepts(i); fd_pressure_pause_listener(i); fd_pressure_serve_by_reserve(i)
        :: else -> assert(false) /* cannot happen */
        fi
    :: else -> assert(false) /* not alive */
    fi;
    fd_pressure_e = 0
}

#define fd_pressure_quiet(i) (fd_pressure_busy == 0 && fd_pressure_alive(i))
inline fd_pressure_turn(i) {
    atomic {
        if
        :: fd_pressure_out[i] != 0 -> fd_pressure_e = fd_pressure_out[i]; fd_pressure_out[i] = 0; fd_pressure_wk[i] = 0; fd_pressure_busy--
        :: fd_pressure_out[i] == 0 && len(fd_pressure_q[i]) > 0 -> fd_pressure_q[i]?fd_pressure_e; fd_pressure_busy--
        :: fd_pressure_quiet(i) && (fd_pressure_st[i] == fd_pressure_S_resting) -> fd_pressure_e = fd_pressure_E_rest
        fi;
        fd_pressure_step(i)
    }
}
