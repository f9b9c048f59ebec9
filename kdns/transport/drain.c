/* kdns.transport.drain: a batch of UDP queries taken, looked up, answered, in two system calls.
 *
 * One job: what a batch asks is looked up in the memo's dict of whole answers, or handed to a callable that may know
 * the answer at once, and the replies leave together. Whatever remains goes back to Python with its addresses; replies
 * that are made of it later leave together as well. Without this module `batches` does the same.
 *
 * Everything that is sent is either a reply that Python made (the ID of the query in front of a kept answer, or what
 * the callable returned) or nothing at all; no octet of a packet is interpreted here.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

enum {
    INTERFACE = 1, /* as native.INTERFACE: up by one when what Python calls, gives or gets here becomes another */
    BATCH = 64,
    MORE = 4,       /* queries of a batch behind which there is probably another one: under load they come meanwhile */
    MANY = 24,      /* of a batch behind which another one waits already */
    REST = 10000,   /* ns that are slept before the next one if it does not: it has the more for the same calls */
    SLACK = 1000,   /* ns that this may take longer: the kernel's own allowance is 50,000 */
    MOST = 128,     /* queries taken in one go: behind them, some 1 ms, the event loop has its turn */
    LONGEST = 4096, /* octets taken of a query: as `udp.MAX_QUERY` */
    STRIDE = LONGEST + 192, /* from packet to packet: at a multiple of 4,096 all would share a few lines of the cache */
    HEADER = 12,    /* octets: what is shorter is no message */
};

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} Address;

typedef union { /* aligned as the kernel wants it; one in_pktinfo or in6_pktinfo */
    char octets[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct cmsghdr align;
} Control;

typedef struct { /* where a reply goes, and from where: what Python holds of it meanwhile, as octets */
    Address peer;
    Control control;
    socklen_t peer_size;
    size_t control_size;
} Way;

typedef struct {
    PyObject_HEAD
    int fd;
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec into[BATCH], from[BATCH][2];
    PyObject *held[BATCH]; /* what `from` points into, until it is sent */
    Address peers[BATCH];
    Control controls[BATCH];
    Way ways[BATCH]; /* of late replies */
    unsigned char packets[BATCH][STRIDE];
} Drain;

static PyTypeObject *ENTRY;             /* kdns.memo.Entry, */
static Py_ssize_t UNTIL, HITS, TAILS; /* and where its slots of these names are */

/* The control message that sends from the address the query came to, by any interface: ip(7), ipv6(7). Link-local
 * addresses of IPv6 need theirs. */
static void answer_from(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);

    if (control == NULL)
        return;
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;

        memcpy(&info, CMSG_DATA(control), sizeof info);
        info.ipi_ifindex = 0;
        info.ipi_addr.s_addr = 0;
        memcpy(CMSG_DATA(control), &info, sizeof info);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;

        memcpy(&info, CMSG_DATA(control), sizeof info);
        if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
            info.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(control), &info, sizeof info);
    }
}

/* The text of the address that the query came to, "" if the kernel does not say. */
static void destination(struct msghdr *message, char text[INET6_ADDRSTRLEN])
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);

    text[0] = '\0';
    if (control != NULL && control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO)
        inet_ntop(AF_INET, CMSG_DATA(control) + offsetof(struct in_pktinfo, ipi_addr), text, INET6_ADDRSTRLEN);
    else if (control != NULL && control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO)
        inet_ntop(AF_INET6, CMSG_DATA(control), text, INET6_ADDRSTRLEN);
}

