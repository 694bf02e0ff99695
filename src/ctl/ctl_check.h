/* ctl/ctl_check.h
 * sallyport check -c FILE [-T]: all that is wrong with a configuration, the files it names
 * included. argv[0] is "check". Returns the exit status (sysexits): 0 fine, 64 wrong use, 66 the
 * file can't be read, 78 there are errors. */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

int ctl_check(int argc, char **argv);

#endif
