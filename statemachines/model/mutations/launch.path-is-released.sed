# The reserved path of a failed launch is released.
s/^(do +give_back .*)release_path /\1/
