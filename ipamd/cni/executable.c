/* The CNI IPAM plugin of ipamd, as container runtimes and other plugins execute it.
 *
 * It understands nothing of what it carries: it sends the variables of CNI and its standard input to the daemon's
 * socket, prints what comes back, and ends with the status that came with it. ipamd/cni/frames.py describes the octets.
 * Only what must be answered without a daemon is answered here: VERSION, the line for people, and that none is there.
 * ipamd/cni/executable.py does the same where nothing could be compiled.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SOCKET "/run/ipamd/cni.sock" /* unless IPAMD_CNI_SOCKET is set */
#define LARGEST (1 << 20)            /* octets of a request, and of a reply */
#define PATIENCE 60                  /* seconds for the daemon to take a request, and to answer */
#define NEWEST "1.1.0"

extern char **environ;

static char buffer[LARGEST + 4];
static size_t used = 4; /* in front is room for the length */

/* Print an error as CNI has it; the texts have no character that JSON would need escaped. Returns the exit status. */
static int refuse(int code, const char *message, const char *details)
{
    printf("{\n    \"cniVersion\": \"" NEWEST "\",\n    \"code\": %d,\n    \"msg\": \"%s\",\n    \"details\": \"%s\"\n}",
           code, message, details);
    return 1;
}

/* Nobody has carried out the command, as far as is known: it is to be repeated. */
static int away(const char *command, const char *details)
{
    if (strcmp(command, "STATUS") == 0)
        return refuse(50, "ipamd cannot be reached", details);
    if (strcmp(command, "DEL") == 0)
        return refuse(11, "ipamd cannot be reached: nothing was released, call DEL again", details);
    return refuse(11, "ipamd cannot be reached: try again later", details);
}

static int version(void)
{
    puts("{\"cniVersion\":\"" NEWEST "\",\"supportedVersions\":"
         "[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"" NEWEST "\"]}");
    return 0;
}

static int about(void)
{
    fputs("CNI plugin ipamd\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, " NEWEST "\n",
          stderr);
    return 0;
}

/* Add octets to the request, as far as there is room. */
static bool add(const void *octets, size_t length)
{
    if (length > sizeof buffer - used)
        return false;
    memcpy(buffer + used, octets, length);
    used += length;
    return true;
}

/* Add a variable to the request. */
static bool add_variable(const char *name, const char *value)
{
    return add(name, strlen(name)) && add("=", 1) && add(value, strlen(value) + 1);
}

/* Whether a path is the network namespace that this process runs in. */
static bool is_own_netns(const char *path)
{
    struct stat own, other;
    return path != NULL && stat("/proc/self/ns/net", &own) == 0 && stat(path, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* Add the variables of CNI and the three of ours. */
static bool add_environment(void)
{
    struct timespec now;
    char node[256] = "", started[32];
    bool fits = true;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(started, sizeof started, "%lld%09ld", (long long)now.tv_sec, now.tv_nsec);
    gethostname(node, sizeof node - 1);
    const char *named = getenv("IPAMD_NODE");
    for (char **entry = environ; *entry != NULL; entry++)
        if (strncmp(*entry, "CNI_", 4) == 0)
            fits = fits && add(*entry, strlen(*entry) + 1);
    return fits && add_variable("IPAMD_NODE", named != NULL && *named ? named : node) &&
           add_variable("IPAMD_STARTED", started) &&
           add_variable("IPAMD_OWN_NETNS", is_own_netns(getenv("CNI_NETNS")) ? "1" : "0") && add("", 1);
}

/* Add the standard input. */
static bool add_input(void)
{
    ssize_t got;
    while ((got = read(STDIN_FILENO, buffer + used, sizeof buffer - used)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        used += (size_t)got;
        if (used == sizeof buffer)
            return false;
    }
    return true;
}

/* A connection to the daemon; -1 with errno set if there is none. */
static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE};
    const char *path = getenv("IPAMD_CNI_SOCKET");

    path = path != NULL && *path ? path : SOCKET;
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return -1;
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return connect(connection, (struct sockaddr *)&address, sizeof address) == 0 ? connection : -1;
}

/* Send the request. */
static bool ask(int connection)
{
    uint32_t length = htonl((uint32_t)(used - 4));
    size_t sent = 0;

    memcpy(buffer, &length, 4);
    while (sent < used) {
        ssize_t more = send(connection, buffer + sent, used - sent, MSG_NOSIGNAL);
        if (more < 0 && errno != EINTR)
            return false;
        sent += more < 0 ? 0 : (size_t)more;
    }
    return true;
}

/* Receive the reply into the buffer, to the end of the connection. */
static bool hear(int connection)
{
    ssize_t got;
    used = 0;
    while ((got = recv(connection, buffer + used, sizeof buffer - used, 0)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (used += (size_t)got) == sizeof buffer)
            return false;
    }
    errno = ECONNRESET; /* if not even a status came */
    return used > 0;
}

int main(void)
{
    const char *command = getenv("CNI_COMMAND");

    if (command == NULL || *command == '\0')
        return about();
    if (strcmp(command, "VERSION") == 0)
        return version();
    if (!add_environment() || !add_input())
        return refuse(5, "error reading from stdin", "the configuration cannot be read, or is too large");
    int connection = dial();
    if (connection < 0 || !ask(connection) || !hear(connection))
        return away(command, strerror(errno));
    fwrite(buffer + 1, 1, used - 1, stdout);
    return fflush(stdout) == 0 ? buffer[0] : 1;
}
