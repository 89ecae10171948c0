# Nothing that may live is buried: first it is killed.
s/^  unverified .*/  unverified -> failed answer(failed) bury_child report(failed)/
