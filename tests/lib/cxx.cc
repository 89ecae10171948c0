// SPDX-License-Identifier: MIT
// The headers in a C++ program: they compile without a warning, and the calls link.
#include <rpb/client.h>
#include <rpb/protocol.h>
#if __has_include(<rpb/backend.h>)
#include <rpb/backend.h>
#endif

#include <cstdio>

static_assert(RPB_LANE_IS_FOR_BACKENDS(RPB_LANE_ZCCACHE), "a lane");

int main()
{
    rpb_client_options options;
    rpb_client *client = nullptr;

    rpb_client_options_init(&options);
    options.service = "a";
    options.version = "1.0.0";
    options.broker = "/nowhere";
    const int status = rpb_client_open(&options, &client);
    std::printf("%s %s\n", rpb_client_status_name(status), rpb_client_library_version());
    rpb_client_free(client);
    return status == RPB_CLIENT_E_BROKER_CONNECT ? 0 : 1;
}
