/* ctl/ctl_partners.h
 * sallyport partners -c FILE [list [--json] | add KEY ... | remove KEY]: the rules for partners, those of the file and those of
 * the database (SPEC GC-10). Only the latter can be changed here; the service has a change within a second. Returns the exit
 * status: 0 done, 64 wrong use, 65 the key or a value is refused (also: the file has the key), 66 the file can't be read or
 * there is nothing to remove, 74 the database can't be read or written, 78 the configuration has errors. */
#ifndef CTL_PARTNERS_H
#define CTL_PARTNERS_H

int ctl_partners(int argc, char **argv);

#endif
