# A backend found under the lock answers the waiters.
s/^(  present .*)answer\(ready\) /\1/
