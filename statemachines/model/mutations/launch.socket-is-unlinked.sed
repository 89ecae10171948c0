# The socket of a failed launch is unlinked.
s/^(do +give_back += )unlink_socket /\1/
