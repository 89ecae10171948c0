# A Hello is repeated after as long as the broker said, not sooner.
s/^(state pausing  with budget pause)/\1 crowded/
s/^  pause   /  crowded, pause/
