#include "ctl/tlsrpt_gzip.h"

#include "base/must.h"

#include <limits.h>
#include <zlib.h>

#define CHUNK 32768
#define GZIP_WINDOW (15 + 16) /* zlib.h: 16 stands for gzip */

/* zlib takes what it has not said to be const. */
static void give(z_stream *z, struct span octets)
{
	must(octets.len <= UINT_MAX);
	z->next_in = (Bytef *)octets.at;
	z->avail_in = (uInt)octets.len;
}

bool tlsrpt_gzip_pack(struct span text, struct buf *out)
{
	z_stream z = { 0 };
	int result = Z_OK;

	must(deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	give(&z, text);
	while (result == Z_OK) {
		size_t got;
		char *at = buf_reserve(out, CHUNK, &got);

		z.next_out = (Bytef *)at;
		z.avail_out = (uInt)got;
		result = got > 0 ? deflate(&z, Z_FINISH) : Z_BUF_ERROR;
		buf_commit(out, got - z.avail_out);
	}
	deflateEnd(&z);
	return result == Z_STREAM_END;
}

static bool refuse(struct why *why, const char *text)
{
	why_set(why, FAULT_PEER, "%s", text);
	return false;
}

static bool inflate_all(z_stream *z, struct buf *out, struct why *why)
{
	int result = Z_OK;

	while (result == Z_OK) {
		char sink = 0;
		size_t got;
		char *at = buf_reserve(out, CHUNK, &got);
		bool full = got == 0;

		/* Where there is no room left there may be no octet left either. */
		z->next_out = (Bytef *)(full ? &sink : at);
		z->avail_out = full ? 1 : (uInt)got;
		result = inflate(z, Z_NO_FLUSH);
		if (full && z->avail_out == 0)
			return refuse(why, "there is more in it than a report may have");
		if (!full)
			buf_commit(out, got - z->avail_out);
	}
	if (result == Z_BUF_ERROR)
		return refuse(why, "its gzip is cut short");
	if (result != Z_STREAM_END)
		return refuse(why, "its gzip is broken");
	return z->avail_in == 0 || refuse(why, "something stands behind the end of its gzip");
}

bool tlsrpt_gzip_unpack(struct span octets, struct buf *out, struct why *why)
{
	z_stream z = { 0 };
	bool good;

	if (!span_eq(span_first(octets, 2), SPAN("\x1f\x8b")))
		return buf_put(out, octets) || refuse(why, "it is longer than a report may be");
	must(inflateInit2(&z, GZIP_WINDOW) == Z_OK);
	give(&z, octets);
	good = inflate_all(&z, out, why);
	inflateEnd(&z);
	return good;
}
