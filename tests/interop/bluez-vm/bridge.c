/* A controller behind a TCP port (H4) becomes one of this kernel's, by /dev/vhci. Arguments: address, port. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACL = 2, EVENT = 4, VENDOR = 0xff };

/* The length of the packet that begins here; 0 if that is not known yet. */
static size_t packet(const unsigned char *at, size_t there) {
    if (there < 3) return 0;
    if (at[0] == EVENT) return 3 + at[2];
    if (at[0] != ACL) exit(fprintf(stderr, "no packet: %02x\n", at[0]));
    return there < 5 ? 0 : 5 + at[3] + 256u * at[4];
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int one = 1, controller = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
    inet_pton(AF_INET, arguments[1], &place.sin_addr);
    if (connect(controller, (void *)&place, sizeof place)) return perror("connect"), 1;
    setsockopt(controller, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int kernel = open("/dev/vhci", O_RDWR);
    if (kernel < 0) return perror("/dev/vhci"), 1;

    unsigned char down[4096];
    static unsigned char up[1 << 17];
    size_t there = 0;
    struct pollfd both[] = {{controller, POLLIN, 0}, {kernel, POLLIN, 0}};
    while (poll(both, 2, -1) > 0) {
        if (both[1].revents) {
            ssize_t length = read(kernel, down, sizeof down);
            if (length <= 0) return perror("read"), 1;
            /* What vhci says of itself is no packet. */
            if (down[0] != VENDOR && write(controller, down, length) != length) return perror("write"), 1;
        }
        if (both[0].revents) {
            ssize_t length = read(controller, up + there, sizeof up - there);
            if (length <= 0) return perror("the controller has gone"), 1;
            there += length;
            for (size_t whole; (whole = packet(up, there)) && whole <= there; there -= whole) {
                if (write(kernel, up, whole) < 0) perror("write");
                memmove(up, up + whole, there - whole);
            }
        }
    }
    return 1;
}
