# A broker that hung up or talked nonsense is not asked again.
s/^  hello_failed .*/  hello_failed -> pausing close_broker count_retry/
