# An exec that failed gives everything back.
s/^(  exec_failed .*)give_back /\1/
