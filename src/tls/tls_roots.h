/* tls/tls_roots.h
 * The roots that the system trusts, read whole and once a process. The directory of hashed
 * names, which OpenSSL would open in the middle of a handshake, is not used: an edge has no file
 * system by then. New roots are seen by the next generation of edges. */
#ifndef TLS_ROOTS_H
#define TLS_ROOTS_H

/* Reads them now: before a sandbox closes the file system. Without this call they are read
 * when first needed. Where there is no bundle there are no roots, and nothing verifies. */
void tls_roots_load(void);

#endif
