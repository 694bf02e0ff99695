/* io/log_out.h
 * Log lines to a descriptor that must never make us wait (FAULTS 27): it is opened anew in
 * non-blocking mode, and a line that does not fit is dropped and counted; the
 * next line that goes through is preceded by event=log-lost n=<count>. */
#ifndef IO_LOG_OUT_H
#define IO_LOG_OUT_H

void log_out_start(int fd); /* becomes the sink of base/log.h */

#endif
