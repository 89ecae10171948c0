# A broker with a full backlog is not dialled again at once.
s/^  broker_full .*/  broker_full -> same dial_broker/
/^state queueing/,/^$/d
