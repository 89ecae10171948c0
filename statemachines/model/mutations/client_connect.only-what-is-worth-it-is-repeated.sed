# A refusal without a hint, or after the last retry, ends the call.
s/^(  refused ) if worth_retry/\1/
/^  refused  else/d
