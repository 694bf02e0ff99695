#include "policy/policy_key.h"

#include <string.h>

/* One octet of a local part as it counts, off the front. Inside quotes a backslash stands for what follows it. */
static bool local_octet(struct span *rest, bool quoted, char *c)
{
	if (quoted && rest->at[0] == '\\') {
		*rest = span_from(*rest, 1);
		if (rest->len == 0)
			return false;
	} else if (quoted && rest->at[0] == '"') {
		return false;
	}
	*c = ascii_lower(rest->at[0]);
	*rest = span_from(*rest, 1);
	return true;
}

/* Puts the local part in front of a key, without quotes. */
static bool put_local(struct span local, struct policy_key *key)
{
	bool quoted = local.len >= 2 && local.at[0] == '"' && local.at[local.len - 1] == '"';

	if (quoted)
		local = span_first(span_from(local, 1), local.len - 2);
	key->len = 0;
	while (local.len > 0) {
		if (key->len == POLICY_KEY_LOCAL_MOST || !local_octet(&local, quoted, &key->at[key->len]))
			return false;
		key->len++;
	}
	return key->len > 0;
}

static bool put_domain(const char *domain, struct policy_key *key)
{
	size_t len = strlen(domain);

	if (len > POLICY_KEY_MOST - key->len)
		return false;
	memcpy(key->at + key->len, domain, len);
	key->len += len;
	return true;
}

static bool put_folded(struct span name, struct policy_key *key)
{
	char folded[POLICY_NAME_MOST];

	return policy_name_fold(name, folded) && put_domain(folded, key);
}

static bool read_address(struct span text, struct span domain, struct policy_key *key)
{
	struct span local = span_first(text, text.len - domain.len - 1);

	if (!put_local(local, key))
		return false;
	/* The mailbox "*" is written with quotes; as a key it would be another form. */
	if (key->len == 1 && key->at[0] == '*' && local.len > 1)
		return false;
	key->at[key->len++] = '@';
	return put_folded(domain, key);
}

bool policy_key_read(struct span text, struct policy_key *key)
{
	struct span domain = policy_name_domain(text);

	key->len = 0;
	if (span_eq(text, SPAN("*")))
		return put_domain("*", key);
	if (domain.len < text.len)
		return read_address(text, domain, key);
	if (span_starts_nocase(text, SPAN("*.")))
		text = span_from(text, 1);
	if (text.len == 0 || text.at[0] != '.')
		return put_folded(text, key);
	text = span_from(text, 1);
	/* Nothing lies below an address. */
	return (text.len == 0 || text.at[0] != '[') && put_domain(".", key) && put_folded(text, key);
}

static void add(struct policy_keys *keys, struct span key)
{
	keys->at[keys->count++] = key;
}

static void add_address(struct policy_keys *keys, struct span local, struct span domain)
{
	if (!put_local(local, &keys->address))
		return;
	keys->address.at[keys->address.len++] = '@';
	memcpy(keys->address.at + keys->address.len, domain.at, domain.len);
	keys->address.len += domain.len;
	add(keys, span_of(keys->address.at, keys->address.len));
}

/* ".example.net" comes before "example.net": it says more about what is below. */
static void add_parents(struct policy_keys *keys, struct span domain)
{
	for (;;) {
		domain = span_from(domain, span_find(domain, '.'));
		if (domain.len == 0)
			return;
		add(keys, domain);
		domain = span_from(domain, 1);
		add(keys, domain);
	}
}

void policy_keys_of(struct policy_keys *keys, struct span address)
{
	struct span domain = policy_name_domain(address);

	keys->count = 0;
	if (policy_name_fold(domain, keys->domain + 2)) {
		struct span folded = span_str(keys->domain + 2);

		keys->domain[0] = '*';
		keys->domain[1] = '@';
		if (domain.len < address.len)
			add_address(keys, span_first(address, address.len - domain.len - 1), folded);
		add(keys, span_of(keys->domain, 2 + folded.len));
		add(keys, folded);
		if (folded.at[0] != '[')
			add_parents(keys, folded);
	}
	add(keys, SPAN("*"));
}

int policy_key_compare(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.at, b.at, len) : 0;

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}
