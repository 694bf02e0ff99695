/* What a client says in a SASL exchange that is relayed: what is taken for AUTH's argument is safe to send on and
 * read the same again; the name is found, or not, whatever the octets; and what is kept is that name alone: it is
 * part of what one line showed, and what stands behind it in that line is not part of it. */
#include "base/base64.h"
#include "base/must.h"
#include "smtp/smtp_sasl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(struct span all, struct span part)
{
	for (size_t at = 0; at + part.len <= all.len; at++) {
		if (memcmp(all.at + at, part.at, part.len) == 0)
			return true;
	}
	return part.len == 0;
}

/* At most as long as it says, the beginning of what more room gives, and nothing outside the block. */
static void check_base64(struct span text)
{
	size_t most = text.len / 4 * 3 + 3, len, half;
	char *all = mem_new(most), *some;

	len = base64_read(text, all, most);
	must(len <= text.len * 3 / 4);
	some = mem_new(len / 2 + 1);
	half = base64_read(text, some, len / 2);
	must(half == len / 2 && memcmp(all, some, half) == 0);
	free(all);
	free(some);
}

static void check_kept(const struct smtp_sasl *s)
{
	must(memchr(s->user, '\0', sizeof(s->user)) != NULL);
	must(memchr(s->mechanism, '\0', sizeof(s->mechanism)) != NULL);
	must(s->named || s->user[0] == '\0');
}

/* The name stands in what the line decodes to, and never reaches its end but where the line is all name. */
static void check_name(const struct smtp_sasl *s, struct span base64)
{
	bool all_name = strcmp(s->mechanism, "LOGIN") == 0 || strcmp(s->mechanism, "EXTERNAL") == 0;
	struct span user = span_str(s->user);
	size_t len = 0;
	char *octets;

	if (!s->named || user.len == 0)
		return;
	octets = mem_new(base64.len + 1);
	len = base64_read(base64, octets, base64.len + 1);
	must(holds(span_of(octets, len), user));
	must(all_name || user.len == SMTP_SASL_USER_MOST || user.len < len);
	free(octets);
}

static void check_arg(struct span arg)
{
	struct span rest = arg, name = span_cut(&rest, ' ');

	must(name.len > 0 && name.len <= 20);
	for (size_t i = 0; i < arg.len; i++)
		must(arg.at[i] > 0x1f && arg.at[i] < 0x7f);
	must(span_find(rest, ' ') == rest.len);
	must(smtp_sasl_line_ok(rest));
}

/* Line after line, the first is AUTH's argument. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct span arg = span_cut(&rest, '\n'), response = arg;
	struct smtp_sasl s;

	check_base64(rest);
	if (smtp_sasl_arg_ok(arg))
		check_arg(arg);
	smtp_sasl_begin(&s, arg);
	check_kept(&s);
	span_cut(&response, ' ');
	check_name(&s, response);
	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');
		bool named = s.named;

		if (smtp_sasl_line_ok(line))
			must(span_find(line, '\r') == line.len && span_find(line, ' ') == line.len);
		smtp_sasl_line(&s, line);
		check_kept(&s);
		must(!named || s.named);
		if (!named)
			check_name(&s, line);
	}
	return 0;
}
