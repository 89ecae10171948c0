# Giving the child up to the reaper answers whoever waits.
/^state reaping/,$ s/^(  reap_limit .*)answer\(failed\) /\1/
