/* fuzz: text, 25000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any response to staple, for a certificate whose responses are among the seeds: it is read, or a message says why it is not sent. */
#include "text/x509_ocsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* leaf.example and who signed it, valid for a hundred years. The key is nobody's any more. */
static const char chain[] = "-----BEGIN CERTIFICATE-----\n"
                            "MIIBdDCCARugAwIBAgIBAjAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdGdXp6IENB\n"
                            "MCAXDTI2MTEyMzE1MTMyMloYDzIxMjYxMDMwMTUxMzIyWjAXMRUwEwYDVQQDDAxs\n"
                            "ZWFmLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATIgrZxDss1ib5T\n"
                            "cBGkQTEa83vXKkQ73nxPVfYswGkxtjIoq2iNHiEppVDVdZH73IGME/TvpqfE7LGv\n"
                            "JNCbLxGqo1swWTAXBgNVHREEEDAOggxsZWFmLmV4YW1wbGUwHQYDVR0OBBYEFLhf\n"
                            "vM2+kahCg4Gii/8OSSG7t+WWMB8GA1UdIwQYMBaAFBuPpde11ZM+fRjHu/8elrYp\n"
                            "9b+iMAoGCCqGSM49BAMCA0cAMEQCIHyv5dsKgW5cQUEd3och6ub4T09vM87CDDXD\n"
                            "dMOq7RytAiBo8G7h+JyR7f/3jElel8xZPKVGufAT9Ro3CyyxSYnvEQ==\n"
                            "-----END CERTIFICATE-----\n"
                            "-----BEGIN CERTIFICATE-----\n"
                            "MIIBfDCCASGgAwIBAgIUSlGJ/2v8g3aCwIUvQb31mDHaQJowCgYIKoZIzj0EAwIw\n"
                            "EjEQMA4GA1UEAwwHRnV6eiBDQTAgFw0yNjExMjMxNTEzMjFaGA8yMTI2MTAzMDE1\n"
                            "MTMyMVowEjEQMA4GA1UEAwwHRnV6eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
                            "A0IABNTtgJrE4KMLi7/uaG23PaCh9kOHf01GWqE1GXVNrncs9oJdxSX15Mjapfog\n"
                            "sL+k18Wacmy5oYGfKj6qPY6sCNSjUzBRMB0GA1UdDgQWBBQbj6XXtdWTPn0Yx7v/\n"
                            "Hpa2KfW/ojAfBgNVHSMEGDAWgBQbj6XXtdWTPn0Yx7v/Hpa2KfW/ojAPBgNVHRMB\n"
                            "Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDKLNJ6OZ7ZFU3SG/hSP0uOwhXH\n"
                            "hK1xXVin6VQZqgNRmwIhAPuhTLQoMtXeF2lLs/dO8Ox3kjSRj0oOpu3Hz+jn4UGY\n"
                            "-----END CERTIFICATE-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str message = {0};
    struct arena *a = arena_new();
    struct x509_ocsp r = {0};
    err e = x509_ocsp_read(a, str_of(chain), (str){(const char *)data, size}, &r, &message);
    assert(e == OK || (e == ERR_PROTO && message.n));
    if (e == OK) assert(r.this_update_s < INT64_MAX && r.next_update_s > INT64_MIN);
    arena_free(a);
    return 0;
}
