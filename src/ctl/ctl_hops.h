/* ctl/ctl_hops.h
 * sallyport hops [--json] [FILE]: the way of a message as its Received fields tell it, the oldest hop first: which hops were
 * encrypted, how long each took, and what in the chain does not fit together (SPEC GC-12). FILE or stdin; only the
 * header section is read. Returns the exit status: 0 all hops between machines were encrypted, 1 one was in clear, 2 none was in
 * clear and of one it can't be told (or there is no hop), 64 wrong use, 66 the file can't be read. */
#ifndef CTL_HOPS_H
#define CTL_HOPS_H

int ctl_hops(int argc, char **argv);

#endif
