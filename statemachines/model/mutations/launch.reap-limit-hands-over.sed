# A child that does not go away is handed to the reaper of the loop.
s/^(  reap_limit .*)abandon_child /\1/
