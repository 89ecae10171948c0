# A child that dies before it is ready answers the waiters.
/^rows alive/,/^rows no_child/ s/^(  child_exit .*)answer\(exited_early\) /\1/
