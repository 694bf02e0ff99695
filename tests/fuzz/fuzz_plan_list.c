/* A list of partners: whatever the file holds, each item has its line, is printable and lies within the file, and it ends. */
#include "base/must.h"
#include "plan/plan_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_lines(struct span file)
{
	size_t lines = 0;

	while (file.len > 0) {
		(void)span_cut(&file, '\n');
		lines++;
	}
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span file = span_of(data, size);
	size_t lines = count_lines(file);
	struct plan_list_item item;
	enum plan_list_next next;
	struct plan_list list;
	unsigned line = 0;
	size_t turns = 0;
	struct why why;

	plan_list_begin(&list, file);
	while ((next = plan_list_next(&list, &item, &why)) != PLAN_LIST_END) {
		must(turns++ <= size);
		must(list.line >= line && list.line >= 1 && list.line <= lines);
		line = list.line;
		if (next == PLAN_LIST_BAD)
			continue;
		must(item.key.len > 0 && item.bits <= PLAN_LIST_BITS_MOST && (item.has_bits || item.bits == 0));
		must(item.key.at >= file.at && item.key.at + item.key.len <= file.at + file.len);
		for (size_t i = 0; i < item.key.len; i++)
			must((unsigned char)item.key.at[i] > ' ' && item.key.at[i] != 0x7f);
	}
	must(list.rest.len == 0 && list.items.len == 0);
	return 0;
}
