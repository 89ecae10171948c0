# A child whose socket was removed is killed, not left running.
/^rows alive/,/^rows no_child/ s/^(  swept .*) kill_child/\1/
