/* proc/master.h
 * `sallyport run`: checks the configuration, opens the listening sockets, starts the other processes and
 * looks after them. It never reads a byte from the network. */
#ifndef PROC_MASTER_H
#define PROC_MASTER_H

/* argv[0] is "run". Returns the exit status (sysexits). */
int master_run(int argc, char **argv);

#endif
