# A launch that succeeds answers its waiters.
s/^(  registered .*)answer\(ready\) /\1/
