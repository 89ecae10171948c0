# A child that died is reaped.
s/^(do +bury_child += )reap_child /\1/
