/* A TLS server of GnuTLS before a broker that has none; tests/servers/src/servers/relay.rs says what its
 * arguments mean. A process for each connection. */

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 128 };

struct port {
    int socket;
    char priorities[256];
    int tickets;
    gnutls_certificate_request_t clients;
    gnutls_certificate_credentials_t credentials;
};

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void pass(const struct port *port, const gnutls_datum_t *ticket_key, int device, int broker_port)
{
    gnutls_session_t session;
    char buffer[4096];
    must(gnutls_init(&session, GNUTLS_SERVER) == 0, "session");
    must(gnutls_priority_set_direct(session, port->priorities, NULL) == 0, port->priorities);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, port->credentials);
    gnutls_certificate_server_set_request(session, port->clients);
    if (port->clients == GNUTLS_CERT_REQUIRE)
        gnutls_session_set_verify_cert(session, NULL, 0);
    if (port->tickets)
        gnutls_session_ticket_enable_server(session, ticket_key);
    gnutls_transport_set_int(session, device);
    int result;
    do
        result = gnutls_handshake(session);
    while (result < 0 && !gnutls_error_is_fatal(result));
    if (result < 0) {
        gnutls_alert_send_appropriate(session, result);
        shutdown(device, SHUT_WR);
        /* The alert is to arrive before the end. */
        while (recv(device, buffer, sizeof buffer, 0) > 0)
            ;
        return;
    }
    struct sockaddr_in address = loopback(broker_port);
    int broker = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(broker, (struct sockaddr *)&address, sizeof address) == 0, "broker");
    struct pollfd both[2] = { { device, POLLIN, 0 }, { broker, POLLIN, 0 } };
    for (;;) {
        if (!gnutls_record_check_pending(session))
            poll(both, 2, -1);
        if (both[0].revents || gnutls_record_check_pending(session)) {
            ssize_t length = gnutls_record_recv(session, buffer, sizeof buffer);
            if (length == 0 || (length < 0 && gnutls_error_is_fatal((int)length)))
                return;
            if (length > 0 && send(broker, buffer, length, 0) != length)
                return;
        }
        if (both[1].revents) {
            ssize_t length = recv(broker, buffer, sizeof buffer, 0);
            if (length <= 0 || gnutls_record_send(session, buffer, length) != length) {
                gnutls_bye(session, GNUTLS_SHUT_WR);
                return;
            }
        }
    }
}

/* Adds " :-ALL-OF-THEM:+THIS" to what is agreed upon. */
static void only(char *priorities, const char *kind, const char *prefix, const char *name)
{
    char *end = priorities + strlen(priorities);
    snprintf(end, 256 - strlen(priorities), ":-%s-ALL:+%s%s", kind, prefix, name);
}

static void read_line(struct port *port, const char *line, const char *clients)
{
    char version[8], group[16], cipher[32], tickets[8], who[16], chain[512], key[512];
    int number;
    must(sscanf(line, "%d %7s %15s %31s %7s %15s %511s %511s", &number, version, group, cipher, tickets, who,
                chain, key) == 8, line);
    strcpy(port->priorities, "NORMAL");
    if (*version != '-')
        only(port->priorities, "VERS", "VERS-TLS", version);
    if (*group != '-')
        only(port->priorities, "GROUP", "GROUP-",
             !strcmp(group, "P-256") ? "SECP256R1" : !strcmp(group, "P-384") ? "SECP384R1"
             : !strcmp(group, "P-521") ? "SECP521R1" : "X25519");
    if (*cipher != '-')
        only(port->priorities, "CIPHER", "",
             *cipher == 'C' ? "CHACHA20-POLY1305" : cipher);
    port->tickets = !strcmp(tickets, "on");
    port->clients = !strcmp(who, "required") ? GNUTLS_CERT_REQUIRE
        : !strcmp(who, "optional") ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE;
    gnutls_certificate_allocate_credentials(&port->credentials);
    must(gnutls_certificate_set_x509_key_file(port->credentials, chain, key, GNUTLS_X509_FMT_PEM) == 0, chain);
    gnutls_certificate_set_x509_trust_file(port->credentials, clients, GNUTLS_X509_FMT_PEM);
    struct sockaddr_in address = loopback(number);
    int on = 1;
    port->socket = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(port->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind(port->socket, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(port->socket, 64) == 0, "listen");
}

int main(int count, char **arguments)
{
    static struct port ports[MOST];
    static struct pollfd sockets[MOST];
    gnutls_datum_t ticket_key;
    char line[2048];
    int lines = 0;
    must(count == 4, "three arguments");
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    must(gnutls_session_ticket_key_generate(&ticket_key) == 0, "ticket key");
    FILE *file = fopen(arguments[3], "r");
    must(file != NULL, arguments[3]);
    while (lines < MOST && fgets(line, sizeof line, file)) {
        read_line(&ports[lines], line, arguments[2]);
        sockets[lines] = (struct pollfd){ ports[lines].socket, POLLIN, 0 };
        lines++;
    }
    printf("%s\n", gnutls_check_version(NULL));
    fflush(stdout);
    for (;;) {
        poll(sockets, lines, -1);
        for (int at = 0; at < lines; at++) {
            if (!sockets[at].revents)
                continue;
            int device = accept(ports[at].socket, NULL, NULL);
            if (fork() == 0) {
                /* With its parent. */
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                pass(&ports[at], &ticket_key, device, atoi(arguments[1]));
                exit(0);
            }
            close(device);
        }
    }
}
