/* kdns.wire.sections: the records of a message, and one TTL for all of them.
 *
 * Two leaves of kdns.wire that every reply of an upstream passes through, in C: `read_sections` of kdns.wire.records
 * and `levelled` of kdns.wire.ttl. What they take, give and raise is said there, where the same is done in Python where
 * this module was not compiled; the tests hold one against the other.
 *
 * Nothing is kept from call to call, and nothing is read outside of the octets that were given.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum {
    INTERFACE = 1, /* as `records.INTERFACE`: up by one when what Python calls, gives or gets here becomes another */
    MAX_NAME = 255, MAX_LABEL = 63, /* octets (RFC 1035 section 2.3.4) */
    POINTER = 0xC0,
    MAX_POINTERS = 126, /* as `names.MAX_POINTERS` */
    FIXED = 10,         /* octets of type, class, TTL and RDLENGTH (RFC 1035 section 3.2.1) */
    MAX_RDATA = 65535,
    OPT = 41,
    LAST = 39, /* type with names in NAMES_IN */
};

static PyObject *WIRE_ERROR; /* kdns.errors.WireError */

static const struct { uint8_t lead, count; } NAMES_IN[LAST + 1] = { /* as `records._NAMES_IN` */
    [2] = {0, 1}, [3] = {0, 1}, [4] = {0, 1}, [5] = {0, 1}, [6] = {0, 2}, [7] = {0, 1}, [8] = {0, 1}, [9] = {0, 1},
    [12] = {0, 1}, [14] = {0, 2}, [15] = {2, 1}, [17] = {0, 2}, [18] = {2, 1}, [21] = {2, 1}, [23] = {0, 1},
    [26] = {2, 2}, [33] = {6, 1}, [36] = {2, 1}, [39] = {0, 1},
};

typedef struct {
    const unsigned char *octets;
    Py_ssize_t size;
} Message;

typedef struct {
    unsigned char octets[MAX_NAME];
    int size;
} Name;

static int number_of(const unsigned char *octets)
{
    return octets[0] << 8 | octets[1];
}

/* The (decompressed) name at `at`: the offset behind it, or -1 with an exception set. */
static Py_ssize_t read_name(const Message *message, Py_ssize_t at, Name *name)
{
    Py_ssize_t after = 0, start = at, target;
    int length, pointers = 0;

    name->size = 0;
    for (;;) {
        if (at >= message->size)
            break;
        length = message->octets[at];
        if (length <= MAX_LABEL) {
            if (at + length >= message->size)
                break;
            if (name->size + 1 + length <= MAX_NAME)
                memcpy(name->octets + name->size, message->octets + at, 1 + length);
            name->size += 1 + length;
            at += 1 + length;
            if (length > 0)
                continue;
            if (name->size <= MAX_NAME)
                return after ? after : at;
            PyErr_SetString(WIRE_ERROR, "name of more than 255 octets");
            return -1;
        }
        if (length < POINTER) {
            PyErr_Format(WIRE_ERROR, "unknown label type 0x%x", length);
            return -1;
        }
        if (at + 1 >= message->size)
            break;
        after = after ? after : at + 2;
        target = (length & 0x3F) << 8 | message->octets[at + 1];
        if (target >= start) {
            PyErr_SetString(WIRE_ERROR, "compression pointer does not go backwards");
            return -1;
        }
        if (name->size >= MAX_NAME || ++pointers > MAX_POINTERS) {
            PyErr_SetString(WIRE_ERROR, name->size >= MAX_NAME ? "name of more than 255 octets"
                                                               : "too many compression pointers");
            return -1;
        }
        at = start = target;
    }
    PyErr_SetString(WIRE_ERROR, "name runs past the end of the message");
    return -1;
}

/* A record of this owner, from TYPE on at `at` to `end`: new octets without compression, or NULL. */
static PyObject *expanded(const Message *message, const Name *owner, Py_ssize_t at, Py_ssize_t end)
{
    const unsigned char *fixed = message->octets + at;
    int kind = number_of(fixed), count = kind <= LAST && end > at + FIXED ? NAMES_IN[kind].count : 0;
    int lead = count ? NAMES_IN[kind].lead : 0, i;
    Py_ssize_t behind = at + FIXED + lead, size = lead; /* where what is no name goes on; of the RDATA */
    PyObject *record;
    unsigned char *to;
    Name found[2];

    for (i = 0; i < count; i++) {
        behind = read_name(message, behind, &found[i]);
        if (behind < 0)
            return NULL;
        size += found[i].size;
    }
    if (behind > end) {
        PyErr_SetString(WIRE_ERROR, "a name in RDATA runs past it");
        return NULL;
    }
    size += end - behind;
    if (size > MAX_RDATA)
        return PyErr_Format(WIRE_ERROR, "RDATA of %zd octets with its names decompressed", size);
    record = PyBytes_FromStringAndSize(NULL, owner->size + FIXED + size);
    if (record == NULL)
        return NULL;
    to = (unsigned char *)PyBytes_AS_STRING(record);
    memcpy(to, owner->octets, owner->size);
    to += owner->size;
    memcpy(to, fixed, FIXED + lead);
    to[8] = size >> 8;
    to[9] = size & 0xFF;
    to += FIXED + lead;
    for (i = 0; i < count; i++) {
        memcpy(to, found[i].octets, found[i].size);
        to += found[i].size;
    }
    memcpy(to, message->octets + behind, end - behind);
    return record;
}

