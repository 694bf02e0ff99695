/* Whatever is sent as a report: the table that comes out is printable, and so is the reason why there is none. */
#include "base/must.h"
#include "ctl/tlsrpt_gzip.h"
#include "ctl/tlsrpt_read.h"

#define MOST (256 * 1024) /* less than in earnest, so that bombs of a fuzzer's size meet it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(struct span text, bool lines)
{
	for (size_t i = 0; i < text.len; i++)
		must((text.at[i] >= ' ' && text.at[i] <= '~') || (lines && text.at[i] == '\n'));
}

/* What was packed comes out the same. */
static void check_round_trip(struct span text)
{
	struct buf packed, again;
	struct why why;

	buf_init(&packed, 2 * MOST);
	buf_init(&again, text.len);
	must(tlsrpt_gzip_pack(text, &packed));
	must(tlsrpt_gzip_unpack(buf_peek(&packed), &again, &why));
	must(span_eq(buf_peek(&again), text));
	buf_free(&packed);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf json, table;
	struct why why = { 0 };

	buf_init(&json, MOST);
	buf_init(&table, TLSRPT_READ_TABLE);
	if (!tlsrpt_gzip_unpack(span_of(data, size), &json, &why)) {
		must(why.fault == FAULT_PEER);
	} else {
		check_round_trip(buf_peek(&json));
		if (tlsrpt_read_table(buf_peek(&json), &table, &why))
			check_printable(buf_peek(&table), true);
		else
			must(why.fault == FAULT_PEER);
	}
	buf_free(&json);
	buf_free(&table);
	return 0;
}
