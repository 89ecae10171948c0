# The deadline ends a call whose broker does not answer.
/^state asking/,/^$/ s/ with budget//
/^state asking/,/^$/ s/^  use unfinished/  close -> ended/
