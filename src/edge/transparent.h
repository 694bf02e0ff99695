/* edge/transparent.h
 * Sessions in other people's way: whom the client called, which rule holds, and which of the three
 * methods follows (SPEC MC-2 to MC-8). For `terminate`, also what differs from a relay: the upstream is
 * connected first, its own greeting and name reach the client, and the certificate that the client
 * sees may be minted in the likeness of the upstream's. */
#ifndef EDGE_TRANSPARENT_H
#define EDGE_TRANSPARENT_H

#include "edge/session.h"

/* Instead of session_begin. session->target is whom the client called; `own`: that is ourselves, a loop. */
void transparent_begin(struct session *s, bool own);

/* PHASE_START of such a session: the client's hello is looked at before anybody is called. */
bool transparent_step(struct session *s);

/* Until the client has been greeted (terminate). True where something moved. */
bool transparent_greet(struct session *s);

/* The certificate for the client, minted where the action has an authority. NULL where all is
 * well, else what to answer to STARTTLS. What it puts into session->leaf is good until the next
 * session has its turn: the authority may let go of it to mint another. */
const struct smtp_answer *transparent_leaf(struct session *s);

#endif
