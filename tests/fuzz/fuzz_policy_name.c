/* What a name is folded into can be asked for in DNS and compared: it is of harmless octets, and stays as it is when it is folded again. */
#include "base/must.h"
#include "policy/policy_name.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const char *folded)
{
	char again[POLICY_NAME_MOST], capitals[POLICY_NAME_MOST];

	must(policy_name_fold(span_str(folded), again));
	must(strcmp(folded, again) == 0);
	for (size_t i = 0; i <= strlen(folded); i++)
		capitals[i] = folded[i] >= 'a' && folded[i] <= 'z' ? (char)(folded[i] - 'a' + 'A') : folded[i];
	must(policy_name_fold(span_str(capitals), again));
	must(strcmp(folded, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size), domain = policy_name_domain(in);
	char folded[POLICY_NAME_MOST];

	must(domain.len <= in.len && span_find(domain, '@') == domain.len);
	if (!policy_name_fold(in, folded)) {
		must(folded[0] == '\0');
		must(!policy_name_ok(in));
		return 0;
	}
	must(policy_name_ok(span_str(folded)) == (folded[0] != '['));
	must(!policy_name_ok(in) || span_eq(in, span_str(folded)));
	check_again(folded);
	return 0;
}
