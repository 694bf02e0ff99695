/* A policy that is taken is whole: written out again it is the same one. So is the id of a record. */
#include "base/buf.h"
#include "base/must.h"
#include "policy/policy_name.h"
#include "policy/policy_sts.h"

#include <inttypes.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(struct span in)
{
	char id[33], again[33], text[64] = "v=STSv1; id=";

	if (!policy_sts_record(in, id))
		return;
	must(id[0] != '\0' && strlen(id) < sizeof(id));
	memcpy(text + strlen(text), id, strlen(id) + 1);
	must(policy_sts_record(span_str(text), again));
	must(strcmp(id, again) == 0);
}

static void check_pattern(const char *pattern)
{
	bool wild = pattern[0] == '*';

	must(!wild || pattern[1] == '.');
	must(policy_name_ok(span_str(pattern + (wild ? 2 : 0))));
	must(policy_sts_matches(pattern, pattern));
	must(!wild || !policy_sts_matches(pattern, pattern + 2));
}

static void print(const struct policy_sts *p, struct buf *b)
{
	static const char *const modes[] = { "none", "testing", "enforce" };

	must(buf_printf(b, "version: STSv1\r\nmode: %s\r\nmax_age: %" PRId64 "\r\n", modes[p->mode], p->max_age));
	for (unsigned i = 0; i < p->mx_count; i++)
		must(buf_printf(b, "mx: %s\r\n", p->mx[i]));
}

static void check_policy(struct span in)
{
	static struct policy_sts p, again;
	struct why why;
	struct buf b;

	if (!policy_sts_read(in, &p, &why)) {
		must(why.fault == FAULT_PEER);
		return;
	}
	must(p.mode == POLICY_STS_MODE_NONE || p.mx_count > 0);
	must(p.mx_count <= POLICY_STS_MX_MOST && p.max_age >= 0 && p.max_age <= POLICY_STS_AGE_MOST);
	for (unsigned i = 0; i < p.mx_count; i++)
		check_pattern(p.mx[i]);
	buf_init(&b, POLICY_STS_BODY_MOST);
	print(&p, &b);
	must(policy_sts_read(buf_peek(&b), &again, &why));
	must(memcmp(&p, &again, sizeof(p)) == 0);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_record(span_of(data, size));
	check_policy(span_of(data, size));
	return 0;
}
