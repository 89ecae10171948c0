# A broker that is gone is not waited for.
s/^  broker_down .*/  broker_down -> queueing/
