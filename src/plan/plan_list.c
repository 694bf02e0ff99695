#include "plan/plan_list.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_separator(char c)
{
	return c == ',' || c == ';';
}

/* A "#" within a key is a part of it: local parts may have one. */
static struct span without_comment(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] == '#' && (i == 0 || is_blank(line.at[i - 1]) || is_separator(line.at[i - 1])))
			return span_first(line, i);
	}
	return line;
}

void plan_list_begin(struct plan_list *l, struct span file)
{
	const struct span mark = SPAN("\xef\xbb\xbf"); /* some editors begin UTF-8 with it */

	*l = (struct plan_list){ .rest = file };
	if (span_eq(span_first(file, mark.len), mark))
		l->rest = span_from(file, mark.len);
}

static struct span cut_item(struct span *items)
{
	size_t len = 0;
	struct span item;

	while (len < items->len && !is_separator(items->at[len]))
		len++;
	item = span_first(*items, len);
	*items = span_from(*items, len + 1);
	return span_trim(item);
}

static bool is_plain(struct span key)
{
	for (size_t i = 0; i < key.len; i++) {
		if ((unsigned char)key.at[i] < ' ' || key.at[i] == 0x7f)
			return false;
	}
	return true;
}

static enum plan_list_next read_item(struct span text, struct plan_list_item *item, struct why *why)
{
	uint64_t bits = 0;
	size_t len = 0;
	struct span rest;

	while (len < text.len && !is_blank(text.at[len]))
		len++;
	rest = span_trim(span_from(text, len));
	*item = (struct plan_list_item){ .key = span_first(text, len), .has_bits = rest.len > 0 };
	if (!is_plain(item->key)) {
		why_set(why, FAULT_POLICY, "a control character stands here");
		return PLAN_LIST_BAD;
	}
	if (item->has_bits && !span_number(rest, PLAN_LIST_BITS_MOST, &bits)) {
		why_set(why, FAULT_POLICY, "behind a key there can be a number of bits up to %d; blanks do not separate keys, "
			"a comma does", PLAN_LIST_BITS_MOST);
		return PLAN_LIST_BAD;
	}
	item->bits = (unsigned)bits;
	return PLAN_LIST_ITEM;
}

enum plan_list_next plan_list_next(struct plan_list *l, struct plan_list_item *item, struct why *why)
{
	for (;;) {
		while (l->items.len > 0) {
			struct span text = cut_item(&l->items);

			if (text.len > 0)
				return read_item(text, item, why);
		}
		if (l->rest.len == 0)
			return PLAN_LIST_END;
		l->items = span_cut(&l->rest, '\n');
		l->line++;
		if (l->items.len > 0 && l->items.at[l->items.len - 1] == '\r')
			l->items.len--;
		if (l->items.len > PLAN_LIST_LINE_MOST) {
			why_set(why, FAULT_POLICY, "the line has %zu octets; it can have %d", l->items.len,
				PLAN_LIST_LINE_MOST);
			l->items = SPAN("");
			return PLAN_LIST_BAD;
		}
		l->items = without_comment(l->items);
	}
}
