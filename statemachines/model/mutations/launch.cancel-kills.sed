# A cancelled child is killed, not left running.
/^rows alive/,/^rows no_child/ s/^(  cancel .*) kill_child/\1/
