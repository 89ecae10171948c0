/* A complete backend: echoes what it is sent. cc backend-30-lines.c $(pkg-config --cflags --libs rpb-backend) */
#include <signal.h>
#include <stdio.h>

#include <rpb/backend.h>

static struct rpb_backend *backend;

static void stop(int signo)
{
    (void)signo;
    rpb_backend_stop(backend);
}

static int echo(struct rpb_backend_request *request, void *user)
{
    (void)user;
    return rpb_backend_respond(request, request->data, request->size);
}

int main(void)
{
    static const uint32_t lanes[] = {RPB_LANE_ZCCACHE, 0xF001};
    char text[RPB_BACKEND_TEXT_MAX];
    int r = rpb_backend_new(&RPB_BACKEND_CONFIG(.lanes = lanes, .n_lanes = 2, .handle = echo), &backend, text);

    signal(SIGTERM, stop);
    r = r < 0 ? r : rpb_backend_run(backend); /* until SIGTERM */
    signal(SIGTERM, SIG_IGN);                 /* the handler must not meet a backend that is freed */
    if (r < 0) {
        fprintf(stderr, "%s\n", backend ? rpb_backend_text(backend) : text);
    }
    rpb_backend_free(backend);
    return r < 0;
}
