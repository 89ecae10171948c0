# A waiter that joins while the child is being reaped is answered too.
/^state reaping/,$ s/^(  child_exit .*)answer\(failed\) /\1/
