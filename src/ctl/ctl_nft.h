/* ctl/ctl_nft.h
 * sallyport nft-rules -c FILE [--service NAME] [--table NAME] [--interface IF] [--local] [--shell | --remove]:
 * what the network needs to bring connections to a transparent service: a file for `nft -f`, with the lines for
 * ip(8) as comments; with --shell all of it as a script, with --remove the script that takes it back. For a
 * router; with --local for what the machine itself sends. Returns the exit status: 0 fine, 64 wrong
 * use, 78 the configuration has errors, or no such service. */
#ifndef CTL_NFT_H
#define CTL_NFT_H

#include "base/buf.h"
#include "conf/conf.h"

struct ctl_nft {
	const char *path;      /* of the configuration, for a comment */
	const char *table;     /* of nftables */
	const char *interface; /* where clients are; NULL: everywhere */
	bool local;
	enum { CTL_NFT_RULES, CTL_NFT_SHELL, CTL_NFT_REMOVE } form;
};

int ctl_nft(int argc, char **argv);

#define CTL_NFT_MOST (64 * 1024)
void ctl_nft_print(const struct conf *c, const struct conf_service *s, const struct ctl_nft *o, struct buf *out);

#endif
