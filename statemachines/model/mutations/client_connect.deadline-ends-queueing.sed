# The deadline ends a call that waits for a full broker.
/^state queueing/,/^$/ s/ with budget crowded/ with crowded/
/^state queueing/,/^$/ s/^  use unfinished/  close -> ended/