/* A query as (packet, host, port, local host, way): see batch_doc. The reference to `packet` is taken. */
static PyObject *row_of(struct msghdr *message, PyObject *packet)
{
    const Address *peer = message->msg_name;
    char host[INET6_ADDRSTRLEN] = "", local[INET6_ADDRSTRLEN];
    int is_ipv6 = peer->any.sa_family == AF_INET6;
    Way way;

    if (is_ipv6)
        inet_ntop(AF_INET6, &peer->v6.sin6_addr, host, sizeof host);
    else
        inet_ntop(AF_INET, &peer->v4.sin_addr, host, sizeof host);
    destination(message, local);
    memset(&way, 0, sizeof way);
    way.peer_size = message->msg_namelen;
    way.control_size = message->msg_controllen;
    memcpy(&way.peer, message->msg_name, way.peer_size);
    memcpy(&way.control, message->msg_control, way.control_size);
    return Py_BuildValue("(Nsisy#)", packet, host, ntohs(is_ipv6 ? peer->v6.sin6_port : peer->v4.sin_port), local,
                         (char *)&way, (Py_ssize_t)sizeof way);
}

/* Where an Entry keeps the slot at `offset`. */
static PyObject **slot(PyObject *entry, Py_ssize_t offset)
{
    return (PyObject **)((char *)entry + offset);
}

/* A new reference to the answer that an entry of the memo has now, counted as sent; NULL if its time is up or it is
 * none, without an exception unless there is no memory. */
static PyObject *kept_answer(PyObject *entry, double now)
{
    PyObject *until, *hits, *tails, *tail, *more;
    long count;

    if (!Py_IS_TYPE(entry, ENTRY) || (until = *slot(entry, UNTIL)) == NULL || (hits = *slot(entry, HITS)) == NULL ||
        (tails = *slot(entry, TAILS)) == NULL)
        return NULL;
    if (!PyFloat_Check(until) || now >= PyFloat_AS_DOUBLE(until) || !PyLong_Check(hits) || !PyList_Check(tails) ||
        PyList_GET_SIZE(tails) == 0)
        return NULL;
    count = PyLong_AsLong(hits) + 1;
    tail = PyList_GET_ITEM(tails, count % PyList_GET_SIZE(tails));
    if (count <= 0 || !PyBytes_Check(tail) || (more = PyLong_FromLong(count)) == NULL)
        return NULL;
    Py_SETREF(*slot(entry, HITS), more);
    return Py_NewRef(tail);
}

/* Put the reply to query `i` into place `sent`: `head` octets of the query, then `reply`, whose reference is taken. It is
 * copied behind them where there is room: the kernel takes one piece faster than two. */
static void put(Drain *self, int i, int sent, size_t head, PyObject *reply)
{
    size_t size = (size_t)PyBytes_GET_SIZE(reply), room = LONGEST - head, copied = size <= room ? size : 0;
    struct iovec *from = self->from[sent];

    memcpy(self->packets[i] + head, PyBytes_AS_STRING(reply), copied);
    from[0] = (struct iovec){self->packets[i], head + copied};
    from[1] = (struct iovec){PyBytes_AS_STRING(reply), size};
    self->held[sent] = reply;
    self->out[sent].msg_hdr = self->in[i].msg_hdr;
    self->out[sent].msg_hdr.msg_iov = from;
    self->out[sent].msg_hdr.msg_iovlen = copied == size ? 1 : 2;
    answer_from(&self->out[sent].msg_hdr);
}

/* Answer query `i` in place `*sent`, or append it to `rest`. 1 if the answer was a kept one, -1 with an exception set on
 * failure, else 0. */
static int take(Drain *self, int i, int *sent, PyObject *hot, double now, PyObject *known, PyObject *rest)
{
    char *packet = (char *)self->packets[i];
    Py_ssize_t size = (Py_ssize_t)self->in[i].msg_len;
    PyObject *key, *entry, *whole, *reply = NULL, *row;
    int failed;

    if (size < HEADER)
        return 0;
    if ((key = PyBytes_FromStringAndSize(packet + 2, size - 2)) == NULL)
        return -1;
    entry = PyDict_GetItemWithError(hot, key);
    if (entry != NULL) {
        Py_INCREF(entry);
        reply = kept_answer(entry, now);
        Py_DECREF(entry);
    }
    Py_DECREF(key);
    if (PyErr_Occurred())
        return -1;
    if (reply != NULL) {
        put(self, i, (*sent)++, 2, reply);
        return 1;
    }
    if ((whole = PyBytes_FromStringAndSize(packet, size)) == NULL)
        return -1;
    if ((reply = PyObject_CallOneArg(known, whole)) == NULL) {
        Py_DECREF(whole);
        return -1;
    }
    if (PyBytes_Check(reply)) {
        Py_DECREF(whole);
        put(self, i, (*sent)++, 0, reply);
        return 0;
    }
    Py_DECREF(reply);
    row = row_of(&self->in[i].msg_hdr, whole);
    failed = row == NULL || PyList_Append(rest, row) < 0;
    Py_XDECREF(row);
    return failed ? -1 : 0;
}

