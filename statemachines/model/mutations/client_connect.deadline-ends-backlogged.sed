# The deadline ends a call that waits for a full backend.
/^state backlogged/,/^$/ s/ with budget crowded/ with crowded/
/^state backlogged/,/^$/ s/^  use unfinished/  close -> ended/
