/* A Modbus TCP server for benchmarks: registers that do not change, read with function 3.
 *
 * It reads up to 65536 registers from standard input, high byte first, prints its port number and
 * serves each client in a process of its own, until it is terminated.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 12 /* the size of a request: header, function, register, count */
#define MOST 125

static unsigned char registers[2 * 65536];

static void serve(int client) {
    unsigned char request[HEAD], reply[9 + 2 * MOST];
    while (recv(client, request, HEAD, MSG_WAITALL) == HEAD) {
        size_t first = request[8] << 8 | request[9], count = request[10] << 8 | request[11];
        size_t size = 2 * count;
        memcpy(reply, request, 8);
        if (request[7] != 3 || count < 1 || count > MOST || first + count > 65536) {
            reply[7] |= 0x80;
            reply[8] = 2; /* no such register */
            size = 0;
        } else {
            reply[8] = size;
            memcpy(reply + 9, registers + 2 * first, size);
        }
        reply[4] = 0;
        reply[5] = 3 + size;
        if (send(client, reply, 9 + size, MSG_NOSIGNAL) < 0)
            return;
    }
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int one = 1, client, listener = socket(AF_INET, SOCK_STREAM, 0);

    fread(registers, 1, sizeof registers, stdin);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8))
        return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    while ((client = accept(listener, NULL, NULL)) >= 0) {
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fork() == 0) {
            close(listener);
            serve(client);
            return 0;
        }
        close(client);
    }
    return 1;
}
