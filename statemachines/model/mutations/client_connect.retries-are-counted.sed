# A Hello is repeated no more often than allowed.
s/^(  refused  if worth_retry .*) count_retry/\1/