/* The section of `count` records at `*at`, which moves behind it: a tuple, or NULL. An OPT record goes to `*opt`. */
static PyObject *read_section(const Message *message, Py_ssize_t *at, Py_ssize_t count, PyObject **opt)
{
    PyObject *section = PyTuple_New(count), *record;
    Py_ssize_t end = 0, put = 0, i;
    Name owner;

    for (i = 0; section != NULL && i < count; i++) {
        *at = read_name(message, *at, &owner);
        record = NULL;
        if (*at >= 0) {
            end = *at + FIXED;
            if (end <= message->size)
                end += number_of(message->octets + *at + 8);
            if (end > message->size)
                PyErr_SetString(WIRE_ERROR, "record runs past the message");
            else
                record = expanded(message, &owner, *at, end);
        }
        if (record == NULL) {
            Py_CLEAR(section);
        } else if (number_of(message->octets + *at) != OPT) {
            PyTuple_SET_ITEM(section, put++, record);
        } else if (*opt == NULL && owner.size == 1) {
            *opt = record;
        } else {
            Py_DECREF(record);
            PyErr_SetString(WIRE_ERROR, "a second OPT record, or one with an owner (RFC 6891 section 6.1.1)");
            Py_CLEAR(section);
        }
        *at = end;
    }
    if (section != NULL && put < count)
        _PyTuple_Resize(&section, put);
    return section;
}

PyDoc_STRVAR(read_sections_doc, "read_sections(message, at, answers, authorities, additionals)\n\n"
                                "See kdns.wire.records.");

static PyObject *read_sections(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *octets, *sections[3] = {NULL}, *opt = NULL, *found = NULL;
    Py_ssize_t at, counts[3];
    Message message;
    int i;

    if (!PyArg_ParseTuple(args, "Snnnn", &octets, &at, &counts[0], &counts[1], &counts[2]))
        return NULL;
    if (at < 0 || counts[0] < 0 || counts[1] < 0 || counts[2] < 0) {
        PyErr_SetString(PyExc_ValueError, "an offset or a count below 0");
        return NULL;
    }
    message = (Message){(const unsigned char *)PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets)};
    for (i = 0; i < 3; i++) {
        sections[i] = read_section(&message, &at, counts[i], &opt);
        if (sections[i] == NULL)
            break;
    }
    if (i == 3)
        found = PyTuple_Pack(4, sections[0], sections[1], sections[2], opt ? opt : Py_None);
    for (i = 0; i < 3; i++)
        Py_XDECREF(sections[i]);
    Py_XDECREF(opt);
    return found;
}

/* Where the TTL of a record is, or -1 with an exception set. */
static Py_ssize_t place_of_ttl(PyObject *record)
{
    const unsigned char *octets;
    Py_ssize_t at = 0, size;

    if (!PyBytes_Check(record)) {
        PyErr_SetString(PyExc_TypeError, "a record is bytes");
        return -1;
    }
    octets = (const unsigned char *)PyBytes_AS_STRING(record);
    size = PyBytes_GET_SIZE(record);
    while (at < size && octets[at])
        at += 1 + octets[at];
    if (at + 1 + FIXED <= size)
        return at + 5;
    PyErr_SetString(PyExc_IndexError, "not a record");
    return -1;
}

PyDoc_STRVAR(levelled_doc, "levelled(rrs, low, high)\n\nSee kdns.wire.ttl.");

static PyObject *levelled(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *records, *level = NULL, *record;
    unsigned long low, high, least = 0xFFFFFFFF, ttl;
    Py_ssize_t i, place;
    unsigned char *to;

    if (!PyArg_ParseTuple(args, "O!kk", &PyTuple_Type, &records, &low, &high))
        return NULL;
    for (i = 0; i < PyTuple_GET_SIZE(records); i++) {
        record = PyTuple_GET_ITEM(records, i);
        place = place_of_ttl(record);
        if (place < 0)
            return NULL;
        to = (unsigned char *)PyBytes_AS_STRING(record) + place;
        ttl = (unsigned long)number_of(to) << 16 | number_of(to + 2);
        least = ttl < least ? ttl : least;
    }
    least = least < low ? low : least;
    least = least > high ? high : least;
    level = PyTuple_New(PyTuple_GET_SIZE(records));
    for (i = 0; level != NULL && i < PyTuple_GET_SIZE(records); i++) {
        record = PyTuple_GET_ITEM(records, i);
        place = place_of_ttl(record);
        record = PyBytes_FromStringAndSize(PyBytes_AS_STRING(record), PyBytes_GET_SIZE(record));
        if (record == NULL) {
            Py_CLEAR(level);
            break;
        }
        to = (unsigned char *)PyBytes_AS_STRING(record) + place;
        to[0] = least >> 24 & 0xFF;
        to[1] = least >> 16 & 0xFF;
        to[2] = least >> 8 & 0xFF;
        to[3] = least & 0xFF;
        PyTuple_SET_ITEM(level, i, record);
    }
    return level == NULL ? NULL : Py_BuildValue("(Nk)", level, least);
}

static PyMethodDef methods[] = {
    {"read_sections", read_sections, METH_VARARGS, read_sections_doc},
    {"levelled", levelled, METH_VARARGS, levelled_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "kdns.wire.sections",
    .m_doc = "The records of a message, and one TTL for all of them.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_sections(void)
{
    PyObject *module = PyModule_Create(&definition), *errors = PyImport_ImportModule("kdns.errors");

    WIRE_ERROR = errors == NULL ? NULL : PyObject_GetAttrString(errors, "WireError");
    Py_XDECREF(errors);
    if (module == NULL || WIRE_ERROR == NULL || PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