/* Send what is in place. UDP promises nothing: a reply that cannot be sent is skipped. */
static void send_all(Drain *self, int sent)
{
    int at = 0;

    while (at < sent) {
        int done = sendmmsg(self->fd, self->out + at, (unsigned)(sent - at), MSG_DONTWAIT);

        at += done > 0 ? done : 1;
    }
    while (sent-- > 0)
        Py_CLEAR(self->held[sent]);
}

/* Have place `i` ready for a query: the kernel writes the lengths of what it took into it. */
static void clear(Drain *self, int i)
{
    self->in[i].msg_hdr = (struct msghdr){
        .msg_name = &self->peers[i], .msg_namelen = sizeof self->peers[i], .msg_iov = &self->into[i],
        .msg_iovlen = 1, .msg_control = &self->controls[i], .msg_controllen = sizeof self->controls[i]};
}

/* Take what waits, at most a batch, and answer it. How many that were if all answers were kept ones, or 0; -1 with an
 * exception set on failure. */
static int answer(Drain *self, PyObject *hot, double now, PyObject *known, PyObject *rest)
{
    /* an error is that of an earlier reply, or none */
    int count = recvmmsg(self->fd, self->in, BATCH, MSG_DONTWAIT, NULL), sent = 0, kept = 0, i, way = 0;

    for (i = 0; i < count && way >= 0; i++) {
        way = take(self, i, &sent, hot, now, known, rest);
        kept += way;
    }
    send_all(self, sent);
    for (i = 0; i < count; i++)
        clear(self, i);
    return way < 0 ? -1 : kept == count ? kept : 0;
}

PyDoc_STRVAR(batch_doc, "batch(hot, now, known) -> list of (packet, host, port, local host, way)\n\n"
                        "Take up to 64 queries that wait and answer those that are in `hot` (a Memo's) at `now`, or to\n"
                        "which known(packet) gives octets; while all are in `hot` and others come meanwhile, some more.\n"
                        "Returns those that are left, with who asked, the address that was asked (\"\" if the socket\n"
                        "has but one), and what `send` needs to reply.");

static PyObject *drain_batch(Drain *self, PyObject *args)
{
    PyObject *hot, *known, *rest;
    double now;
    int kept, all = 0;

    if (!PyArg_ParseTuple(args, "O!dO", &PyDict_Type, &hot, &now, &known) || (rest = PyList_New(0)) == NULL)
        return NULL;
    do {
        kept = answer(self, hot, now, known, rest);
        all += kept;
        if (kept >= MORE && kept < MANY)
            nanosleep(&(struct timespec){.tv_nsec = REST}, NULL);
    } while (kept >= MORE && all < MOST);
    if (kept < 0)
        Py_CLEAR(rest);
    return rest;
}

/* Have place `i` of the replies say what a (way, reply) says, whose reference is taken; -1 with an exception set if that
 * is none. `out` goes on pointing into it until it is sent. */
