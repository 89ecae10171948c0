# The spawn lock is released at a failed end.
s/^(do +give_back .*)release_lock /\1/
