# The outcome is reported.
/^state reaping/,$ s/^(  child_exit .*) report\(failed\)/\1/
