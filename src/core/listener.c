/* SPDX-License-Identifier: Apache-2.0 */
/* Exit and error listeners of an isolate: a list in the order in which they were added, which is
 * the order in which they are told. Any number of others may listen to one isolate, so from some
 * count on an index by port says where each stands; without memory for it the list is walked. The
 * isolate alone comes here, but for its making. */
#include "core/listener.h"

#include "core/mail.h"
#include "platform/platform.h"

static struct isle__listener *listener_find(const struct isle__listeners *list, uint64_t port)
{
    if (list->index.capacity > 0)
        return (struct isle__listener *)isle__index_find(&list->index, port);
    struct isle__listener *listener = list->first;
    while (listener != NULL && listener->port != port)
        listener = listener->next;
    return listener;
}

static bool listener_note(struct isle__listeners *list, struct isle__listener *listener)
{
    return isle__index_put(&list->index, listener->port, (uintptr_t)listener);
}

/* After one has come to the end of the list. */
static void listeners_note(struct isle__listeners *list)
{
    bool is_first = list->index.capacity == 0;
    if (is_first && list->count <= ISLE__INDEX_FEW)
        return;
    bool whole = true;
    for (struct isle__listener *at = is_first ? list->first : list->last; at != NULL && whole;
         at = at->next)
        whole = listener_note(list, at);
    if (!whole)
        isle__index_fini(&list->index);
}

struct isle__listener *isle__listener_make(uint64_t port, struct isle__mail *mail)
{
    struct isle__listener *listener = isle__memory_alloc(sizeof *listener);
    if (listener != NULL)
        *listener = (struct isle__listener){.port = port, .mail = mail};
    return listener;
}

void isle__listener_free(struct isle__listener *listener)
{
    if (listener == NULL)
        return;
    isle__mail_drop(listener->mail);
    isle__memory_free(listener, sizeof *listener);
}

/* True: the port is there already, with this mail from now on. */
static bool listener_renew(struct isle__listeners *list, uint64_t port, struct isle__mail *mail)
{
    struct isle__listener *listener = listener_find(list, port);
    if (listener == NULL)
        return false;
    isle__mail_drop(listener->mail);
    listener->mail = mail;
    return true;
}

static void listener_link(struct isle__listeners *list, struct isle__listener *listener)
{
    listener->previous = list->last;
    if (list->last != NULL)
        list->last->next = listener;
    else
        list->first = listener;
    list->last = listener;
    list->count++;
    listeners_note(list);
}

isle_err isle__listener_add(struct isle__listeners *list, uint64_t port, struct isle__mail *mail)
{
    if (listener_renew(list, port, mail))
        return ISLE_OK;
    struct isle__listener *listener = isle__listener_make(port, mail);
    if (listener == NULL) {
        isle__mail_drop(mail);
        return ISLE_ENOMEM;
    }
    listener_link(list, listener);
    return ISLE_OK;
}

void isle__listener_put(struct isle__listeners *list, struct isle__listener *listener)
{
    if (!listener_renew(list, listener->port, listener->mail)) {
        listener_link(list, listener);
        return;
    }
    listener->mail = NULL;
    isle__listener_free(listener);
}

void isle__listener_remove(struct isle__listeners *list, uint64_t port)
{
    struct isle__listener *listener = listener_find(list, port);
    if (listener == NULL)
        return;
    if (listener->previous != NULL)
        listener->previous->next = listener->next;
    else
        list->first = listener->next;
    if (listener->next != NULL)
        listener->next->previous = listener->previous;
    else
        list->last = listener->previous;
    isle__index_remove(&list->index, port);
    if (--list->count == 0)
        isle__index_fini(&list->index);
    isle__listener_free(listener);
}

void isle__listeners_free(struct isle__listeners *list)
{
    struct isle__listener *listener = list->first;
    while (listener != NULL) {
        struct isle__listener *next = listener->next;
        isle__listener_free(listener);
        listener = next;
    }
    isle__index_fini(&list->index);
    *list = (struct isle__listeners){0};
}
