/* conf/conf_addr.h
 * Whether a text is an address or a host name, as far as an operator has to be told at once. What it
 * means is io/addr's business; this folder may not include that one. */
#ifndef CONF_ADDR_H
#define CONF_ADDR_H

#include "base/why.h"

struct conf_addr {
	bool both;            /* "*": any address of both families */
	bool v6;
	unsigned char ip[16]; /* 4 or 16 octets, the rest zero */
	uint16_t port;
};

/* "192.0.2.7:25", "[2001:db8::1]:25", "*:25". False with `why`: a few words ("it has no port"). */
MUST_CHECK bool conf_addr_listen(struct span text, struct conf_addr *a, struct why *why);
/* Whether two of them can't be listened on side by side. */
bool conf_addr_clash(const struct conf_addr *a, const struct conf_addr *b);

struct conf_net {
	bool v6;
	unsigned char ip[16]; /* 4 or 16 octets, the rest zero */
	unsigned bits;        /* of them count */
};

/* "10.1.0.0/16", "2001:db8::/32", or an address alone. Nothing may stand behind the bits that count. What is within
 * ::ffff:0:0/96 is read as the IPv4 that it stands for. */
MUST_CHECK bool conf_addr_net(struct span text, struct conf_net *net, struct why *why);
/* The same, or a host name. */
MUST_CHECK bool conf_addr_place(struct span text, struct why *why);
/* "mx.example.net", or "*.example.net". */
MUST_CHECK bool conf_addr_pattern(struct span text, struct why *why);
/* "example.net", "[192.0.2.1]", either behind "user@" or "*@"; "*.example.net", ".example.net", or "*". A dot may stand at the
 * end. Letters beyond ASCII are taken: whether IDNA does too is for policy/policy_rule.h to say. */
MUST_CHECK bool conf_addr_partner(struct span text, struct why *why);
/* "192.0.2.7:53", "[2001:db8::1]:53". */
MUST_CHECK bool conf_addr_server(struct span text, struct why *why);
/* "user@example.net", without blanks. */
MUST_CHECK bool conf_addr_mailbox(struct span text, struct why *why);

/* An address or a name, with or without a port. */
MUST_CHECK bool conf_addr_host(struct span text, struct why *why);
/* A host name as DNS has it: letters, digits, hyphens, dots; underscores are taken too. */
MUST_CHECK bool conf_addr_name(struct span text, struct why *why);

#endif
