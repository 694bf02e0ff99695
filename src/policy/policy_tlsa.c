#include "policy/policy_tlsa.h"

#include "policy/policy_evidence.h"

#define NUMBERS 3

enum { DANE_TA = 2, DANE_EE = 3 };
enum { SELECTOR_CERT, SELECTOR_SPKI };
enum { MATCHING_WHOLE, MATCHING_SHA256, MATCHING_SHA512 };

static bool length_ok(uint8_t matching, size_t len)
{
	switch (matching) {
	case MATCHING_WHOLE:
		return len > 0 && len <= EVIDENCE_TLSA_DATA;
	case MATCHING_SHA256:
		return len == 32;
	case MATCHING_SHA512:
		return len == 64;
	default:
		return false;
	}
}

bool policy_tlsa_read(struct span rdata, struct tls_tlsa *r)
{
	const unsigned char *at = (const unsigned char *)rdata.at;

	*r = (struct tls_tlsa){ 0 };
	if (rdata.len <= NUMBERS)
		return false;
	if ((at[0] != DANE_TA && at[0] != DANE_EE) || at[1] > SELECTOR_SPKI || !length_ok(at[2], rdata.len - NUMBERS))
		return false;
	r->usage = at[0];
	r->selector = at[1];
	r->matching = at[2];
	r->len = (uint16_t)(rdata.len - NUMBERS);
	r->data = (unsigned char *)at + NUMBERS;
	return true;
}
