/* ctl/ctl_version.h
 * `sallyport version`: ours, and that of the TLS library we run with. */
#ifndef CTL_VERSION_H
#define CTL_VERSION_H

int ctl_version(int argc, char **argv);

#endif
