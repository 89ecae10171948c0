# The exit of a registered backend is watched.
s/^(  executed .*)watch_exit /\1/
