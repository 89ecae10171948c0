# The deadline ends a call that waits to repeat its Hello.
/^state pausing/,/^$/ s/ with budget pause/ with pause/
/^state pausing/,/^$/ s/^  use unfinished/  close -> ended/
