# The broker keeps no copy of the listener of a backend that is up.
s/^(  registered .*)close_listener /\1/
