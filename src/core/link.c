/* SPDX-License-Identifier: Apache-2.0 */
/* Links: when one of two isolates ends otherwise than by returning, the other is ended as well, or
 * told at the port that it has set.
 *
 * A relation has two sides. Each is an entry in an isolate's list, with the notice to the other: a
 * control message that was made with it, so that telling needs no memory and no room, and is never
 * refused for a full mailbox or for CONTROL_MAX. At the end whole notices, with the texts, take
 * their place if there is memory for them.
 *
 * A notice is control, since it ends whom it finds; but it is posted last of all, and where an end
 * is trapped the message goes from there to the port, so it is behind all that the dying isolate
 * sent. Each end is done in the turn of its own isolate: a chain of links is no recursion.
 *
 * Law: a relation has a serial, and is the same on both sides by it. Who asks has its side before
 * the other has, and who parts takes its own away at once: a notice that finds no entry of its
 * serial is of a relation that is over, and does nothing. When both ask at once there are two
 * relations, which mean no more than one. So both sides agree, whatever crosses whatever.
 *
 * Behind a wall the body that has the list is the proxy: the host ends it, whatever runs inside;
 * the inside has what it asks for done there (isle__link_elsewhere). */
#include "core/link.h"

#include <string.h>

#include "core/backend.h"
#include "core/control.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/monitor.h"
#include "value/cell.h"

isle__linker *isle__link_elsewhere;

/* --- the list of one isolate */

static struct isle__link *links_find(const struct isle__links *links, uint64_t peer)
{
    if (links->index.capacity > 0)
        return (struct isle__link *)isle__index_find(&links->index, peer);
    struct isle__link *link = links->first;
    while (link != NULL && link->peer != peer)
        link = link->next;
    return link;
}

static struct isle__link *links_find_one(const struct isle__links *links, uint64_t peer,
                                         uint64_t serial)
{
    struct isle__link *link = links_find(links, peer);
    while (link != NULL && link->serial != serial)
        link = link->same;
    return link;
}

/* After one has come to the end of the list, the first of its peer. Many have an index, as long as
 * there is memory for it. */
static void links_note(struct isle__links *links)
{
    bool is_first = links->index.capacity == 0;
    if (is_first && links->count <= ISLE__INDEX_FEW)
        return;
    bool whole = true;
    struct isle__link *link = is_first ? links->first : links->last;
    for (; link != NULL && whole; link = link->next)
        if (isle__index_find(&links->index, link->peer) == 0)
            whole = isle__index_put(&links->index, link->peer, (uintptr_t)link);
    if (!whole)
        isle__index_fini(&links->index);
}

static void links_put(struct isle__links *links, struct isle__link *link)
{
    struct isle__link *same = links_find(links, link->peer);
    link->next = link->same = NULL;
    link->previous = links->last;
    if (links->last != NULL)
        links->last->next = link;
    else
        links->first = link;
    links->last = link;
    links->count++;
    while (same != NULL && same->same != NULL)
        same = same->same;
    if (same != NULL)
        same->same = link;
    links_note(links);
}

/* The oldest of a peer goes to where the next one is; that needs no memory. */
static void links_forget(struct isle__links *links, struct isle__link *link)
{
    struct isle__link *at = links_find(links, link->peer);
    if (at != link) {
        while (at->same != link)
            at = at->same;
        at->same = link->same;
    } else if (links->index.capacity > 0 && link->same != NULL) {
        (void)!isle__index_put(&links->index, link->peer, (uintptr_t)link->same);
    } else if (links->index.capacity > 0) {
        isle__index_remove(&links->index, link->peer);
    }
}

static void links_remove(struct isle__links *links, struct isle__link *link)
{
    links_forget(links, link);
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        links->first = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    else
        links->last = link->previous;
    if (--links->count == 0)
        isle__index_fini(&links->index);
}

void isle__links_free(struct isle__links *links)
{
    struct isle__link *link = links->first;
    while (link != NULL) {
        struct isle__link *next = link->next;
        isle__link_free(link);
        link = next;
    }
    isle__index_fini(&links->index);
    *links = (struct isle__links){0};
}

/* --- one side */

void isle__link_free(struct isle__link *link)
{
    if (link == NULL)
        return;
    if (link->notice != NULL)
        isle__control_free(link->notice);
    isle__memory_free(link, sizeof *link);
}

/* By which `peer` will be told how the isolate of `self` ended. NULL: no memory. */
static struct isle__link *link_make(uint64_t self, uint64_t peer, uint64_t serial)
{
    struct isle__link *link = isle__memory_alloc(sizeof *link);
    struct isle__control *notice = isle__memory_alloc(sizeof *notice);
    struct isle__mail *mail = isle__end_make(self, 0);
    if (link == NULL || notice == NULL || mail == NULL) {
        isle__memory_free(link, sizeof *link);
        isle__memory_free(notice, sizeof *notice);
        isle__mail_drop(mail);
        return NULL;
    }
    *notice = (struct isle__control){
        .kind = ISLE__CONTROL_LINKED,
        .target = peer,
        .port = self,
        .key = serial,
        .mail = mail,
    };
    *link = (struct isle__link){.peer = peer, .serial = serial, .notice = notice};
    return link;
}

