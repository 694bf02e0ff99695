#include "tls/tls_need.h"

static bool fail(struct why *why, const char *text)
{
	why_set(why, FAULT_POLICY, "%s", text);
	return false;
}

/* Sendmail's words, which partners know and grep for (SPEC GC-2). */
static bool fail_weak(struct why *why, unsigned have, unsigned need)
{
	why_set(why, FAULT_POLICY, "encryption too weak %u less than %u", have, need);
	return false;
}

static bool absent_met(const struct tls_need *need, enum tls_absent absent, struct why *why)
{
	if (need->level < NEED_ENCRYPT && need->min_bits == 0)
		return true;
	/* Before the strength: that a handshake failed is another reason than that there was
	 * nothing to shake hands with (SPEC GC-7). */
	if (absent == TLS_ABSENT_FAILED)
		return fail(why, "TLS handshake failed");
	if (need->min_bits > 0)
		return fail_weak(why, 0, need->min_bits);
	switch (absent) {
	case TLS_ABSENT_NOT_OFFERED:
		return fail(why, "TLS is required but was not offered");
	case TLS_ABSENT_REFUSED:
		return fail(why, "TLS is required but STARTTLS was refused");
	case TLS_ABSENT_UNWANTED:
		return fail(why, "TLS is required but was not tried");
	case TLS_ABSENT_NOT:
	case TLS_ABSENT_FAILED:
		break;
	}
	return fail(why, "TLS is required but is not on");
}

/* That a root of the system vouches for the certificate is no answer to records that are not met. */
static bool dane_met(const struct tls_facts *facts, struct why *why)
{
	if (facts->dane && facts->verified == TLS_VERIFIED_OK)
		return true;
	why_set(why, FAULT_POLICY, "certificate not verified by DANE: %s",
		facts->dane ? facts->verify_text : "no usable TLSA record");
	return false;
}

bool need_met(const struct tls_need *need, const struct tls_facts *facts, struct why *why)
{
	if (!facts->on)
		return absent_met(need, facts->absent, why);
	if (facts->bits < need->min_bits)
		return fail_weak(why, facts->bits, need->min_bits);
	if (need->level < NEED_VERIFY)
		return true;
	if (need->level == NEED_DANE)
		return dane_met(facts, why);
	if (facts->verified == TLS_VERIFIED_OK)
		return true;
	why_set(why, FAULT_POLICY, "certificate not verified: %s",
		facts->verify_text[0] != '\0' ? facts->verify_text : "nobody looked at it");
	return false;
}

const char *need_level_name(enum need_level level)
{
	static const char *const names[] = {
		[NEED_NONE] = "none",
		[NEED_MAY] = "may",
		[NEED_ENCRYPT] = "encrypt",
		[NEED_VERIFY] = "verify",
		[NEED_DANE] = "dane",
	};

	return names[level];
}

const char *tls_absent_name(enum tls_absent absent)
{
	static const char *const names[] = {
		[TLS_ABSENT_NOT] = "on",
		[TLS_ABSENT_UNWANTED] = "unwanted",
		[TLS_ABSENT_NOT_OFFERED] = "not-offered",
		[TLS_ABSENT_REFUSED] = "refused",
		[TLS_ABSENT_FAILED] = "failed",
	};

	return names[absent];
}

const char *tls_verified_name(enum tls_verified verified)
{
	static const char *const names[] = {
		[TLS_VERIFIED_NOT] = "no",
		[TLS_VERIFIED_OK] = "ok",
		[TLS_VERIFIED_BAD] = "bad",
	};

	return names[verified];
}
