/* io/log_out.h
 * Log lines to a descriptor that must never make us wait (FAULTS 27): it is opened anew in
 * non-blocking mode, and a line that does not fit is dropped and counted; the
 * next line that goes through is preceded by event=log-lost n=<count>. SIGPIPE must be
 * ignored: the reader of a pipe may go away. */
#ifndef IO_LOG_OUT_H
#define IO_LOG_OUT_H

/* Becomes the sink of base/log.h. `fd` stays the caller's and must stay open. Meant to be called
 * once; called again it takes the new descriptor and leaves its own old one open. */
void log_out_start(int fd);

#endif
