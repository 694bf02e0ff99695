/* policy/policy_message.h
 * What an edge and `route` say to each other, over a line of their own (SOCK_SEQPACKET; the master makes it and hands each its
 * end). Decoding is total and strict: one form for each message, no octet left over. A peer that does not speak this is
 * cut off. */
#ifndef POLICY_MESSAGE_H
#define POLICY_MESSAGE_H

#include "base/buf.h"
#include "policy/policy_evidence.h"

#define POLICY_MESSAGE_MOST (160 * 1024)
#define POLICY_OCSP_MOST (16 * 1024)
#define POLICY_URL_MOST 512

enum policy_message_kind {
	POLICY_ASK = 1,    /* edge -> route: evidence for a domain; answered once, within ROUTE_PATIENCE */
	POLICY_EVIDENCE,   /* route -> edge */
	POLICY_RESULT,     /* edge -> route: how TLS went at a host: for TLSRPT and the memory; not answered */
	POLICY_OCSP_ASK,   /* edge -> route: a request (DER) for an OCSP responder (http URL) */
	POLICY_OCSP_ANSWER,/* route -> edge: its response (DER); empty: none could be had */
	POLICY_TABLE,      /* route -> edge, with one descriptor: a memfd, sealed, with all rules of the database (policy_rule_encode, one behind the other) */
};

/* How TLS at a host ended (RFC 8460 section 4.3); the names are those of the report. */
enum policy_result_type {
	POLICY_RESULT_SUCCESS,
	POLICY_RESULT_STARTTLS_NOT_SUPPORTED,
	POLICY_RESULT_CERTIFICATE_HOST_MISMATCH,
	POLICY_RESULT_CERTIFICATE_EXPIRED,
	POLICY_RESULT_CERTIFICATE_NOT_TRUSTED,
	POLICY_RESULT_VALIDATION_FAILURE,
	POLICY_RESULT_TLSA_INVALID,
	POLICY_RESULT_DNSSEC_INVALID,
	POLICY_RESULT_DANE_REQUIRED,
	POLICY_RESULT_STS_POLICY_FETCH_ERROR,
	POLICY_RESULT_STS_POLICY_INVALID,
	POLICY_RESULT_STS_WEBPKI_INVALID,
	POLICY_RESULT_MOST,
};
const char *policy_result_name(enum policy_result_type t); /* "starttls-not-supported" */

enum policy_result_policy { POLICY_RESULT_NO_POLICY, POLICY_RESULT_STS, POLICY_RESULT_TLSA, POLICY_RESULT_POLICY_MOST };

struct policy_result {
	char domain[EVIDENCE_NAME_MOST]; /* of the recipient */
	char host[EVIDENCE_NAME_MOST];   /* MX; "" where it did not come to one */
	char address[48];                /* of the host, as text */
	char own_address[48];
	enum policy_result_policy policy;
	enum policy_result_type type;
	bool tls;                        /* there was TLS, verified or not: for the memory */
	bool delivered;                  /* the message went through all the same, or nothing failed */
	char reason[EVIDENCE_TEXT_MOST]; /* printable ASCII; "" */
};

struct policy_message {
	enum policy_message_kind kind;
	uint32_t id;                        /* chosen by the edge, the same in the answer; 0 for RESULT and TABLE */
	char domain[EVIDENCE_NAME_MOST];    /* ASK: folded */
	struct policy_evidence *evidence;   /* EVIDENCE: encode borrows it, decode gives it away */
	struct policy_result result;
	char url[POLICY_URL_MOST];          /* OCSP_ASK: "http://" and printable ASCII without blanks */
	struct span der;                    /* OCSP_ASK, OCSP_ANSWER: points into the octets that were decoded */
	uint64_t table_generation;          /* TABLE: greater is newer */
};

/* Appends to `out`, which must have room for POLICY_MESSAGE_MOST (must): what is ours keeps to the bounds. Of texts (trouble,
 * reason) what is not printable ASCII is written as "?". */
void policy_message_encode(const struct policy_message *m, struct buf *out);
/* False with `why` (FAULT_PEER), and nothing to free, where the octets are not exactly one message. */
MUST_CHECK bool policy_message_decode(struct span octets, struct policy_message *m, struct why *why);

/* The line: as ipc_channel, for these messages. src/ipc/ipc_line.h sends and receives the octets. */

#endif
