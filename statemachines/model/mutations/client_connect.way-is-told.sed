# The way that is told is the one that was taken.
s/take_backend\(hello_skip\)/take_backend(was_skip)/
s/take_backend\(negotiated\)/take_backend(hello_skip)/
s/take_backend\(was_skip\)/take_backend(negotiated)/
