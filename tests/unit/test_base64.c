#include "base/base64.h"
#include "unit.h"

static const struct {
	const char *name;
	struct span text, octets;
} rows[] = {
	/* RFC 4648 section 10 */
	{ "nothing",                  SPAN(""), SPAN("") },
	{ "f",                        SPAN("Zg=="), SPAN("f") },
	{ "fo",                       SPAN("Zm8="), SPAN("fo") },
	{ "foo",                      SPAN("Zm9v"), SPAN("foo") },
	{ "foob",                     SPAN("Zm9vYg=="), SPAN("foob") },
	{ "fooba",                    SPAN("Zm9vYmE="), SPAN("fooba") },
	{ "foobar",                   SPAN("Zm9vYmFy"), SPAN("foobar") },
	{ "the ends of the alphabet", SPAN("AZaz09+/"), SPAN("\x01\x96\xb3\xd3\xdf\xbf") },
	{ "all bits",                 SPAN("////"), SPAN("\xff\xff\xff") },
	{ "NULs",                     SPAN("AAAA"), SPAN("\0\0\0") },
	{ "no padding",               SPAN("Zm8"), SPAN("fo") },
	{ "one digit is no octet",    SPAN("Z"), SPAN("") },
	{ "a digit too many",         SPAN("Zm9vZ"), SPAN("foo") },
	{ "bits beyond the end",      SPAN("Zn=="), SPAN("f") },
	{ "padding alone",            SPAN("===="), SPAN("") },
	{ "nothing behind padding",   SPAN("Zg==Zm9v"), SPAN("f") },
	{ "a blank",                  SPAN("Zm9v YmFy"), SPAN("foo") },
	{ "a line end",               SPAN("Zm9v\r\nYmFy"), SPAN("foo") },
	{ "a NUL",                    SPAN("Zm9v\0YmFy"), SPAN("foo") },
	{ "8-bit",                    SPAN("\xff\xfe\xfd\xfc"), SPAN("") },
	{ "the alphabet of URLs",     SPAN("Zm9v-_-_"), SPAN("foo") },
	{ "a star",                   SPAN("*"), SPAN("") },
};

static void test_RFC_4648_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char out[64];
		size_t len = base64_read(rows[i].text, out, sizeof(out));

		want_text(rows[i].name, span_of(out, len), rows[i].octets);
	}
}

/* In a block of just that size, so that a sanitizer sees one octet too many. */
static void test_base64_keeps_to_the_size(void **state)
{
	struct span text = SPAN("Zm9vYmFy");

	(void)state;
	for (size_t size = 1; size <= 8; size++) {
		char *out = mem_new(size);
		size_t len = base64_read(text, out, size);

		want_number("octets", "length", len, size < 6 ? size : 6);
		want_text("octets", span_of(out, len), span_first(SPAN("foobar"), len));
		free(out);
	}
	want_number("no room", "length", base64_read(text, NULL, 0), 0);
}

static void test_base64_lines(void **state)
{
	static const struct {
		const char *name;
		struct span octets, text;
	} all[] = {
		{ "nothing", SPAN(""), SPAN("") },
		{ "one", SPAN("f"), SPAN("Zg==\r\n") },
		{ "two", SPAN("fo"), SPAN("Zm8=\r\n") },
		{ "three", SPAN("foo"), SPAN("Zm9v\r\n") },
		{ "the ends of the alphabet", SPAN("\x01\x96\xb3\xd3\xdf\xbf"), SPAN("AZaz09+/\r\n") },
		{ "a whole line", SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		  SPAN("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\r\n") },
		{ "one more", SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff"),
		  SPAN("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\r\n/w==\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(all); i++) {
		struct buf out;

		buf_init(&out, all[i].text.len);
		assert_true(base64_put_lines(&out, all[i].octets));
		want_text(all[i].name, buf_peek(&out), all[i].text);
		buf_free(&out);
		buf_init(&out, all[i].text.len > 0 ? all[i].text.len - 1 : 0);
		want_number(all[i].name, "written without room", base64_put_lines(&out, all[i].octets), i == 0);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_RFC_4648_vectors),
		cmocka_unit_test(test_base64_keeps_to_the_size),
		cmocka_unit_test(test_base64_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
