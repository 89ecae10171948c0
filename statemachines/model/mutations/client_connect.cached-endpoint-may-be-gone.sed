# When nobody is at the cached endpoint the broker is asked.
s/^  cached_down .*/  cached_down -> failed/
