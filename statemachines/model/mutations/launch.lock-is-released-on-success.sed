# The spawn lock is released when the backend is up.
s/^(  registered .*)release_lock /\1/
