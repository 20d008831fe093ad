/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* What OTLP is made of: fields of Protocol Buffers, attributes, and the frame of one export. Text is made valid UTF-8 as it is written, since
 * one wrong byte would make a receiver refuse all that comes with it.                              [OTLP 1.3] [Protocol Buffers encoding] */
enum { OTLP_TEXT_BYTES_MAX = 4096 }; /* of one value; what is longer is cut */
void otlp_uint(struct buf *b, unsigned field, uint64_t v);
void otlp_fixed32(struct buf *b, unsigned field, uint32_t v);
void otlp_fixed64(struct buf *b, unsigned field, uint64_t v);
void otlp_bytes(struct buf *b, unsigned field, str s);
void otlp_text(struct buf *b, unsigned field, str s);
/* A KeyValue in the field. */
void otlp_attribute(struct buf *b, unsigned field, str key, str value);
void otlp_attribute_int(struct buf *b, unsigned field, str key, int64_t value);
void otlp_attribute_list(struct buf *b, unsigned field, str key, const str *values, uint32_t n);
/* What stands before spans_bytes of spans, each written by otlp_bytes(b, OTLP_SPAN, span), to make them an ExportTraceServiceRequest.
 * resource: its attributes, written as field OTLP_RESOURCE_ATTRIBUTE. */
enum { OTLP_RESOURCE_ATTRIBUTE = 1, OTLP_SPAN = 2 };
void otlp_frame(struct buf *b, str resource, str scope, str version, size_t spans_bytes);
/* How many spans an ExportTraceServiceResponse says were not taken. ERR_PROTO: it is none. */
err otlp_rejected(str response, uint64_t *ret);
