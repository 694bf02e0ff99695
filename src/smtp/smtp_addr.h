/* smtp/smtp_addr.h
 * Paths, domains and address literals (RFC 5321 section 4.1.2, 4.1.3; RFC 6531 section 3.3).
 * Pure: spans in, spans out, all inside the input. */
#ifndef SMTP_ADDR_H
#define SMTP_ADDR_H

#include "base/span.h"

/* Octets. RFC 5321 section 4.5.3.1.1 asks for a local-part of 64 at least; forwarders (SRS)
 * and list managers (VERP) write longer ones, and the next hop is the one to judge them. */
#define SMTP_LOCAL_MOST 256
#define SMTP_DOMAIN_MOST 255

struct smtp_path {
	struct span text;   /* between the angle brackets; empty for the null reverse-path */
	struct span local;  /* with its quotes where it is a Quoted-string */
	struct span domain; /* a Domain or an address literal with its brackets; empty for <Postmaster> */
	bool utf8;          /* holds octets above 0x7f */
};

enum smtp_path_fault {
	SMTP_PATH_OK,
	SMTP_PATH_BAD,    /* not a Mailbox */
	SMTP_PATH_ROUTED, /* a source route: "<@a,@b:user@c>" (section 3.6.1) */
};

/* Reads "<...>" off the front of `rest`, and leaves `rest` behind the '>' (where it was
 * before, unless SMTP_PATH_OK). 8-bit octets must be well-formed UTF-8. No octet below 0x20,
 * no 0x7f, anywhere. `null_ok`: "<>" may stand (MAIL); otherwise "<Postmaster>" without a
 * domain may (RCPT, in any case). A dot at the end of the domain is refused: the domain
 * would be another one to every policy that compares it. */
enum smtp_path_fault smtp_path_take(struct span *rest, bool null_ok, struct smtp_path *path);

/* Domain: labels of letters, digits, hyphens (underscore tolerated: hosts that mail
 * have it), or UTF-8; or an address literal "[192.0.2.1]", "[IPv6:...]" (also checked;
 * an IPv6 address without its tag is tolerated: clients greet with it). */
bool smtp_domain_ok(struct span s);

/* Well-formed UTF-8 (RFC 3629). */
bool smtp_utf8_ok(struct span s);

#endif