static uint64_t link_serial(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

/* The notice goes, and with it the entry; it says what its kind says. */
static void link_post(struct isle__link *link)
{
    struct isle__control *notice = link->notice;
    link->notice = NULL;
    isle__link_free(link);
    if (isle__control_post(notice) != ISLE_OK)
        return; /* who would be told has ended before */
}

/* The same as word that the relation is over. */
static void link_post_parting(struct isle__link *link)
{
    isle__mail_drop(link->notice->mail);
    link->notice->mail = NULL;
    link->notice->kind = ISLE__CONTROL_UNLINK;
    link_post(link);
}

static uint64_t link_self(const struct isle__isolate *isolate)
{
    return isolate->id | ISLE__ID_CONTROL;
}

void isle__link_put(struct isle__isolate *self, struct isle__link *link)
{
    links_put(&isle__isolate_has_cold(self)->links, link);
}

/* --- joining and parting */

isle_err isle__link_join(struct isle__isolate *self, isle_isolate other)
{
    uint64_t own = link_self(self), peer = other.control_port.id, serial = link_serial();
    struct isle__cold *cold = isle__isolate_cold(self);
    if (cold == NULL)
        return ISLE_ENOMEM;
    if (peer == own || links_find(&cold->links, peer) != NULL)
        return ISLE_OK;
    struct isle__link *mine = link_make(own, peer, serial), *theirs = link_make(peer, own, serial);
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    if (mine == NULL || theirs == NULL || control == NULL) {
        isle__link_free(mine);
        isle__link_free(theirs);
        isle__memory_free(control, sizeof *control);
        return ISLE_ENOMEM;
    }
    *control = (struct isle__control){
        .kind = ISLE__CONTROL_LINK,
        .target = peer,
        .capability = other.terminate_capability.id,
        .link = theirs,
    };
    if (isle__control_post(control) == ISLE_EFULL) {
        isle__link_free(mine);
        return ISLE_EFULL;
    }
    links_put(&cold->links, mine); /* before anything of the other is heard */
    return ISLE_OK;
}

void isle__link_part(struct isle__isolate *self, uint64_t peer)
{
    struct isle__cold *cold = isle__isolate_has_cold(self);
    struct isle__link *link = NULL;
    while (cold != NULL && (link = links_find(&cold->links, peer)) != NULL) {
        links_remove(&cold->links, link);
        link_post_parting(link);
    }
}

isle_err isle__link_trap(struct isle__isolate *self, uint64_t port)
{
    struct isle__cold *cold = isle__isolate_cold(self);
    if (cold == NULL)
        return ISLE_ENOMEM;
    cold->trap = port;
    return ISLE_OK;
}

isle_err isle__link_birth(struct isle__isolate *self, struct isle__isolate *newborn,
                          struct isle__link **ret_mine)
{
    uint64_t own = link_self(self), peer = link_self(newborn), serial = link_serial();
    if (isle__isolate_cold(self) == NULL || isle__isolate_cold(newborn) == NULL)
        return ISLE_ENOMEM;
    struct isle__link *mine = link_make(own, peer, serial), *theirs = link_make(peer, own, serial);
    if (mine == NULL || theirs == NULL) {
        isle__link_free(mine);
        isle__link_free(theirs);
        return ISLE_ENOMEM;
    }
    isle__link_put(newborn, theirs);
    *ret_mine = mine;
    return ISLE_OK;
}

/* --- what comes from the other side */

/* Who may not end this isolate is not linked to it, and hears that. */
bool isle__link_asked(struct isle__isolate *isolate, struct isle__control *control)
{
    struct isle__link *link = control->link;
    if (control->capability != isle__isolate_capability(isolate->id, 2).id) {
        control->link = NULL;
        link_post_parting(link);
        return true;
    }
    if (isle__isolate_cold(isolate) == NULL)
        return false;
    control->link = NULL;
    isle__link_put(isolate, link);
    return true;
}

void isle__link_parted(struct isle__isolate *isolate, const struct isle__control *control)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    struct isle__link *link =
        cold == NULL ? NULL : links_find_one(&cold->links, control->port, control->key);
    if (link == NULL)
        return;
    links_remove(&cold->links, link);
    isle__link_free(link);
}

void isle__link_refuse(struct isle__control *control)
{
    struct isle__link *link = control->link;
    control->link = NULL;
    if (link != NULL)
        link_post(link); /* as it was made: lost */
}

