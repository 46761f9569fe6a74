/* Echo component on libstrophe.  Usage: libstrophe PORT
 *
 * The released component mode of libstrophe dereferences a NULL pointer: only xmpp_connect_client() creates the stream
 * management state that is accessed for every stanza. As a workaround, a client connection that never connects creates
 * the state, and the component takes it over. Only public functions are used. */
#include <stdlib.h>
#include <string.h>
#include <strophe.h>

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata)
{
    xmpp_ctx_t *ctx = userdata;
    const char *type = xmpp_stanza_get_type(stanza);
    char *text;
    xmpp_stanza_t *reply;

    if (type != NULL && strcmp(type, "error") == 0)
        return 1;
    text = xmpp_message_get_body(stanza);
    if (text == NULL)
        return 1;
    reply = xmpp_message_new(ctx, type, xmpp_stanza_get_from(stanza), xmpp_stanza_get_id(stanza));
    xmpp_stanza_set_from(reply, xmpp_stanza_get_to(stanza));
    xmpp_message_set_body(reply, text);
    xmpp_free(ctx, text);
    xmpp_send(conn, reply);
    xmpp_stanza_release(reply);
    return 1;
}

static void on_component(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error,
                         void *userdata)
{
    (void)error;
    (void)stream_error;
    if (event == XMPP_CONN_CONNECT)
        xmpp_handler_add(conn, on_message, NULL, "message", NULL, userdata);
    else
        xmpp_stop(userdata);
}

static void on_client(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error,
                      void *userdata)
{
    (void)conn;
    (void)event;
    (void)error;
    (void)stream_error;
    (void)userdata;
}

/* Returns the empty stream management state of a client that never connects. */
static xmpp_sm_state_t *empty_state(xmpp_ctx_t *ctx)
{
    xmpp_conn_t *client = xmpp_conn_new(ctx);
    xmpp_conn_set_jid(client, "unused@localhost");
    xmpp_conn_set_pass(client, "none");
    xmpp_connect_client(client, "nowhere.invalid", 1, on_client, NULL);
    return xmpp_conn_get_sm_state(client);
}

int main(int argc, char **argv)
{
    xmpp_ctx_t *ctx;
    xmpp_conn_t *conn;

    if (argc != 2)
        return EXIT_FAILURE;
    xmpp_initialize();
    ctx = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_ERROR));
    conn = xmpp_conn_new(ctx);
    xmpp_conn_set_jid(conn, "echo.localhost");
    xmpp_conn_set_pass(conn, "s3cr3t");
    xmpp_conn_set_sm_state(conn, empty_state(ctx));
    if (xmpp_connect_component(conn, "127.0.0.1", (unsigned short)atoi(argv[1]), on_component, ctx) != XMPP_EOK)
        return EXIT_FAILURE;
    xmpp_run(ctx);
    return EXIT_SUCCESS;
}