static int address_late(Drain *self, int i, PyObject *row)
{
    struct msghdr *message = &self->out[i].msg_hdr;
    PyObject *octets, *reply;
    Way *way;

    self->held[i] = row;
    if (!PyTuple_Check(row) || PyTuple_GET_SIZE(row) != 2 || !PyBytes_Check(octets = PyTuple_GET_ITEM(row, 0)) ||
        !PyBytes_Check(reply = PyTuple_GET_ITEM(row, 1)) || PyBytes_GET_SIZE(octets) != sizeof(Way)) {
        PyErr_SetString(PyExc_TypeError, "not a way that batch gave, and octets");
        return -1;
    }
    way = &self->ways[i];
    memcpy(way, PyBytes_AS_STRING(octets), sizeof *way);
    if (way->peer_size > sizeof way->peer || way->control_size > sizeof way->control) {
        PyErr_SetString(PyExc_ValueError, "not a way that batch gave");
        return -1;
    }
    self->from[i][0] = (struct iovec){PyBytes_AS_STRING(reply), (size_t)PyBytes_GET_SIZE(reply)};
    *message = (struct msghdr){
        .msg_name = &way->peer, .msg_namelen = way->peer_size, .msg_iov = self->from[i], .msg_iovlen = 1,
        .msg_control = way->control_size ? &way->control : NULL, .msg_controllen = way->control_size};
    answer_from(message);
    return 0;
}

PyDoc_STRVAR(send_doc, "send(replies)\n\n"
                       "Send a list of (way, reply), as octets, in as few system calls as that takes.");

static PyObject *drain_send(Drain *self, PyObject *replies)
{
    Py_ssize_t at = 0;
    int count, failed = 0;

    if (!PyList_Check(replies))
        return PyErr_Format(PyExc_TypeError, "send wants a list");
    while (at < PyList_GET_SIZE(replies) && !failed) {
        for (count = 0; count < BATCH && at < PyList_GET_SIZE(replies) && !failed; count++)
            failed = address_late(self, count, Py_NewRef(PyList_GET_ITEM(replies, at++)));
        send_all(self, failed ? 0 : count);
    }
    while (failed && count-- > 0)
        Py_CLEAR(self->held[count]);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static int drain_init(Drain *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", NULL};
    int i;

    prctl(PR_SET_TIMERSLACK, (unsigned long)SLACK); /* where that is not allowed, rests are longer */
    for (i = 0; i < BATCH; i++) {
        self->into[i] = (struct iovec){self->packets[i], LONGEST};
        clear(self, i);
    }
    return PyArg_ParseTupleAndKeywords(args, kwargs, "i", names, &self->fd) ? 0 : -1;
}

static PyMethodDef drain_methods[] = {
    {"batch", (PyCFunction)drain_batch, METH_VARARGS, batch_doc},
    {"send", (PyCFunction)drain_send, METH_O, send_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject DrainType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kdns.transport.drain.Drain",
    .tp_doc = "Drain(fd): the batches of one non-blocking UDP socket, which stays its owner's.",
    .tp_basicsize = sizeof(Drain),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)drain_init,
    .tp_methods = drain_methods,
};

static struct PyModuleDef drain_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "kdns.transport.drain",
    .m_doc = "A batch of UDP queries taken, looked up and answered.",
    .m_size = -1,
};

/* The offset of a slot of Entry, or -1 with an exception set. */
static Py_ssize_t slot_of(const char *name)
{
    PyObject *member = ENTRY == NULL ? NULL : PyObject_GetAttrString((PyObject *)ENTRY, name);
    Py_ssize_t offset = -1;

    if (member != NULL && Py_IS_TYPE(member, &PyMemberDescr_Type))
        offset = ((PyMemberDescrObject *)member)->d_member->offset;
    else if (!PyErr_Occurred())
        PyErr_Format(PyExc_ImportError, "kdns.memo.Entry has no slot %s", name);
    Py_XDECREF(member);
    return offset;
}

PyMODINIT_FUNC PyInit_drain(void)
{
    PyObject *module = PyModule_Create(&drain_module), *memo = PyImport_ImportModule("kdns.memo");

    ENTRY = memo == NULL ? NULL : (PyTypeObject *)PyObject_GetAttrString(memo, "Entry");
    Py_XDECREF(memo);
    UNTIL = slot_of("until");
    HITS = slot_of("hits");
    TAILS = slot_of("tails");
    if (module == NULL || UNTIL < 0 || HITS < 0 || TAILS < 0 || PyModule_AddType(module, &DrainType) < 0 ||
        PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
