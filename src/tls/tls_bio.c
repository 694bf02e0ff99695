/* A BIO of our own rather than BIO_s_mem: that one keeps its memory once grown, has no
 * ceiling, and would copy every octet once more. */
#include "base/must.h"
#include "tls/tls_inside.h"

#include <openssl/bio.h>
#include <string.h>

static int take(BIO *bio, char *to, int len)
{
	struct tls_conn *c = BIO_get_data(bio);
	struct span have = span_first(buf_peek(&c->raw_in), len > 0 ? (size_t)len : 0);

	BIO_clear_retry_flags(bio);
	if (have.len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(to, have.at, have.len);
	buf_consume(&c->raw_in, have.len);
	return (int)have.len;
}

static int give(BIO *bio, const char *from, int len)
{
	struct tls_conn *c = BIO_get_data(bio);
	struct span piece = span_first(span_of(from, len > 0 ? (size_t)len : 0),
				       buf_space(&c->raw_out));

	BIO_clear_retry_flags(bio);
	if (piece.len == 0 || !buf_put(&c->raw_out, piece)) {
		BIO_set_retry_write(bio);
		return -1;
	}
	return (int)piece.len;
}

static long control(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int start(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sallyport");

	must(m != NULL);
	must(BIO_meth_set_read(m, take) == 1);
	must(BIO_meth_set_write(m, give) == 1);
	must(BIO_meth_set_ctrl(m, control) == 1);
	must(BIO_meth_set_create(m, start) == 1);
	return m;
}

BIO *tls_bio_new(struct tls_conn *c)
{
	static BIO_METHOD *method;
	BIO *bio;

	if (method == NULL)
		method = make_method();
	bio = BIO_new(method);
	must(bio != NULL);
	BIO_set_data(bio, c);
	return bio;
}
