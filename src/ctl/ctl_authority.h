/* ctl/ctl_authority.h
 * `sallyport authority init DIR [--name TEXT] [--days N]`: the two authorities of interception
 * (SPEC WG-5, WG-7). authority.pem signs leafs in the likeness of upstream certificates that are
 * in order; untrusted.pem those of upstreams that are not, so that a client that
 * verifies refuses them: nobody is to trust it. Keys are for their owner alone (0600). Nothing is
 * overwritten: where one of the four files exists, none is written. */
#ifndef CTL_AUTHORITY_H
#define CTL_AUTHORITY_H

/* argv[0] is "authority". Returns the exit code (sysexits). */
int ctl_authority(int argc, char **argv);

#endif
