# A backend that is gone is not waited for.
s/^  backend_down .*/  backend_down -> backlogged/
