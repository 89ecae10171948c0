# The socket to the broker is closed before another one is dialled.
s/^(  refused  if worth_retry .*)close_broker /\1/
