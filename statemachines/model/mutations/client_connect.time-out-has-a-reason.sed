# A call that the deadline ends says so.
s/^(  budget .*) time_out/\1/
