/* A whole client: has SERVICE at VERSION echo a word. cc client-10-lines.c $(pkg-config --cflags --libs rpb-client) */
#include <rpb/client.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct rpb_client *client = NULL;
    struct rpb_client_reply reply;
    int failed = argc < 3 || rpb_client_open(&RPB_CLIENT_OPTIONS(.service = argv[1], .version = argv[2]), &client) ||
                 rpb_client_call(client, RPB_LANE_ZCCACHE, "hello", 5, &reply);
    printf("%.*s\n", failed ? 500 : (int)reply.size, failed ? rpb_client_text(client) : (const char *)reply.data);
    rpb_client_free(client);
    return failed;
}
