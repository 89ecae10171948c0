# A call that its caller gave up has ended, not failed.
/^rows unfinished/,/^$/ s/^  close .*/  close -> failed/
