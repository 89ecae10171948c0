# A backend with a full backlog is not dialled again at once.
s/^  backend_full .*/  backend_full -> same dial_backend/
/^state backlogged/,$d
