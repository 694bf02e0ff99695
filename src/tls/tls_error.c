#include "tls/tls_inside.h"

#include <openssl/err.h>
#include <stdio.h>

/* The first complaint of the SSL library; what came before it from ASN.1 or the ciphers
 * explains nothing to a mail administrator. Where SSL is silent, the first of all. */
static unsigned long take_error(void)
{
	unsigned long first = 0, code;

	while ((code = ERR_get_error()) != 0) {
		if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_LIB(first) != ERR_LIB_SSL)
			first = code;
		if (first == 0)
			first = code;
	}
	return first;
}

static const char *reason_text(unsigned long code)
{
	const char *text = ERR_reason_error_string(code);

	return text != NULL ? text : "no reason given";
}

bool tls_error_refused(struct why *why, const char *what)
{
	why_set(why, FAULT_POLICY, "%s: %s", what, reason_text(take_error()));
	return false;
}

/* What is not in here is TLS_FAILURE_OTHER. */
static const struct {
	int reason;
	enum tls_failure class;
} classes[] = {
	{ SSL_R_UNSUPPORTED_PROTOCOL, TLS_FAILURE_VERSION },
	{ SSL_R_UNSUPPORTED_SSL_VERSION, TLS_FAILURE_VERSION },
	{ SSL_R_UNKNOWN_PROTOCOL, TLS_FAILURE_VERSION },
	{ SSL_R_WRONG_SSL_VERSION, TLS_FAILURE_VERSION },
	{ SSL_R_VERSION_TOO_LOW, TLS_FAILURE_VERSION },
	{ SSL_R_VERSION_TOO_HIGH, TLS_FAILURE_VERSION },
	{ SSL_R_NO_PROTOCOLS_AVAILABLE, TLS_FAILURE_VERSION },
	{ SSL_R_INAPPROPRIATE_FALLBACK, TLS_FAILURE_VERSION },
	{ SSL_R_BAD_PROTOCOL_VERSION_NUMBER, TLS_FAILURE_VERSION },
	{ SSL_R_NO_SHARED_CIPHER, TLS_FAILURE_CIPHER },
	{ SSL_R_NO_CIPHERS_AVAILABLE, TLS_FAILURE_CIPHER },
	{ SSL_R_NO_CIPHERS_SPECIFIED, TLS_FAILURE_CIPHER },
	{ SSL_R_UNKNOWN_CIPHER_RETURNED, TLS_FAILURE_CIPHER },
	{ SSL_R_WRONG_CIPHER_RETURNED, TLS_FAILURE_CIPHER },
	{ SSL_R_NO_SUITABLE_KEY_SHARE, TLS_FAILURE_CIPHER },
	{ SSL_R_NO_SUITABLE_GROUPS, TLS_FAILURE_CIPHER },
	{ SSL_R_BAD_KEY_SHARE, TLS_FAILURE_CIPHER },
	{ SSL_R_WRONG_CURVE, TLS_FAILURE_CIPHER },
	{ SSL_R_UNSUPPORTED_ELLIPTIC_CURVE, TLS_FAILURE_CIPHER },
	{ SSL_R_DH_KEY_TOO_SMALL, TLS_FAILURE_CIPHER },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TLS_FAILURE_CIPHER },
	{ SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, TLS_FAILURE_CIPHER },
	{ SSL_R_WRONG_SIGNATURE_TYPE, TLS_FAILURE_CIPHER },
	{ SSL_R_WRONG_VERSION_NUMBER, TLS_FAILURE_GARBAGE }, /* of a record: clear text, as a rule */
	{ SSL_R_HTTP_REQUEST, TLS_FAILURE_GARBAGE },
	{ SSL_R_HTTPS_PROXY_REQUEST, TLS_FAILURE_GARBAGE },
	{ SSL_R_BAD_PACKET, TLS_FAILURE_GARBAGE },
	{ SSL_R_BAD_EXTENSION, TLS_FAILURE_GARBAGE },
	{ SSL_R_BAD_RECORD_TYPE, TLS_FAILURE_GARBAGE },
	{ SSL_R_BAD_LENGTH, TLS_FAILURE_GARBAGE },
	{ SSL_R_LENGTH_MISMATCH, TLS_FAILURE_GARBAGE },
	{ SSL_R_LENGTH_TOO_SHORT, TLS_FAILURE_GARBAGE },
	{ SSL_R_LENGTH_TOO_LONG, TLS_FAILURE_GARBAGE },
	{ SSL_R_RECORD_LENGTH_MISMATCH, TLS_FAILURE_GARBAGE },
	{ SSL_R_RECORD_TOO_SMALL, TLS_FAILURE_GARBAGE },
	{ SSL_R_PACKET_LENGTH_TOO_LONG, TLS_FAILURE_GARBAGE },
	{ SSL_R_DATA_LENGTH_TOO_LONG, TLS_FAILURE_GARBAGE },
	{ SSL_R_ENCRYPTED_LENGTH_TOO_LONG, TLS_FAILURE_GARBAGE },
	{ SSL_R_EXCESSIVE_MESSAGE_SIZE, TLS_FAILURE_GARBAGE },
	{ SSL_R_DECRYPTION_FAILED, TLS_FAILURE_GARBAGE },
	{ SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, TLS_FAILURE_GARBAGE },
	{ SSL_R_DIGEST_CHECK_FAILED, TLS_FAILURE_GARBAGE },
	{ SSL_R_BAD_SIGNATURE, TLS_FAILURE_GARBAGE },
	{ SSL_R_UNEXPECTED_MESSAGE, TLS_FAILURE_GARBAGE },
	{ SSL_R_UNEXPECTED_RECORD, TLS_FAILURE_GARBAGE },
	{ SSL_R_UNKNOWN_ALERT_TYPE, TLS_FAILURE_GARBAGE },
	{ SSL_R_INVALID_ALERT, TLS_FAILURE_GARBAGE },
	{ SSL_R_TOO_MANY_WARN_ALERTS, TLS_FAILURE_GARBAGE },
};

static enum tls_failure class_of(int reason)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (classes[i].reason == reason)
			return classes[i].class;
	}
	return TLS_FAILURE_OTHER;
}

static void say_alert(struct why *why, int number)
{
	const char *text = SSL_alert_desc_string_long(number);
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(name) - 1 && text[i] != '\0'; i++)
		name[i] = ascii_lower(text[i]);
	name[i] = '\0';
	why_set(why, FAULT_PEER, "peer sent alert %d (%s)", number, name);
}

enum tls_failure tls_error_failure(struct why *why)
{
	static const char *const words[] = {
		[TLS_FAILURE_NONE] = "",
		[TLS_FAILURE_VERSION] = "no TLS version in common",
		[TLS_FAILURE_CIPHER] = "no cipher, group or signature in common",
		[TLS_FAILURE_ALERT] = "",
		[TLS_FAILURE_GARBAGE] = "not valid TLS",
		[TLS_FAILURE_OTHER] = "TLS failed",
	};
	unsigned long code = take_error();
	int reason = ERR_GET_REASON(code);
	enum tls_failure class = TLS_FAILURE_OTHER;

	if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
		if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
			say_alert(why, reason - SSL_AD_REASON_OFFSET);
			return TLS_FAILURE_ALERT;
		}
		class = class_of(reason);
	}
	why_set(why, reason == ERR_R_INTERNAL_ERROR ? FAULT_SELF : FAULT_PEER, "%s (%s)",
		words[class], reason_text(code));
	return class;
}