/* "NAME: REASON: TEXT" of where it began, however many links it has come through. */
static void end_describe(const isle_end *end, char *text, size_t size)
{
    char number[ISLE__DEFAULT_NAME_MAX];
    const char *name = end->debug_name, *said = end->text;
    if (end->reason == ISLE_LINKED) {
        (void)snprintf(text, size, "%s", said);
    } else {
        uint64_t id = end->isolate.control_port.id & ~ISLE__ID_CONTROL;
        (void)isle__default_name(id, number);
        (void)snprintf(text, size, "%s: %s%s%s", *name == '\0' ? number : name,
                       isle_reason_text(end->reason), *said == '\0' ? "" : ": ", said);
    }
    text[isle__utf8_valid(text, strlen(text))] = '\0'; /* it may be cut */
}

static void link_ends(struct isle__isolate *isolate, const isle_end *end)
{
    char text[512], line[600];
    if (end->reason == ISLE_RETURNED)
        return;
    end_describe(end, text, sizeof text);
    isle__isolate_end_as(isolate, ISLE_LINKED, text);
    isolate->failed = true;
    if (!isolate->is_root)
        return;
    (void)snprintf(line, sizeof line, "isle: the root ends with an isolate it is linked to: %s",
                   text);
    isle__report(line);
}

/* Takes the mail, an end without an address. */
static void link_over(struct isle__isolate *isolate, struct isle__mail *mail)
{
    uint64_t trap = isle__isolate_has_cold(isolate)->trap;
    if (trap != 0) {
        mail->target = trap;
        isle__mail_post_reserved(mail);
        return;
    }
    link_ends(isolate, isle__end_of(mail));
    isle__mail_drop(mail);
}

void isle__link_told(struct isle__isolate *isolate, struct isle__control *control)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    struct isle__link *link;
    if (cold == NULL || links_find_one(&cold->links, control->port, control->key) == NULL)
        return;
    while ((link = links_find(&cold->links, control->port)) != NULL) {
        links_remove(&cold->links, link);
        isle__link_free(link);
    }
    struct isle__mail *mail = control->mail;
    control->mail = NULL;
    link_over(isolate, mail);
}

void isle__link_lost(struct isle__isolate *self, uint64_t peer)
{
    const isle_end end = {
        .isolate.control_port = {peer}, .reason = ISLE_LOST, .text = "", .debug_name = ""};
    const struct isle__cold *cold = isle__isolate_has_cold(self);
    struct isle__mail *mail =
        cold == NULL || cold->trap == 0 ? NULL : isle__end_make(peer, cold->trap);
    if (mail != NULL)
        isle__mail_post_reserved(mail);
    else
        link_ends(self, &end);
}

/* --- the end */

struct isle__links isle__links_take(struct isle__isolate *isolate)
{
    struct isle__links links = {0};
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL || cold->links.first == NULL)
        return links;
    isle_end end = isle__ending_read(isolate);
    links = cold->links;
    cold->links = (struct isle__links){0};
    for (struct isle__link *at = links.first; at != NULL; at = at->next)
        isle__end_tell(&at->notice->mail, &end);
    return links;
}

void isle__links_tell(struct isle__links *links)
{
    struct isle__link *link = links->first;
    while (link != NULL) {
        struct isle__link *next = link->next;
        link_post(link);
        link = next;
    }
    isle__index_fini(&links->index);
}

/* --- the callers' side */

static isle_err link_do(struct isle__isolate *self, enum isle__link_act act, isle_isolate other,
                        isle_send_port port)
{
    if (isle__link_elsewhere != NULL)
        return isle__link_elsewhere(act, other, port);
    switch (act) {
    case ISLE__LINK_JOIN:
        return isle__link_join(self, other);
    case ISLE__LINK_PART:
        isle__link_part(self, other.control_port.id);
        return ISLE_OK;
    case ISLE__LINK_OWN: /* the end of who is here runs what its scopes have deferred */
        return ISLE_OK;
    case ISLE__LINK_TRAP:
        break;
    }
    return isle__link_trap(self, port.id);
}

static void link_insist(const char *function, enum isle__link_act act, isle_isolate other,
                        isle_send_port port)
{
    struct isle__isolate *self = isle__isolate_need(function);
    isle_err err = link_do(self, act, other, port);
    if (err != ISLE_OK)
        isle__throw(err, "%s: %s", function, isle_err_text(err));
    isle__attend(self);
}

void isle_link(isle_isolate isolate)
{
    (void)isle__isolate_need(__func__);
    if (isolate.control_port.id == 0)
        isle__throw(ISLE_EINVAL, "isle_link: the isolate is none");
    link_insist(__func__, ISLE__LINK_JOIN, isolate, (isle_send_port){0});
}

void isle_unlink(isle_isolate isolate)
{
    link_insist(__func__, ISLE__LINK_PART, isolate, (isle_send_port){0});
}

void isle_trap_links(isle_send_port port)
{
    link_insist(__func__, ISLE__LINK_TRAP, (isle_isolate){{0}, {0}, {0}, {0}}, port);
}

void isle__own(isle_isolate isolate)
{
    if (isolate.terminate_capability.id != 0)
        link_insist(__func__, ISLE__LINK_OWN, isolate, (isle_send_port){0});
}
