# A lock held elsewhere answers the waiters.
s/^(  lock_busy .*)answer\(in_progress\) /\1/
